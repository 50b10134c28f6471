import { type DuckDBConnection, DuckDBInstance } from "@duckdb/node-api";
import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { checkStatement } from "../authorize/gate.ts";
import { openStatement, parseStatement, readStatementText } from "../parse/statement.ts";
import { references } from "../resolve/references.ts";
import { textOf } from "../tree/tree.ts";
import type { WindowShape } from "./call.ts";
import { expandWindows, hideBehindWindow, type WindowCall } from "./expand.ts";

let connection: DuckDBConnection;
beforeAll(async () => {
  connection = await (await DuckDBInstance.create(":memory:", { threads: "1" })).connect();
  await connection.run("SET TimeZone = 'UTC'");
  await connection.run("CREATE SCHEMA web");
});
afterAll(() => connection.closeSync());

async function ask(sql: string, ...values: string[]): Promise<unknown[]> {
  return (await connection.runAndReadAll(sql, values)).getRowObjectsJson();
}

const parser = {
  serialize: async (sql: string) => textIn(await ask("SELECT json_serialize_sql($1::VARCHAR) AS text", sql)),
  deserialize: async (tree: string) => textIn(await ask("SELECT json_deserialize_sql($1::VARCHAR) AS text", tree)),
};
const textIn = ([row]: unknown[]) => String(Object(row).text);

async function expanded(sql: string, hidden: readonly string[] = []) {
  const text = readStatementText(sql);
  const statement = openStatement(text, await parseStatement(text, parser));
  const calls = expandWindows(statement);
  for (const call of calls) hideBehindWindow(call, hidden);
  checkStatement(statement);
  const named = references(statement.node).map(({ table }) => table);
  return { calls, named, sql: await parser.deserialize(JSON.stringify(statement.root)) };
}

const run = async (sql: string, hidden: readonly string[] = []) => await ask((await expanded(sql, hidden)).sql);

interface Row {
  readonly id: number;
  /** Microseconds from 1970; infinity as it is. */
  readonly time: bigint | "infinity" | "-infinity" | null;
  readonly who: string | null;
}

/** Near each other and near the borders of windows, long before 1970 and at the ends of what a TIMESTAMP holds. */
const time = fc.oneof(
  { weight: 20, arbitrary: fc.bigInt(-40n, 40n).map((half) => half * 30_000_000n) },
  { weight: 8, arbitrary: fc.tuple(fc.bigInt(-20n, 20n), fc.bigInt(-1n, 1n)).map(([m, us]) => m * 60_000_000n + us) },
  { weight: 4, arbitrary: fc.bigInt(-(10n ** 16n), 10n ** 16n) },
  { weight: 1, arbitrary: fc.constantFrom(9_223_372_022_400_000_000n, -9_223_372_022_400_000_000n) },
  { weight: 2, arbitrary: fc.constantFrom("infinity" as const, "-infinity" as const, null) },
);
const rows = fc
  .array(fc.record({ time, who: fc.constantFrom("a", "b", "", null) }), { maxLength: 40 })
  .map((all) => all.map((row, id): Row => ({ id, ...row })));
const sizeMs = fc.oneof(
  fc.constantFrom(1, 30_000, 60_000, 90_000, 3_600_000, 86_400_000, 604_800_000),
  fc.integer({ min: 1, max: 10_000_000 }),
);
const shape: fc.Arbitrary<WindowShape> = fc.oneof(
  fc.record({ kind: fc.constant("tumble" as const), sizeMs }),
  fc
    .tuple(sizeMs, fc.integer({ min: 1, max: 7 }))
    .map(([slideMs, times]) => ({ kind: "hop" as const, slideMs, sizeMs: slideMs * times })),
  fc.record({
    kind: fc.constant("session" as const),
    gapMs: sizeMs,
    partition: fc.constantFrom<readonly string[]>([], ["who"], ["who", "id"]),
  }),
);

type Windowed = readonly [id: number, start: bigint, end: bigint];
const isCounted = (row: Row): row is Row & { time: bigint } =>
  typeof row.time === "bigint" && row.time >= -9_200_000_000_000_000_000n && row.time <= 9_200_000_000_000_000_000n;

/** The windows of each row, straight from what they are said to be. */
function oracle(all: readonly Row[], of: WindowShape): Windowed[] {
  const counted = all.filter(isCounted);
  switch (of.kind) {
    case "tumble":
      return counted.flatMap((row) => hops(row, of.sizeMs, of.sizeMs));
    case "hop":
      return counted.flatMap((row) => hops(row, of.slideMs, of.sizeMs));
    case "session": {
      const groups = Map.groupBy(counted, (row) =>
        JSON.stringify(of.partition.map((column) => Reflect.get(row, column))),
      );
      return [...groups.values()].flatMap((group) => sessions(group, BigInt(of.gapMs) * 1000n));
    }
  }
}

/** Every window of the grid that holds the row, found by stepping down from one that is behind it for sure. */
function hops({ id, time: at }: { id: number; time: bigint }, slideMs: number, lengthMs: number): Windowed[] {
  const [slide, length] = [BigInt(slideMs) * 1000n, BigInt(lengthMs) * 1000n];
  const found: Windowed[] = [];
  for (let start = (at / slide + 1n) * slide; start + length > at; start -= slide)
    if (start <= at) found.push([id, start, start + length]);
  return found;
}

function sessions(group: readonly { id: number; time: bigint }[], gap: bigint): Windowed[] {
  const sorted = group.toSorted((a, b) => (a.time < b.time ? -1 : 1));
  const parts: { id: number; time: bigint }[][] = [];
  for (const row of sorted) {
    const newest = parts.at(-1)?.at(-1);
    if (newest !== undefined && row.time - newest.time < gap) parts.at(-1)?.push(row);
    else parts.push([row]);
  }
  return parts.flatMap((part) =>
    part.map(({ id }): Windowed => [id, part[0]?.time ?? 0n, (part.at(-1)?.time ?? 0n) + gap]),
  );
}

function callOf(of: WindowShape): string {
  const interval = (ms: number) => `INTERVAL '${ms} ms'`;
  switch (of.kind) {
    case "tumble":
      return `tumble(web.rows, time, ${interval(of.sizeMs)})`;
    case "hop":
      return `hop(web.rows, time, ${interval(of.slideMs)}, ${interval(of.sizeMs)})`;
    case "session":
      return `session(${["web.rows", "time", interval(of.gapMs), ...of.partition].join(", ")})`;
  }
}

async function fill(all: readonly Row[]): Promise<void> {
  const values = all.map(({ id, time: at, who }) => {
    const told = typeof at === "bigint" ? `make_timestamptz(${at})` : at === null ? "NULL" : `'${at}'`;
    return `(${id}, ${told}::TIMESTAMPTZ, ${who === null ? "NULL" : `'${who}'`})`;
  });
  await connection.run(`CREATE OR REPLACE TABLE web.rows(id INTEGER, time TIMESTAMPTZ, who VARCHAR)`);
  if (values.length > 0) await connection.run(`INSERT INTO web.rows VALUES ${values.join(", ")}`);
}

test("each row is in the windows that a walk over the grid, or along its time, finds", async () => {
  await fc.assert(
    fc.asyncProperty(rows, shape, async (all, of) => {
      await fill(all);
      const got = await run(
        `SELECT id, epoch_us(window_start)::VARCHAR AS a, epoch_us(window_end)::VARCHAR AS b FROM ${callOf(of)} ORDER BY ALL`,
      );
      const wanted = oracle(all, of).map(([id, a, b]) => ({ id, a: String(a), b: String(b) }));
      const inOrder = (list: unknown[]) => list.map((one) => JSON.stringify(one)).toSorted();
      expect(inOrder(got)).toEqual(inOrder(wanted));
    }),
    { numRuns: 250 },
  );
}, 60_000);

test("every column of the rows comes with them, as it is, and the windows behind", async () => {
  await connection.run(
    "CREATE OR REPLACE TABLE web.wide AS SELECT 1 AS b, 'x' AS a, TIMESTAMP '1969-12-31 23:59:59' AS t",
  );
  expect(await run("FROM tumble(web.wide, t, INTERVAL 1 MINUTE)")).toEqual([
    {
      b: 1,
      a: "x",
      t: "1969-12-31 23:59:59",
      window_start: "1969-12-31 23:59:00+00",
      window_end: "1970-01-01 00:00:00+00",
    },
  ]);
});

test("its own columns hide those of the rows that have their names", async () => {
  await connection.run(
    "CREATE OR REPLACE TABLE web.again AS SELECT 7 AS Window_END, TIMESTAMPTZ '2020-01-01 00:00:30+00' AS window_start",
  );
  const hour = { window_start: "2020-01-01 00:00:00+00", window_end: "2020-01-01 01:00:00+00" };
  const columns = ["Window_END", "window_start"];
  for (const call of [
    "tumble(web.again, window_start, INTERVAL 1 HOUR)",
    "hop(web.again, WINDOW_START, INTERVAL 1 HOUR, INTERVAL 1 HOUR)",
  ])
    expect(await run(`FROM ${call}`, columns), call).toEqual([hour]);
  expect(await run("FROM session(web.again, window_start, INTERVAL 1 HOUR, window_end)", columns)).toEqual([
    { window_start: "2020-01-01 00:00:30+00", window_end: "2020-01-01 01:00:30+00" },
  ]);
  const session = { window_start: "2020-01-01 00:00:30+00", window_end: "2020-01-01 01:00:30+00" };
  const cte = "WITH t AS (SELECT *, 1 AS x FROM web.again) SELECT * EXCLUDE (x)";
  expect(await run(`${cte} FROM tumble(t, window_start, INTERVAL 1 HOUR)`)).toEqual([hour]);
  expect(await run(`${cte} FROM session(t, window_start, INTERVAL 1 HOUR)`)).toEqual([session]);
});

test("stands wherever a table may, under the function's name or the one that it is given", async () => {
  await connection.run("CREATE OR REPLACE TABLE web.one AS SELECT 1 AS id, TIMESTAMPTZ '2020-01-01 00:00:30+00' AS t");
  const call = "tumble(web.one, t, INTERVAL '1 minute')";
  const start = { s: "2020-01-01 00:00:00+00" };
  for (const sql of [
    `SELECT tumble.window_start AS s FROM ${call}`,
    `SELECT w.window_start AS s FROM ${call} AS w`,
    `SELECT w.c AS s FROM ${call} AS w(a, b, c)`,
    `SELECT o.window_start AS s FROM ${call} o JOIN HOP(web.one, t, INTERVAL 1 MINUTE, INTERVAL 1 MINUTE) i USING (window_start)`,
    `SELECT s FROM (SELECT window_start AS s FROM main.range(1), ${call})`,
    `WITH c AS MATERIALIZED (FROM ${call}) SELECT window_start AS s FROM c`,
    `SELECT (SELECT min(window_start) FROM ${call}) AS s`,
    `FROM (SELECT window_start AS s FROM "Tumble"(WEB.ONE, T, '1m'::INTERVAL)) EXCEPT SELECT NULL`,
  ])
    expect(await run(sql), sql).toEqual([start]);
});

test("what it reads is a table like any other, at its place in the text; a CTE's name stays one", async () => {
  const sql =
    "/* é */ WITH t AS (FROM web.a) SELECT * FROM hop(web.b, x, INTERVAL 1 DAY, INTERVAL 1 WEEK), session(t, y, INTERVAL 1 DAY, p)";
  const { calls, named } = await expanded(sql);
  expect(named.map((table) => [textOf(table, "schema_name"), textOf(table, "table_name")])).toEqual([
    ["web", "a"],
    ["web", "b"],
  ]);
  expect(Number(named[1]?.query_location)).toBe(Buffer.from(sql.slice(0, sql.indexOf("web.b"))).length);
  expect(calls.map(({ shape: of, timeColumn }: WindowCall) => ({ ...of, timeColumn }))).toEqual([
    { kind: "hop", slideMs: 86_400_000, sizeMs: 604_800_000, timeColumn: "x" },
    { kind: "session", gapMs: 86_400_000, partition: ["p"], timeColumn: "y" },
  ]);
  expect(calls[0]?.table).toBe(named[1]);
});

test.each([
  ["tumble(web.d, ^'t', INTERVAL 1 DAY)", "The time column is a column's name."],
  ["tumble(web.d, ^a.t, INTERVAL 1 DAY)", "The time column is a column's name."],
  ["^tumble()", "The first argument names a dataset"],
  ["tumble(^'file.parquet', t, INTERVAL 1 DAY)", "The first argument names a dataset"],
  ["tumble(^(SELECT 1), t, INTERVAL 1 DAY)", "The first argument names a dataset"],
  ["tumble(^a.b.c, t, INTERVAL 1 DAY)", "The first argument names a dataset"],
  ["^tumble(web.d, t)", "The size of the windows is a constant interval"],
  ["tumble(web.d, t, INTERVAL ^1 MONTH)", "The size of the windows is a constant interval"],
  ["tumble(web.d, t, INTERVAL ^'1 year 2 days')", "The size of the windows is a constant interval"],
  ["tumble(web.d, t, INTERVAL ^'-1 day')", "The size of the windows is a constant interval"],
  ["tumble(web.d, t, INTERVAL ^0 DAY)", "The size of the windows is a constant interval"],
  ["tumble(web.d, t, INTERVAL ^40000 DAYS)", "The size of the windows is a constant interval"],
  ["tumble(web.d, t, INTERVAL ^'15 microseconds')", "The size of the windows is a constant interval"],
  ["tumble(web.d, t, INTERVAL (^x) DAY)", "The size of the windows is a constant interval"],
  ["tumble(web.d, t, INTERVAL (^1.5) DAY)", "The size of the windows is a constant interval"],
  ["^tumble(web.d, t, $1)", "The size of the windows is a constant interval"],
  ["tumble(web.d, t, ^now())", "The size of the windows is a constant interval"],
  ["tumble(web.d, t, INTERVAL 1 DAY, ^p)", "More than 3 arguments are given."],
  ["hop(web.d, t, INTERVAL 2 DAY, INTERVAL ^3 DAY)", "The size of the windows is no multiple of their slide."],
  ["hop(web.d, t, INTERVAL 1 HOUR, INTERVAL ^1 MINUTE)", "The size of the windows is no multiple of their slide."],
  ["hop(web.d, t, INTERVAL 1 SECOND, INTERVAL ^1 DAY)", "A row would be in 86400 windows, and 10000 is the most."],
  ["session(web.d, t, INTERVAL 1 DAY, p, ^lower(q))", "A partition column is a column's name."],
  ["tumble(web.d, t := ^1, INTERVAL 1 DAY)", "The arguments of tumble have no names."],
  ["^tumble(DISTINCT web.d, t, INTERVAL 1 DAY)", "tumble takes its arguments and nothing else."],
  ["^tumble(web.d, t, INTERVAL 1 DAY) WITH ORDINALITY", "tumble takes its arguments and nothing else."],
])("%s is refused at its place", async (call, message) => {
  const marked = `SELECT 'ü' FROM ${call}`;
  const sql = marked.replace("^", "");
  const error = await expanded(sql).catch((cause: unknown) => cause);
  expect(error).toMatchObject({
    code: "sql_binding",
    position: { offset: marked.indexOf("^") },
  });
  expect(String(error)).toContain(message);
});

test("a function of another schema, or none of these, is the gate's", async () => {
  for (const call of ["main.tumble(web.d, t, INTERVAL 1 DAY)", "tumbled(web.d)", "constructor()", "toString()"])
    await expect(expanded(`FROM ${call}`), call).rejects.toMatchObject({ code: "sql_refused" });
});
