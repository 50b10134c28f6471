import { stat } from "node:fs/promises";
import path from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type OpenPool, openPool } from "../../../test/kit/engine-pool.ts";
import type { TraceId } from "../../base/index.ts";
import { copyColumns, fieldFromDuckdb, schemaWith, sliceType } from "../../slices/index.ts";
import type { EngineRow } from "../index.ts";

const signal = AbortSignal.timeout(300_000);
let pool: OpenPool;
let written = 0;
beforeAll(async () => {
  pool = await openPool({ maxQueued: 100 });
});
afterAll(() => pool[Symbol.asyncDispose]());

async function rows(sql: string): Promise<readonly EngineRow[]> {
  const statements = [{ sql, rows: true }];
  return (await pool.pool.script({ traceId: "" as TraceId, label: "test", statements }, signal))[0] ?? [];
}

interface TestColumn {
  readonly type: string;
  /** SQL of a value that the row number `i` and a seed decide. */
  readonly value: (seed: string) => string;
}

const hash = (seed: string) => `hash(i, ${seed})`;
const leaves: readonly TestColumn[] = [
  { type: "BOOLEAN", value: (seed) => `${hash(seed)} % 2 = 0` },
  { type: "TINYINT", value: (seed) => `(${hash(seed)} % 256)::INTEGER - 128` },
  { type: "SMALLINT", value: (seed) => `(${hash(seed)} % 65536)::INTEGER - 32768` },
  { type: "INTEGER", value: (seed) => `(${hash(seed)} % 4294967296)::BIGINT - 2147483648` },
  { type: "BIGINT", value: (seed) => `${hash(seed)}::HUGEINT - 9223372036854775808` },
  { type: "UTINYINT", value: (seed) => `${hash(seed)} % 256` },
  { type: "USMALLINT", value: (seed) => `${hash(seed)} % 65536` },
  { type: "UINTEGER", value: (seed) => `${hash(seed)} % 4294967296` },
  { type: "UBIGINT", value: (seed) => `if(${hash(seed)} % 3 = 0, 18446744073709551615, ${hash(seed)})` },
  { type: "HUGEINT", value: (seed) => `${hash(seed)}::HUGEINT * 1000000000 - 7` },
  { type: "FLOAT", value: (seed) => `if(${hash(seed)} % 5 = 0, 'nan'::FLOAT, ${hash(seed)}::FLOAT / 3)` },
  { type: "DOUBLE", value: (seed) => `if(${hash(seed)} % 5 = 0, '-0'::DOUBLE, -sqrt(${hash(seed)}::DOUBLE))` },
  { type: "DECIMAL(9,3)", value: (seed) => `(${hash(seed)} % 1000000)::DECIMAL(9,3) / 7` },
  { type: "DECIMAL(38,10)", value: (seed) => `${hash(seed)}::DECIMAL(38,10)` },
  { type: "VARCHAR", value: (seed) => `repeat('ä', (${hash(seed)} % 9)::INTEGER) || ${hash(seed)}` },
  { type: "BLOB", value: (seed) => `(${hash(seed)}::VARCHAR)::BLOB` },
  { type: "DATE", value: (seed) => `DATE '1960-01-01' + (${hash(seed)} % 40000)::INTEGER` },
  { type: "TIME", value: (seed) => `TIME '00:00' + to_microseconds((${hash(seed)} % 86400000000)::BIGINT)` },
  { type: "TIMESTAMP", value: (seed) => `make_timestamp((${hash(seed)} % 4000000000000000)::BIGINT)` },
  { type: "TIMESTAMP_S", value: (seed) => `make_timestamp((${hash(seed)} % 4000000000)::BIGINT * 1000000)` },
  { type: "TIMESTAMP_NS", value: (seed) => `make_timestamp_ns((${hash(seed)} % 4000000000000000)::BIGINT)` },
  { type: "TIMESTAMP WITH TIME ZONE", value: (seed) => `make_timestamptz((${hash(seed)} % 4000000000000)::BIGINT)` },
  { type: "INTERVAL", value: (seed) => `to_microseconds((${hash(seed)} % 4000000000)::BIGINT)` },
  { type: "UUID", value: (seed) => `md5(${hash(seed)}::VARCHAR)` },
  { type: "JSON", value: (seed) => `'{"a": [' || ${hash(seed)} || ', null]}'` },
];

const nested: fc.Arbitrary<TestColumn> = fc.letrec<{ column: TestColumn }>((tie) => ({
  column: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    fc.constantFrom(...leaves),
    tie("column").map(({ type, value }) => ({
      type: `${type}[]`,
      value: (seed: string) =>
        `list_transform(range((${hash(`${seed}, 'n'`)} % 4)::INTEGER), lambda x: if(x = 2, NULL, ${cast(value(`${seed}, x`), type)}))`,
    })),
    fc.tuple(tie("column"), tie("column")).map(([a, b]) => ({
      type: `STRUCT("a" ${a.type}, "b ""c" ${b.type})`,
      value: (seed: string) =>
        `if(${hash(`${seed}, 's'`)} % 4 = 0, NULL, {'a': ${cast(a.value(`${seed}, 1`), a.type)}, 'b "c': ${cast(b.value(`${seed}, 2`), b.type)}})`,
    })),
    tie("column").map(({ type, value }) => ({
      type: `MAP(UBIGINT, ${type})`,
      value: (seed: string) => `MAP {18446744073709551615: ${cast(value(seed), type)}, 7: NULL}`,
    })),
  ),
})).column;

function cast(value: string, type: string): string {
  return `CAST(${value} AS ${type})`;
}

/** SQL of rows from an offset on, as ingest writes a slice. */
function sliceSql(columns: readonly TestColumn[], nulls: number, first: number, count: number): string {
  const values = columns.map(({ type, value }, index) => {
    const said = cast(value(`${index}`), type);
    return `CAST(if(hash(i, ${index}, 'null') % 10 < ${nulls}, NULL, ${said}) AS ${sliceType(type)}) AS "c ${index}"`;
  });
  return `SELECT CAST(i AS UBIGINT) AS "offset", (i % 4)::UTINYINT AS op, make_timestamptz(i) AS system_time, make_timestamptz(i * 7) AS event_time,
    ${values.join(", ")} FROM range(${first}, ${first + count}) AS t(i)`;
}

const anySlices = fc.record({
  columns: fc.array(nested, { minLength: 1, maxLength: 5 }),
  nulls: fc.constantFrom(0, 3, 10),
  first: fc.nat({ max: 100 }),
  sizes: fc.array(fc.oneof(fc.integer({ min: 1, max: 70 }), fc.integer({ min: 1, max: 5_000 })), {
    minLength: 1,
    maxLength: 6,
  }),
});

test("the logical hash of each slice comes back from a copy of slices, and from a copy of copies, of any columns", async () => {
  await fc.assert(
    fc.asyncProperty(anySlices, async ({ columns, nulls, first, sizes }) => {
      const schema = schemaWith(columns.map(({ type }, index) => fieldFromDuckdb(`c ${index}`, type)));
      const typed = copyColumns([schema]);
      const inputs = [];
      const hashes: string[] = [];
      let at = first;
      for (const size of sizes) {
        const file = path.join(pool.shared, `slice-${++written}.parquet`);
        await rows(`COPY (${sliceSql(columns, nulls, at, size)}) TO '${file}' (FORMAT parquet, ROW_GROUP_SIZE 2048)`);
        inputs.push({ path: file, firstOffset: at, lastOffset: at + size - 1 });
        hashes.push(await pool.pool.logicalHash(file, signal));
        at += size;
      }
      const holds = { firstOffset: first, lastOffset: at - 1 };
      const copy = path.join(pool.shared, `copy-${++written}.parquet`);
      const half = path.join(pool.shared, `copy-${++written}.parquet`);
      const copied = await pool.pool.writeCopy({ ...holds, inputs, columns: typed, output: copy }, signal);
      expect(copied.sizeBytes).toBe((await stat(copy)).size);
      const [one, ...others] = inputs;
      if (one === undefined) return;
      await pool.pool.writeCopy({ ...one, inputs: [one], columns: typed, output: half }, signal);
      const again = path.join(pool.shared, `copy-${++written}.parquet`);
      await pool.pool.writeCopy(
        { ...holds, inputs: [{ ...one, path: half }, ...others], columns: typed, output: again },
        signal,
      );
      for (const file of [copy, again])
        expect(await pool.pool.rangeHashes({ path: file, columns: typed, ranges: inputs }, signal)).toEqual(hashes);
    }),
    { numRuns: 25, seed: 20_261_121 },
  );
}, 300_000);

const small = copyColumns([
  schemaWith([fieldFromDuckdb("n", "UBIGINT"), fieldFromDuckdb("s", 'STRUCT("x" UINTEGER)')]),
]);

async function smallSlice(first: number, count: number, n = "i"): Promise<string> {
  const file = path.join(pool.shared, `slice-${++written}.parquet`);
  await rows(`COPY (SELECT i::UBIGINT AS "offset", 0::UTINYINT AS op, make_timestamptz(0) AS system_time, make_timestamptz(0) AS event_time,
    (${n})::UBIGINT AS n, {'x': 1::UINTEGER} AS s FROM range(${first}, ${first + count}) t(i)) TO '${file}' (FORMAT parquet)`);
  return file;
}

test("a copy has signed types and the fields' ids, the system's columns first", async () => {
  const file = await smallSlice(0, 10, "18446744073709551615 - i");
  const output = path.join(pool.shared, "signed.parquet");
  const range = { firstOffset: 0, lastOffset: 9 };
  const { statistics } = await pool.pool.writeCopy(
    { ...range, inputs: [{ path: file, ...range }], columns: small, output },
    signal,
  );
  const fields = await rows(`SELECT name, field_id FROM parquet_schema('${output}') WHERE field_id IS NOT NULL`);
  expect(fields).toEqual([
    { name: "offset", field_id: 1 },
    { name: "op", field_id: 2 },
    { name: "system_time", field_id: 3 },
    { name: "event_time", field_id: 4 },
    { name: "n", field_id: 5 },
    { name: "s", field_id: 6 },
    { name: "x", field_id: 7 },
  ]);
  expect(statistics.map(({ column, type, min, max }) => [column, type, min, max]).slice(0, 5)).toEqual([
    ["offset", "BIGINT", "0", "9"],
    ["op", "INTEGER", "0", "0"],
    ["system_time", "TIMESTAMP WITH TIME ZONE", "1970-01-01 00:00:00+00", "1970-01-01 00:00:00+00"],
    ["event_time", "TIMESTAMP WITH TIME ZONE", "1970-01-01 00:00:00+00", "1970-01-01 00:00:00+00"],
    ["n", "DECIMAL(20,0)", "18446744073709551606", "18446744073709551615"],
  ]);
});

test("rows that are missing, doubled, changed or of other columns are no copy, and leave no file", async () => {
  const [first, second] = [await smallSlice(0, 10), await smallSlice(12, 10)];
  const output = path.join(pool.shared, "refused.parquet");
  const order = (lastOffset: number, inputs: { path: string; firstOffset: number; lastOffset: number }[]) =>
    pool.pool.writeCopy({ firstOffset: 0, lastOffset, inputs, columns: small, output }, signal);
  const whole = { path: first, firstOffset: 0, lastOffset: 9 };
  await expect(order(21, [whole, { path: second, firstOffset: 12, lastOffset: 21 }])).rejects.toThrow(
    /rows of the copy/,
  );
  await expect(order(9, [whole, whole])).rejects.toThrow(/rows of the copy/);
  await expect(order(19, [whole, { path: second, firstOffset: 10, lastOffset: 19 }])).rejects.toThrow(
    /rows of the copy/,
  );
  const other = copyColumns([schemaWith([fieldFromDuckdb("n", "UBIGINT")])]);
  const wrong = pool.pool.writeCopy({ firstOffset: 0, lastOffset: 9, inputs: [whole], columns: other, output }, signal);
  await expect(wrong).rejects.toThrow(/other columns/);
  await expect(stat(output)).rejects.toThrow(/ENOENT/);
});

test("a changed row, a shifted row and a row too few give other hashes or an error", async () => {
  const [good, changed] = [await smallSlice(0, 3_000), await smallSlice(0, 3_000, "if(i = 2500, 0, i)")];
  const ranges = [
    { firstOffset: 0, lastOffset: 2_047 },
    { firstOffset: 2_048, lastOffset: 2_499 },
    { firstOffset: 2_500, lastOffset: 2_500 },
    { firstOffset: 2_900, lastOffset: 2_999 },
  ];
  const hashes = (file: string) => pool.pool.rangeHashes({ path: file, columns: small, ranges }, signal);
  const [right, wrong] = [await hashes(good), await hashes(changed)];
  expect(wrong.map((one, index) => one === right[index])).toEqual([true, true, false, true]);
  await expect(hashes(await smallSlice(0, 2_999))).rejects.toThrow(/rows that it should/);
  await expect(hashes(await smallSlice(1, 2_999))).rejects.toThrow(/rows that it should/);
  const beside = await pool.pool.rangeHashes(
    { path: await smallSlice(2_048, 500), columns: small, ranges: [{ firstOffset: 2_048, lastOffset: 2_499 }] },
    signal,
  );
  expect(beside).toEqual([right[1]]);
});
