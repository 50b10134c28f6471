import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Batches, openBatches } from "../../../test/ingest/batches.ts";
import type { Converted } from "./batch.ts";
import { convertExact, detectColumns } from "./exact.ts";
import { convertFastJson } from "./fast-json.ts";
import { typeName } from "./types.ts";

let batches: Batches;
beforeAll(async () => {
  batches = await openBatches();
});
afterAll(() => batches[Symbol.asyncDispose]());

const context = () => batches.context();
const batchOf = (...batch: Parameters<Batches["of"]>) => batches.of(...batch);
const read = (file: string | null, columns: string) => batches.read(file, columns);
const rowsOf = (done: Converted) => batches.rows(done);
const reasonsOf = (done: Converted) => batches.reasons(done);

const types = [
  "BIGINT",
  "DOUBLE",
  "BOOLEAN",
  "VARCHAR",
  "DATE",
  "TIMESTAMP",
  "TIMESTAMP WITH TIME ZONE",
  "JSON",
  "DECIMAL(10,2)",
  "INTEGER",
  "FLOAT",
  "HUGEINT",
  "BIGINT[]",
  "STRUCT(a BIGINT, b VARCHAR[])",
  "STRUCT(a BIGINT, b STRUCT(c DOUBLE)[])[]",
];
const scalars = fc.oneof(
  fc.integer(),
  fc.maxSafeInteger(),
  fc.double(),
  fc.boolean(),
  fc.constant(null),
  fc.string({ unit: "binary" }),
  fc.constantFrom(
    "12",
    " 12",
    "1.5",
    "2024-01-31",
    "2024-01-31 10:00:00",
    "2024-01-31T10:00:00.5Z",
    "2024-01-31 10:00:00+02",
    "2024-01-31 00:00:00 UTC",
    "true",
    "TRUE",
    "1_000",
    "1e3",
    "NaN",
    "",
  ),
);
const value = fc.oneof(
  { weight: 4, arbitrary: scalars },
  fc.array(scalars, { maxLength: 3 }),
  fc.record({ a: scalars, b: fc.array(scalars, { maxLength: 2 }) }, { requiredKeys: [] }),
  fc.array(
    fc.oneof(
      fc.record(
        { a: fc.integer(), b: fc.array(fc.record({ c: scalars }, { requiredKeys: [] })) },
        { requiredKeys: [] },
      ),
      fc.constantFrom({}, null, 1, [], { A: 1 }, { b: {} }, { b: null }),
    ),
    { maxLength: 3 },
  ),
);
const literalNumbers = fc.constantFrom("9007199254740993", "12345678901234567890", "1.0", "1e2", "-0", "1e400", "0.1");
const number = fc.oneof(fc.integer(), fc.double({ noNaN: true, noDefaultInfinity: true }), fc.constant(null));
const plainRow = fc.record({ x: number, y: fc.oneof(fc.boolean(), fc.integer(), fc.constant(null)) });
const line = fc.oneof(
  { weight: 6, arbitrary: plainRow.map((row) => JSON.stringify(row)) },
  { weight: 8, arbitrary: fc.record({ x: value, y: scalars }, { requiredKeys: [] }).map((row) => JSON.stringify(row)) },
  literalNumbers.map((number) => `{"x":${number}}`),
  fc.constantFrom(
    "",
    "   ",
    "null",
    "{}",
    '{"x":1,"x":2}',
    '{"x":{"a":1,"a":2}}',
    '{"x":[{"a":1,"a":1}]}',
    '{"X":1}',
    "[1]",
    "nonsense",
    '{"x":1} \f',
    '{"x":',
  ),
);

test("the fast path gives the rows that the exact path gives, or gives up", async () => {
  const runs = { byType: 0, asText: 0 };
  const two = fc.oneof(
    fc.tuple(fc.constantFrom(...types), fc.constantFrom("VARCHAR", "BOOLEAN", "BIGINT", "DOUBLE")),
    fc.tuple(fc.constantFrom("BIGINT", "DOUBLE"), fc.constantFrom("BOOLEAN", "BIGINT")),
  );
  await fc.assert(
    fc.asyncProperty(
      two,
      fc.array(line, { minLength: 1, maxLength: 3 }),
      fc.boolean(),
      async ([x, y], lines, asText) => {
        const columns: [string, string][] = [
          ["x", x],
          ["y", y],
        ];
        const batch = await batchOf(`${lines.join("\n")}\n`, columns, { asText });
        const fast = await convertFastJson(batch, context()).catch(() => null);
        if (fast === null) return;
        runs[fast.byType === true ? "byType" : "asText"]++;
        const exact = await convertExact({ ...batch, workPath: `${batch.workPath}-exact` }, context());
        expect(await rowsOf(exact)).toEqual(await rowsOf(fast));
        expect(exact.quarantined).toBe(0);
        expect(exact.columns).toEqual(fast.columns);
      },
    ),
    { numRuns: 300 },
  );
  expect(runs.byType).toBeGreaterThan(10);
  expect(runs.asText).toBeGreaterThan(10);
}, 120_000);

test("a column of times gives the event time that its cast gives, however far away", async () => {
  const times = [
    "2024-01-31 10:00:00.123456",
    "1969-12-31 23:59:59",
    "0044-03-15 00:00:00",
    "9999-12-31 23:59:59",
    "infinity",
  ];
  for (const t of times) {
    const batch = await batchOf(`{"t":"${t}"}\n{"t":null}\n`, [["t", "TIMESTAMP"]], { eventTime: '"t"' });
    const fast = await convertFastJson(batch, context()).catch(() => null);
    const exact = await convertExact({ ...batch, workPath: `${batch.workPath}-exact` }, context());
    if (t !== "infinity") expect(fast, t).not.toBeNull();
    if (fast !== null) expect(await rowsOf(fast), t).toEqual(await rowsOf(exact));
  }
});

test.each([
  ["numbers only", '{"x":1,"y":0.5,"z":true,"t":"a"}', true],
  ["a boolean among numbers, one missing among booleans", '{"x":true,"y":0.5,"t":"a"}', false],
  ["a boolean among numbers behind blanks", '{"x": \t true,"y":0.5,"t":"a"}', false],
  ["a whole number beyond doubles", '{"x":9007199254740993,"t":"a"}', false],
  ["a text that looks like a boolean token", '{"x":1,"t":"yes, true"}', false],
])("numbers are read by type only where that tells them from booleans: %s", async (_name, line, byType) => {
  const columns: [string, string][] = [
    ["x", "BIGINT"],
    ["y", "DOUBLE"],
    ["z", "BOOLEAN"],
    ["t", "VARCHAR"],
  ];
  const batch = await batchOf(`{"x":7,"z":false}\n${line}\n`, columns);
  const fast = await convertFastJson(batch, context()).catch(() => null);
  expect(fast?.byType ?? false).toBe(byType);
  const exact = await convertExact({ ...batch, workPath: `${batch.workPath}-exact` }, context());
  if (fast !== null) expect(await rowsOf(fast)).toEqual(await rowsOf(exact));
  else expect(exact.quarantined).toBe(1);
});

test("the exact path puts each bad row aside with its line, column and reason", async () => {
  const body = '{"n":1}\nnot json\n\n{"n":"x"}\n{"n":2.0}\n{"n":1,"N":2}\n[1]\n{"offset":1}\n';
  const done = await convertExact(await batchOf(body, [["n", "BIGINT"]]), context());
  expect(await rowsOf(done)).toMatchObject([
    { offset: 10, n: 1 },
    { offset: 11, n: 2 },
  ]);
  expect(await reasonsOf(done)).toEqual([
    { line: 2, column_name: null, reason: "not valid JSON", raw: "not json" },
    { line: 4, column_name: "n", reason: "cannot be read as BIGINT", raw: '{"n":"x"}' },
    { line: 6, column_name: null, reason: "a key stands twice", raw: '{"n":1,"N":2}' },
    { line: 7, column_name: null, reason: "not a JSON object", raw: "[1]" },
    {
      line: 8,
      column_name: null,
      reason: "the names offset, op and system_time belong to Millrace",
      raw: '{"offset":1}',
    },
  ]);
  expect(done.shares).toMatchObject([{ rows: 2, quarantined: 5 }]);
});

test("the schema grows and widens, and nothing is cut", async () => {
  const body =
    '{"a":1.5,"New Key $":true,"nested":{"p":1,"q":["x"]},"o":7,"i":8,"problem":9}\n{"A":2,"mixed":1}\n{"mixed":"one","nothing":null}\n';
  const done = await convertExact(await batchOf(body, [["a", "BIGINT"]]), context());
  expect(done.columns.map((column) => [column.name, typeName(column.type)])).toEqual([
    ["a", "DOUBLE"],
    ["New Key $", "BOOLEAN"],
    ["nested", 'STRUCT("p" BIGINT, "q" VARCHAR[])'],
    ["o", "BIGINT"],
    ["i", "BIGINT"],
    ["problem", "BIGINT"],
    ["mixed", "VARCHAR"],
  ]);
  expect(done.emptyKeys).toEqual(["nothing"]);
  expect(await rowsOf(done)).toMatchObject([
    { a: 1.5, "New Key $": true, nested: { p: 1, q: ["x"] }, o: 7, i: 8, problem: 9 },
    { a: 2, mixed: "1" },
    { mixed: "one" },
  ]);
});

test("an event time that a row cannot give puts the row aside; one that is null takes the system time", async () => {
  const body =
    '{"t":"2024-05-01 00:00:00"}\n{"t":null}\n{"t":"soon"}\n{"event_time":"2020-01-01T00:00:00Z","t":"soon"}\n';
  const batch = await batchOf(body, [["t", "VARCHAR"]], { eventTime: "CAST(t AS TIMESTAMP)" });
  const done = await convertExact(batch, context());
  expect(await read(done.slicePath, "event_time::VARCHAR AS at")).toEqual([
    { at: "2024-05-01 00:00:00+00" },
    { at: "2030-01-01 00:00:00+00" },
    { at: "2020-01-01 00:00:00+00" },
  ]);
  expect(await reasonsOf(done)).toMatchObject([{ line: 3, column_name: "event_time" }]);
  const wrong = await batchOf(body, [["t", "VARCHAR"]], { eventTime: '"no such column"' });
  expect(await convertExact(wrong, context())).toMatchObject({ rows: 0, quarantined: 4 });
  await expect(convertExact({ ...wrong, wrongEventTime: "refuse" }, context())).rejects.toMatchObject({
    code: "bad_request",
  });
});

test("columns of CSV are detected with leading zeros kept, and odd records are put aside", async () => {
  const body = 'zip,n,d,"two\nlines"\n00501,1,2024-01-01,"a ""b""\nc"\n00544,2,,\nshort,1\n00545,3,2024-01-02,x"y\n';
  const batch = await batchOf(body, [], { format: { kind: "csv", delimiter: ",", header: true } });
  const done = await convertExact(batch, context());
  expect(done.columns.map((column) => typeName(column.type))).toEqual(["VARCHAR", "BIGINT", "DATE", "VARCHAR"]);
  expect(await read(done.slicePath, 'zip, "two\nlines" AS text')).toEqual([
    { zip: "00501", text: 'a "b"\nc' },
    { zip: "00544", text: null },
  ]);
  expect(await reasonsOf(done)).toMatchObject([
    { line: 6, reason: "2 fields, not 4" },
    { line: 7, reason: "a quote inside a field without quotes" },
  ]);
});

test("columns of a first batch are found from its first records", async () => {
  const body = '{"id":1,"at":"2024-01-01T00:00:00Z","day":"2024-01-01","big":12345678901234567890,"ok":false}\n';
  const { columns } = await detectColumns(await batchOf(body, []), context());
  expect(columns.map((column) => typeName(column.type))).toEqual([
    "BIGINT",
    "TIMESTAMP WITH TIME ZONE",
    "DATE",
    "DECIMAL(38,0)",
    "BOOLEAN",
  ]);
});
