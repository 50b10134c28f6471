import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { tableFromIPC } from "apache-arrow";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type TempDirectory, tempDirectory, until } from "../../../test/kit/index.ts";
import { idSource, type QueryId, silentTelemetry, systemClock, systemRandom, type TraceId } from "../../base/index.ts";
import { nodeDisk } from "../../storage/index.ts";
import { EnginePool, type EngineQuery, type EngineResult } from "../index.ts";

let folder: TempDirectory;
let pool: EnginePool;
let shared: string;

beforeAll(async () => {
  folder = await tempDirectory();
  shared = path.join(folder.path, "shared");
  await nodeDisk.makeDirectory(shared);
  const role = {
    minWorkers: 1,
    maxWorkers: 2,
    threads: 2,
    memoryBytes: 300e6,
    hardMemoryBytes: 900e6,
    spillBytes: 50e6,
    maxQueued: 4,
    directories: [shared],
  };
  pool = new EnginePool({
    directory: path.join(folder.path, "engines"),
    roles: { query: role, ingest: role },
    idleMs: 60_000,
    graceMs: 500,
    clock: systemClock,
    random: systemRandom,
    ids: idSource(systemClock, systemRandom),
    disk: nodeDisk,
    telemetry: silentTelemetry,
  });
  await pool.start();
}, 30_000);

afterAll(async () => {
  await pool.stop();
  await folder[Symbol.asyncDispose]();
});

const never = new AbortController().signal;

function query(sql: string, more: Partial<EngineQuery> = {}, signal = never): Promise<EngineResult> {
  return pool.query(
    {
      queryId: "q" as QueryId,
      traceId: "t" as TraceId,
      label: sql,
      sql,
      parameters: [],
      format: "json",
      rowLimit: null,
      byteLimit: 100e6,
      ...more,
    },
    signal,
  );
}

async function bytesOf(result: EngineResult): Promise<Buffer> {
  await using held = result;
  return held.body.kind === "inline" ? Buffer.from(held.body.bytes) : readFileSync(held.body.path);
}

const rowsOf = async (result: EngineResult) => JSON.parse((await bytesOf(result)).toString()).rows;
const failingAt = (row: number) =>
  `SELECT CASE WHEN i = ${row} THEN error('boom') ELSE 'row ' || i END AS x FROM range(400000) t(i)`;

describe("results", () => {
  test("json says every value exactly", async () => {
    const sql = `SELECT 1 AS n, 9007199254740993 AS wide, 1.50::DECIMAL(9,2) AS price, 'nan'::DOUBLE AS nan, NULL AS nothing, true AS yes,
      TIMESTAMP '2024-05-17 10:05:03.5' AS at, TIMESTAMPTZ '2024-05-17 10:05:03+02' AS zoned, DATE '2024-05-17' AS day,
      '\\xAA'::BLOB AS bytes, [1, 2] AS list, {'a': 'x'} AS struct, 'ä"\n' AS text`;
    expect(await rowsOf(await query(sql))).toEqual([
      {
        n: 1,
        wide: "9007199254740993",
        price: "1.50",
        nan: "NaN",
        nothing: null,
        yes: true,
        at: "2024-05-17T10:05:03.500000",
        zoned: "2024-05-17T08:05:03.000000Z",
        day: "2024-05-17",
        bytes: "qg==",
        list: [1, 2],
        struct: { a: "x" },
        text: 'ä"\n',
      },
    ]);
  });

  test("repeated names are told apart", async () => {
    expect(await rowsOf(await query("SELECT 1 AS a, 2 AS a, 3 AS A"))).toEqual([{ a: 1, a_1: 2, A_2: 3 }]);
  });

  test.each(["json", "ndjson", "csv", "parquet", "arrow"] as const)(
    "%s: an error in the middle of many rows fails the whole result",
    async (format) => {
      await expect(query(failingAt(299_999), { format })).rejects.toMatchObject({ code: "sql_runtime" });
    },
  );

  test.each([0, 1, 5, 2048, 300_000])("%d rows come whole in every format", async (count) => {
    const sql = `SELECT i, 'row ' || i AS text FROM range(${count}) t(i)`;
    expect(JSON.parse((await bytesOf(await query(sql))).toString()).rows.length).toBe(count);
    const lines = (await bytesOf(await query(sql, { format: "ndjson" }))).toString().split("\n");
    expect(lines.length).toBe(count + 1);
    expect((await bytesOf(await query(sql, { format: "csv" }))).toString().trimEnd().split("\n").length).toBe(
      count + 1,
    );
    const table = tableFromIPC(await bytesOf(await query(sql, { format: "arrow" })));
    expect(table.numRows).toBe(count);
    if (count > 0) expect(String(table.get(count - 1)?.text)).toBe(`row ${count - 1}`);
  });

  test.each(["json", "ndjson", "csv", "parquet", "arrow"] as const)(
    "%s: a row limit cuts exactly and says so",
    async (format) => {
      const cut = await query("SELECT i FROM range(10) t(i)", { format, rowLimit: 9 });
      expect([cut.rows, cut.truncated]).toEqual([9, true]);
      await cut[Symbol.asyncDispose]();
      const whole = await query("SELECT i FROM range(10) t(i)", { format, rowLimit: 10 });
      expect([whole.rows, whole.truncated]).toEqual([10, false]);
      await whole[Symbol.asyncDispose]();
    },
  );

  test("a result beyond its byte limit is refused", async () => {
    await expect(query("SELECT repeat('x', 1000) AS x FROM range(10000000)", { byteLimit: 1e6 })).rejects.toMatchObject(
      { code: "result_too_large" },
    );
  });

  test("parameters are bound", async () => {
    const result = await query("SELECT $1 AS a, $2 AS b, $3 + 1 AS c", { parameters: ["x'; DROP", null, 41] });
    expect(await rowsOf(result)).toEqual([{ a: "x'; DROP", b: null, c: 42 }]);
    await expect(query("SELECT $1 AS a")).rejects.toMatchObject({ code: "bad_parameter" });
  });

  test("errors tell the place in the caller's text", async () => {
    await expect(query("SELECT\n  nothing FROM range(2)")).rejects.toMatchObject({
      code: "sql_binding",
      position: { line: 2, column: 3 },
    });
    await expect(query("SELECT 1 FROM FROM")).rejects.toMatchObject({ code: "sql_syntax" });
  });

  test("a plan is a result", async () => {
    expect(JSON.stringify(await rowsOf(await query("EXPLAIN SELECT 42")))).toContain("PROJECTION");
  });
});

describe("limits", () => {
  test("a cancelled statement ends soon and the worker serves on", async () => {
    const controller = new AbortController();
    const slow = query("SELECT count(*) FROM range(1000000000) a, range(1000) b", {}, controller.signal);
    await until("the query runs", () => pool.status().workers.some((worker) => worker.job?.kind === "query"));
    controller.abort();
    await expect(slow).rejects.toMatchObject({ code: "query_cancelled" });
    expect(await rowsOf(await query("SELECT 1 AS n"))).toEqual([{ n: 1 }]);
  });

  test("out of memory is the error of one query", async () => {
    await expect(
      query("SELECT list(i::VARCHAR || repeat('x', 1000)) AS l FROM range(5000000) t(i)"),
    ).rejects.toMatchObject({ code: "out_of_memory" });
    expect(await rowsOf(await query("SELECT 1 AS n"))).toEqual([{ n: 1 }]);
  });

  test("a killed worker fails its own query and is replaced", async () => {
    const slow = query("SELECT count(*) FROM range(1000000000) a, range(1000) b");
    await until("the query runs", () => pool.status().workers.some((worker) => worker.job?.kind === "query"));
    const busy = pool.status().workers.find((worker) => worker.job?.kind === "query");
    process.kill(busy?.pid ?? 0, "SIGKILL");
    await expect(slow).rejects.toMatchObject({ code: "worker_lost" });
    expect(await rowsOf(await query("SELECT 1 AS n"))).toEqual([{ n: 1 }]);
  });

  test("a worker that hangs is killed after its grace", async () => {
    const controller = new AbortController();
    const slow = query("SELECT count(*) FROM range(1000000000) a, range(1000) b", {}, controller.signal);
    await until("the query runs", () => pool.status().workers.some((worker) => worker.job?.kind === "query"));
    const busy = pool.status().workers.find((worker) => worker.job?.kind === "query");
    process.kill(busy?.pid ?? 0, "SIGSTOP");
    controller.abort();
    await expect(slow).rejects.toMatchObject({ code: "query_cancelled" });
    expect(await rowsOf(await query("SELECT 1 AS n"))).toEqual([{ n: 1 }]);
  });

  test("the line is bounded", async () => {
    const controller = new AbortController();
    const sql = "SELECT count(*) FROM range(1000000000) a, range(1000) b";
    const hold = () => query(sql, {}, controller.signal).catch((error: { code: string }) => error.code);
    const held = [hold(), hold()];
    await until(
      "both workers run",
      () => pool.status().workers.filter((worker) => worker.job?.kind === "query").length === 2,
    );
    held.push(hold(), hold(), hold(), hold());
    await until("all wait", () => pool.status().queued.query === 4);
    await expect(query(sql)).rejects.toMatchObject({ code: "too_many_requests" });
    controller.abort();
    expect(await Promise.all(held)).toEqual(Array(6).fill("query_cancelled"));
  });
});

describe("lock-down, also where the gate above failed", () => {
  test.each([
    "SELECT * FROM read_text('/etc/passwd')",
    "SELECT * FROM '/etc/passwd'",
    "SELECT * FROM glob('/etc/*')",
    "SELECT getenv('HOME')",
    "ATTACH '/tmp/x.db'",
    "COPY (SELECT 1) TO '/tmp/millrace-escape.csv'",
    "INSTALL httpfs",
    "LOAD httpfs",
    "SET memory_limit = '100GB'",
    "PRAGMA memory_limit = '100GB'",
    "CREATE TABLE t (i INTEGER)",
    "SELECT 1; SELECT 2",
  ])("%s", async (sql) => {
    await expect(query(sql)).rejects.toMatchObject({
      status: expect.any(Number),
      code: expect.stringMatching(/^sql_/),
    });
  });
});

describe("slices", () => {
  test("an Arrow file becomes Parquet, its hashes depend on its rows alone, and a cut file is refused", async () => {
    const arrow = path.join(shared, "in.arrow");
    const rows =
      "SELECT i, i * 1.5::DOUBLE AS f, 'text ' || i AS t, DATE '2024-01-01' + i::INTEGER AS d, CASE WHEN i % 3 = 0 THEN NULL ELSE i % 2 = 0 END AS b FROM range(5000) t(i)";
    writeFileSync(arrow, await bytesOf(await query(rows, { format: "arrow" })));
    const parquet = path.join(shared, "from-arrow.parquet");
    expect((await pool.arrowToParquet(arrow, parquet, never)).rows).toBe(5000);
    const direct = path.join(shared, "direct.parquet");
    await pool.script(
      {
        traceId: "t" as TraceId,
        label: "test",
        statements: [{ sql: `COPY (${rows}) TO '${direct}' (FORMAT parquet, ROW_GROUP_SIZE 2048)` }],
      },
      never,
    );
    const [a, b] = [await pool.hashes(parquet, never), await pool.hashes(direct, never)];
    expect(a.rows).toBe(5000);
    expect(a.logicalHash).toBe(b.logicalHash);
    expect(a.physicalHash).not.toBe(b.physicalHash);
    const statistics = await pool.columnStatistics(direct, never);
    expect(statistics.find((one) => one.column === "i")).toMatchObject({ min: "0", max: "4999", nullCount: 0 });
    const cut = path.join(shared, "cut.parquet");
    writeFileSync(cut, readFileSync(direct).fill(0, 200, 3000));
    const same = await pool.hashes(cut, never).then(
      (hashes) => hashes.logicalHash === b.logicalHash,
      () => false,
    );
    expect(same).toBe(false);
  });
});
