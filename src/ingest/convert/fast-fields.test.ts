import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Batches, openBatches } from "../../../test/ingest/batches.ts";
import type { Batch, Converted } from "./batch.ts";
import { convertExact } from "./exact.ts";
import { convertFastCsv } from "./fast-csv.ts";
import { convertFastText } from "./fast-text.ts";

let batches: Batches;
beforeAll(async () => {
  batches = await openBatches();
});
afterAll(() => batches[Symbol.asyncDispose]());

type Csv = { kind: "csv"; delimiter: string; header: boolean };

async function fastCsv(batch: Batch, format: Csv): Promise<Converted | null> {
  return await convertFastCsv(batch, format, batches.context()).catch(() => null);
}

/** What the fast path accepts, the exact path accepts with the same columns and rows, and nothing put aside. */
async function expectSame(batch: Batch, fast: Converted): Promise<void> {
  const exact = await convertExact({ ...batch, workPath: `${batch.workPath}-exact` }, batches.context());
  expect(exact.columns).toEqual(fast.columns);
  expect(await batches.rows(exact)).toEqual(await batches.rows(fast));
  expect(exact.quarantined).toBe(0);
}

const types = ["BIGINT", "DOUBLE", "BOOLEAN", "VARCHAR", "DATE", "TIMESTAMP", "TIMESTAMP WITH TIME ZONE", "INTEGER"];
const numbers = ["0", "7", "-7", "007", "+7", "1.5", "1.0", "1e3", "1_000", "9007199254740993", "12345678901234567890"];
const times = ["2024-01-31", "2024-01-31 10:00:00", "2024-01-31T10:00:00.5Z", "2024-01-31 10:00:00+02", "NaN", "epoch"];
const texts = ["", " ", " 7 ", "true", "TRUE", "NULL", "null", "\\N", "#", "é", "\u{1f600}", "\\", "'", "a\tb", "﻿"];
const cell = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom(...numbers, ...times) },
  { weight: 2, arbitrary: fc.constantFrom(...texts) },
  fc.string({ maxLength: 6 }).map((text) => text.replaceAll(/[";,|\t\n ]/g, "_")),
);
const quoted = cell.map((text) => `"${text.replaceAll('"', '""')}"`);
const multiline = fc.constantFrom('"a\nb"', '"a\r\nb"', '"a,b"', '"a""b"', '""', '""""', '"a\rb"');
const hostile = fc.constantFrom('x"y', ' "x"', '"x" ', '"x', "a\rb", "a\0b", '"x"y', "a,b", "a\n\nb", "\x0b", "\x1f");
const field = fc.oneof(
  { weight: 8, arbitrary: cell },
  { weight: 3, arbitrary: quoted },
  { weight: 2, arbitrary: multiline },
);
const anyField = fc.oneof({ weight: 12, arbitrary: field }, { weight: 1, arbitrary: hostile });

const csv = fc.record({
  names: fc.constantFrom(["x"], ["x", "y"], ["x", "y", "z"], ["X", "event_time"], ["x", "x", ""], ["y", "offset"]),
  rows: fc.oneof(
    { weight: 3, arbitrary: fc.array(fc.array(field, { minLength: 3, maxLength: 3 }), { maxLength: 4 }) },
    fc.array(fc.array(anyField, { minLength: 3, maxLength: 3 }), { maxLength: 4 }),
  ),
  ragged: fc.option(fc.nat({ max: 4 }), { freq: 8, nil: -1 }),
  header: fc.boolean(),
  delimiter: fc.constantFrom(",", ",", ";", "\t", "|", " "),
  newline: fc.constantFrom("\n", "\n", "\r\n"),
  odd: fc.option(fc.constantFrom("\n", "\r\n", "\r", "\n\n"), { freq: 5, nil: null }),
  ending: fc.constantFrom("", "break", "break", "break", "two"),
  begin: fc.constantFrom("", "", "", "", "﻿", "\n"),
});
type RandomCsv = typeof csv extends fc.Arbitrary<infer T> ? T : never;

function csvText({ names, rows, ragged, header, delimiter, newline, odd, ending, begin }: RandomCsv): string {
  const records = rows.map((fields, at) => fields.slice(0, names.length + (at === ragged ? at - 1 : 0)));
  const lines = [...(header ? [names] : []), ...records].map((fields) => fields.join(delimiter));
  const breaks = ending === "" ? "" : ending === "break" ? newline : newline + newline;
  return `${begin}${lines.map((text, at) => (at === 0 ? text : `${at === 2 ? (odd ?? newline) : newline}${text}`)).join("")}${breaks}`;
}

test("of any CSV the fast path gives what the exact path gives, or gives up", async () => {
  let fastRuns = 0;
  const known = fc.array(fc.tuple(fc.constantFrom("x", "y", "w"), fc.constantFrom(...types)), { maxLength: 2 });
  const unique = known.map((columns) => [...new Map(columns).entries()]);
  await fc.assert(
    fc.asyncProperty(csv, unique, async (random, columns) => {
      const format: Csv = { kind: "csv", delimiter: random.delimiter, header: random.header };
      const batch = await batches.of(csvText(random), columns, { format });
      const fast = await fastCsv(batch, format);
      if (fast === null) return;
      fastRuns++;
      await expectSame(batch, fast);
    }),
    { numRuns: 200 },
  );
  expect(fastRuns).toBeGreaterThan(15);
}, 120_000);

test("bytes that are changed anywhere in a CSV are never read in another way than the exact path's", async () => {
  const body = Buffer.from('id,name,at\r\n1,"Ada ""L""",2024-01-31\r\n2,"two\r\nlines",\r\n3,é,2024-02-01\r\n');
  const format: Csv = { kind: "csv", delimiter: ",", header: true };
  const bytes = fc.constantFrom(...Buffer.from('",\r\n \0\xff3'), 0xc3);
  await fc.assert(
    fc.asyncProperty(fc.nat({ max: body.length }), fc.constantFrom(0, 1), bytes, async (at, over, byte) => {
      const changed = Buffer.concat([body.subarray(0, at), Buffer.from([byte]), body.subarray(at + over)]);
      const batch = await batches.of(changed, [], { format });
      const fast = await fastCsv(batch, format);
      if (fast !== null) await expectSame(batch, fast);
    }),
    { numRuns: 100 },
  );
}, 120_000);

test.each([
  ["quotes, CRLF and an empty field", 'a,b\r\n1,"x, ""y"""\r\n2,\r\n'],
  ["a mark, no last break", "﻿a;b\n1;x\n2;y"],
  ["one column with empty lines", "a\n1\n\n2\n"],
  ["no record", "a,b\n"],
])("the fast path takes an ordinary CSV: %s", async (_, body) => {
  const format: Csv = { kind: "csv", delimiter: body.includes(";") ? ";" : ",", header: true };
  const columns: [string, string][] = [
    ["a", "BIGINT"],
    ["b", "VARCHAR"],
  ];
  const batch = await batches.of(body, columns, { format });
  const fast = await fastCsv(batch, format);
  expect(fast).not.toBeNull();
  if (fast !== null) await expectSame(batch, fast);
});

test.each([
  ["an empty field too many", "a,b\n1,2,\n"],
  ["a field too few", "a,b\n1\n"],
  ["a blank before quotes", 'a,b\n1, "x"\n'],
  ["a blank behind quotes", 'a,b\n1,"x" \n'],
  ["a quote in a bare field", 'a,b\n1,x"y\n'],
  ["an open quote", 'a,b\n1,"x\n'],
  ["a bare CR", "a,b\n1,x\ry\n"],
  ["line breaks of two kinds", "a,b\r\n1,x\n2,y\r\n"],
  ["a NUL", "a,b\n1,x\0y\n"],
  ["no UTF-8", Buffer.from("a,b\n1,\xe9\n", "latin1")],
  ["an empty line before the header", "\na,b\n1,x\n"],
  ["a value that does not fit", "a,b\none,x\n"],
  ["an integer with zeros in front", "a,b\n007,x\n"],
  ["names that no row can have", "a,offset\n1,2\n"],
])("the fast path leaves to the exact path: %s", async (_, body) => {
  const format: Csv = { kind: "csv", delimiter: ",", header: true };
  const columns: [string, string][] = [
    ["a", "BIGINT"],
    ["b", "VARCHAR"],
  ];
  expect(await fastCsv(await batches.of(body, columns, { format }), format)).toBeNull();
});

test("a field that has its first value behind the first records gets its type from it", async () => {
  const format: Csv = { kind: "csv", delimiter: ",", header: true };
  const body = `a,late\n${"1,\n".repeat(5_001)}1,2024-01-31\n`;
  const batch = await batches.of(body, [], { format });
  expect(await fastCsv(batch, format)).toBeNull();
  const exact = await convertExact(batch, batches.context());
  expect(exact.columns.map(({ type }) => type)).toMatchObject([{ name: "BIGINT" }, { name: "DATE" }]);
});

const request = '1.2.3.4 - ada [10/Oct/2000:13:55:36 -0700] "GET /a?b=c HTTP/1.0" 200 2326';
const lines = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.constantFrom(`${request} "-" "curl"`, `${request} "http://a" "b \\" c"`, `${request} "-" "cut`),
  },
  fc.constantFrom(
    `${request} "é" "\u{1f600}"`,
    "nonsense",
    "",
    "  ",
    "\t",
    request.replace("Oct", "Xyz").concat(' "" ""'),
  ),
  fc.constantFrom(request.replace("GET /a?b=c HTTP/1.0", "\\x16\\x03").concat(' "" ""'), `${request} "a\x1fb" ""`),
  fc.string({ unit: "binary", maxLength: 8 }).map((text) => `${request} "${text}" "x"`),
);

test("of any lines of text the fast path gives what the exact path gives, or gives up", async () => {
  let fastRuns = 0;
  const patterns = ["combined", "(?<word>\\S*) ?(?<rest>.*)", "^(?<n>\\d*)(?<x>.*)$"];
  const bodies = fc.array(fc.array(lines, { maxLength: 3 }), { minLength: 1, maxLength: 3 });
  const breaks = fc.constantFrom("\n", "\n", "\r\n");
  await fc.assert(
    fc.asyncProperty(bodies, fc.constantFrom(...patterns), breaks, async (groups, pattern, newline) => {
      const texts = groups.map((group) => group.map((line) => line + newline).join(""));
      const format = { kind: "text" as const, pattern };
      const whole = await batches.of(texts.join(""), [], { format });
      const [entry] = whole.entries;
      if (entry === undefined) throw new Error("no entry");
      let start = 0;
      const entries = texts.map((text, at) => {
        const sizeBytes = Buffer.byteLength(text);
        start += sizeBytes;
        const isBlank = (line: string) => /^[\t-\r ]*$/.test(line);
        const count = text.split("\n").filter((line) => !isBlank(line)).length;
        return { ...entry, ingestId: `i${at}`, start: start - sizeBytes, sizeBytes, lines: count };
      });
      const batch = { ...whole, entries };
      const fast = await convertFastText(batch, format, batches.context()).catch(() => null);
      if (fast === null) return;
      fastRuns++;
      await expectSame(batch, fast);
    }),
    { numRuns: 60 },
  );
  expect(fastRuns).toBeGreaterThan(10);
}, 120_000);
