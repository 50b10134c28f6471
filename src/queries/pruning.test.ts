import path from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type OpenPool, openPool } from "../../test/kit/engine-pool.ts";
import {
  type DatasetId,
  datasetName,
  instant,
  MillraceError,
  projectName,
  type QueryId,
  type TraceId,
} from "../base/index.ts";
import {
  expandWindows,
  openStatement,
  parseStatement,
  readStatementText,
  referenceBehindWindow,
  references,
} from "../compiler/index.ts";
import type { LiveSlice, Snapshot } from "../datasets/index.ts";
import { fieldFromDuckdb, multihash, sliceType } from "../slices/index.ts";
import { neededSlices } from "./pruning.ts";
import { type Columns, dataset, first, type SliceData, second, statement } from "./pruning-arbitraries.ts";
import { RelationTrees, replaceWithFiles } from "./resolve.ts";

// The oracle is the same statement over every slice, in DuckDB, on real Parquet files.
let opened: OpenPool;
beforeAll(async () => {
  opened = await openPool();
}, 30_000);
afterAll(async () => await opened[Symbol.asyncDispose]());

const never = new AbortController().signal;
const run = (sql: string) =>
  opened.pool.script({ traceId: "t" as TraceId, label: "test", statements: [{ sql }] }, never);

const schemaOf = (columns: Columns) => ({
  fields: [["offset", "BIGINT"] as const, ...Object.entries(columns)].map(([name, type]) =>
    fieldFromDuckdb(name, type),
  ),
});

let files = 0;
async function writeSlice(
  { version, rows }: SliceData,
  firstOffset: number,
): Promise<{ slice: LiveSlice; path: string }> {
  const columns = Object.entries(version === 1 ? first : second);
  const literal = (text: string | null | undefined) => (text == null ? "NULL" : `'${text.replaceAll("'", "''")}'`);
  const selects = rows.map((row, index) => {
    const values = columns.map(([name, type]) => {
      const cast = `TRY_CAST(TRY_CAST(${literal(row[name])} AS ${type}) AS ${sliceType(type)})`;
      return `${cast} AS "${name}"`;
    });
    return `SELECT ${[`${firstOffset + index}::BIGINT AS "offset"`, ...values].join(", ")}`;
  });
  const file = path.join(opened.shared, `${files++}.parquet`);
  await run(`COPY (${selects.join(" UNION ALL ")}) TO '${file}' (FORMAT parquet)`);
  const hash = multihash(`f1620${"0".repeat(56)}${String(files).padStart(8, "0")}`);
  const slice: LiveSlice = {
    kind: "data",
    hash,
    key: file,
    firstSeq: files,
    lastSeq: files,
    firstOffset,
    lastOffset: firstOffset + rows.length - 1,
    sizeBytes: 1,
    systemTime: instant(0),
    statistics: await opened.pool.columnStatistics(file, never),
    schemaVersion: version,
  };
  return { slice, path: file };
}

interface Dataset {
  readonly snapshot: Snapshot;
  readonly paths: ReadonlyMap<LiveSlice, string>;
}

async function writeDataset(data: readonly SliceData[]): Promise<Dataset> {
  const paths = new Map<LiveSlice, string>();
  let offset = 0;
  for (const one of data) {
    const { slice, path } = await writeSlice(one, offset);
    paths.set(slice, path);
    offset += one.rows.length;
  }
  const slices = [...paths.keys()];
  const schemas = [first, second].map((columns, index) => ({ seq: index, schema: schemaOf(columns) }));
  const hash = multihash(`f1620${"0".repeat(64)}`);
  const rest = {
    seq: 9,
    block: hash,
    systemTime: instant(0),
    watermark: null,
    quarantined: 0,
    bytes: 1,
    expiredBefore: 0,
  };
  return { snapshot: { ...rest, schema: schemaOf(second), schemas, rows: offset, slices }, paths };
}

/** The answer, as sorted lines, or null where DuckDB refuses the statement; and the slices that were left out. */
async function answer(sql: string, { snapshot, paths }: Dataset, isPruned: boolean) {
  const text = readStatementText(sql);
  const statement = openStatement(text, await parseStatement(text, opened.pool));
  const trees = new RelationTrees();
  let skipped = 0;
  const windows = expandWindows(statement);
  for (const reference of references(statement.node)) {
    const filtered = referenceBehindWindow(reference, windows);
    const slices = isPruned ? neededSlices(filtered, snapshot) : snapshot.slices;
    skipped += snapshot.slices.length - slices.length;
    const ref = {
      id: "did:odf:x" as DatasetId,
      path: { project: projectName("p"), dataset: datasetName("d") },
      createdAt: instant(0),
    };
    const names = slices.map((slice) => paths.get(slice) ?? "");
    const resolved = { reference, ref, part: "data", past: null } as const;
    await replaceWithFiles(resolved, snapshot, { slices, paths: names }, { parser: opened.pool, trees }, never);
  }
  const rewritten = await opened.pool.deserialize(JSON.stringify(statement.root), never);
  try {
    const asked = { queryId: "q" as QueryId, traceId: "t" as TraceId, label: sql, sql: rewritten, parameters: [] };
    await using result = await opened.pool.query(
      { ...asked, format: "ndjson", rowLimit: null, byteLimit: 100_000 },
      never,
    );
    const lines = result.body.kind === "inline" ? Buffer.from(result.body.bytes).toString().split("\n") : [];
    return { lines: lines.filter((line) => line !== "").sort(), skipped };
  } catch (error) {
    if (error instanceof MillraceError && /^sql_/.test(error.code)) return null;
    throw error;
  }
}

test("a pruned statement answers what it answers over every slice", { timeout: 180_000 }, async () => {
  let [answered, skipped] = [0, 0];
  await fc.assert(
    fc.asyncProperty(dataset, fc.array(statement, { minLength: 40, maxLength: 40 }), async (data, statements) => {
      const written = await writeDataset(data);
      for (const sql of statements) {
        const whole = await answer(sql, written, false);
        if (whole === null) continue;
        const pruned = await answer(sql, written, true);
        expect(pruned?.lines, sql).toEqual(whole.lines);
        answered++;
        skipped += pruned?.skipped ?? 0;
      }
    }),
    { numRuns: 12, interruptAfterTimeLimit: 60_000 },
  );
  expect(answered).toBeGreaterThan(200);
  expect(skipped).toBeGreaterThan(200);
});

const blank: Readonly<Record<string, string | null>> = {};
/** What once lost rows: the rows' values slice by slice, the statement, the offsets that it answers. */
test.each<[string, Readonly<Record<string, string | null>>[], string, number[]]>([
  [
    "an ASOF join pairs by the rows around",
    [{ i: "1" }, { i: "5" }],
    `SELECT k."offset" AS o FROM p.d j ASOF JOIN p.d k ON j.i >= k.i WHERE k.i = 1`,
    [0],
  ],
  [
    "a session goes on over rows that WHERE leaves out",
    [{ x: "2024-05-17 10:00:00" }, { x: "2024-05-17 11:00:00", i: "1" }],
    `SELECT "offset" AS o FROM session(p.d, x, INTERVAL 2 HOURS) WHERE i = 1 AND window_start < '2024-05-17 10:30:00+00'`,
    [1],
  ],
  [
    "a positional join pairs by place",
    [{ i: "1" }, { i: "5" }],
    `SELECT j."offset" AS o FROM p.d j POSITIONAL JOIN p.d k WHERE k.i = 5`,
    [1],
  ],
  [
    "a DATE forgets the time of day",
    [{ y: "2024-05-17" }, blank],
    `SELECT "offset" AS o FROM p.d WHERE y = '2024-05-17 10:00:00'`,
    [0],
  ],
  [
    "DATE '...' too",
    [{ t: "2024-05-17" }, blank],
    `SELECT "offset" AS o FROM p.d WHERE t = DATE '2024-05-17 10:00:00'`,
    [0],
  ],
  [
    "a TIMESTAMP forgets its zone",
    [{ t: "2024-05-17 10:00:00" }, blank],
    `SELECT "offset" AS o FROM p.d WHERE t = TIMESTAMP '2024-05-17 10:00:00+02'`,
    [0],
  ],
  [
    "a text beside it too",
    [{ t: "2024-05-17 10:00:00" }],
    `SELECT "offset" AS o FROM p.d WHERE t = '2024-05-17 10:00:00+02'`,
    [0],
  ],
  [
    "a year below 100 is that year",
    [{ y: "0050-01-02" }],
    `SELECT "offset" AS o FROM p.d WHERE y < DATE '0051-01-01'`,
    [0],
  ],
  ["a FLOAT rounds the constant", [{ g: "0.3" }], `SELECT "offset" AS o FROM p.d WHERE g = 0.30000001`, [0]],
  ["NaN is the greatest number", [{ e: "nan" }, { e: "1" }], `SELECT "offset" AS o FROM p.d WHERE e > 5`, [0]],
  ["-0.0 is 0", [{ e: "-0.0" }], `SELECT "offset" AS o FROM p.d WHERE e >= 0.0`, [0]],
  [
    "a time of whole seconds has the type of its slices, also where none is read",
    [{ r: "2024-05-17", e: "1" }],
    `SELECT "offset" AS o FROM p.d WHERE e = 2 AND ("offset" >= 2 OR r < TIMESTAMPTZ '9999-12-31 23:59:59+02')`,
    [],
  ],
  [
    "dates that became text",
    [{ v: "2024-05-17" }],
    `SELECT "offset" AS o FROM p.d WHERE v < '2024-05-17 10:00:00+12'`,
    [0],
  ],
])("%s", async (_, rows, sql, offsets) => {
  const written = await writeDataset(rows.map((row) => ({ version: 1, rows: [row] })));
  const lines = offsets.map((o) => JSON.stringify({ o }));
  expect((await answer(sql, written, false))?.lines).toEqual(lines);
  expect((await answer(sql, written, true))?.lines).toEqual(lines);
});

test.each([
  ["i = 5", 3],
  ["i > 4 AND i < 6", 3],
  ["i IN (5, 7)", 2],
  ["i = 5 OR i = 7", 2],
  ["i IS NULL", 3],
  ["i IS NOT NULL", 1],
  ["later = 5", 4],
  ["later IS NULL", 0],
  ["g = 0.5", 3],
  ["t >= '2024-05-17' AND t < '2024-05-18'", 3],
  ["y = DATE '2024-05-17'", 3],
])("%s needs %i slices less", async (condition, skipped) => {
  const day = (n: number) => ({
    i: String(n),
    g: String(n / 10),
    t: `2024-05-${n + 12} 11:00:00`,
    y: `2024-05-${n + 12}`,
  });
  const written = await writeDataset([day(1), day(5), day(7), blank].map((row) => ({ version: 1, rows: [row] })));
  for (const sql of [
    `SELECT * FROM p.d WHERE ${condition}`,
    `WITH c AS (SELECT * FROM p.d WHERE ${condition}) SELECT count(*) FROM c`,
    `SELECT 1 WHERE EXISTS (SELECT 1 FROM p.d WHERE ${condition})`,
  ])
    expect((await answer(sql, written, true))?.skipped, sql).toBe(skipped);
});

test.each([
  "SELECT * FROM p.d TABLESAMPLE reservoir(1 ROWS) WHERE i = 5",
  "SELECT * FROM p.d WHERE i = 5 USING SAMPLE 1",
])("a sample counts all rows: %s", async (sql) => {
  const written = await writeDataset(["1", "5"].map((i) => ({ version: 1, rows: [{ i }] })));
  expect((await answer(sql, written, true))?.skipped).toBe(0);
});
