import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type OpenPool, openPool } from "../../../test/kit/engine-pool.ts";
import { until } from "../../../test/kit/index.ts";
import type { TraceId } from "../../base/index.ts";
import { ask, bytesOf, engineConformance, rowsOf } from "../conformance.ts";
import { attachedDatabase, type EngineQuery } from "../contract.ts";
import type { EnginePool } from "./pool.ts";

let opened: OpenPool;
let pool: EnginePool;
let shared: string;

beforeAll(async () => {
  opened = await openPool();
  ({ pool, shared } = opened);
}, 30_000);

afterAll(async () => await opened[Symbol.asyncDispose]());

const never = new AbortController().signal;

const query = (sql: string, more: Partial<EngineQuery> = {}, signal = never) => ask(pool, sql, more, signal);

engineConformance("EnginePool", async () => {
  const own = await openPool();
  return { engine: own.pool, [Symbol.asyncDispose]: () => own[Symbol.asyncDispose]() };
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

  test("a long statement over files tells how far it is, and writes nothing of it anywhere", async () => {
    const file = path.join(shared, "long.parquet");
    const rows = {
      sql: `COPY (SELECT i FROM range(3000000) t(i)) TO '${file}' (FORMAT parquet, ROW_GROUP_SIZE 20000)`,
    };
    await pool.script({ traceId: "0".repeat(32) as TraceId, label: "rows", statements: [rows] }, never);
    const told: number[] = [];
    const controller = new AbortController();
    const slow = query(
      `SELECT max(${"md5(".repeat(12)}i::VARCHAR${")".repeat(12)}) FROM read_parquet('${file}')`,
      { onProgress: (fraction) => told.push(fraction) },
      controller.signal,
    );
    await until("it tells twice", () => told.length > 1);
    controller.abort();
    await expect(slow).rejects.toMatchObject({ code: "query_cancelled" });
    expect(told.every((fraction, at) => fraction > (told[at - 1] ?? 0) && fraction <= 1)).toBe(true);
  });

  test("out of memory is the error of one query", async () => {
    await expect(
      query("SELECT list(i::VARCHAR || repeat('x', 1000)) AS l FROM range(5000000) t(i)"),
    ).rejects.toMatchObject({ code: "out_of_memory" });
    expect(await rowsOf(await query("SELECT 1 AS n"))).toEqual([{ n: 1 }]);
  });

  test("a worker keeps no bytes of the files that it has read", async () => {
    await using own = await openPool({ maxWorkers: 1 });
    const script = async (...statements: readonly string[]) => {
      const order = { traceId: "0".repeat(32) as TraceId, label: "files" };
      const rows = statements.map((sql) => ({ sql, rows: true }));
      return (await own.pool.script({ ...order, statements: rows }, never)).flat();
    };
    const file = path.join(own.shared, "one.parquet");
    await script(`COPY (SELECT i FROM range(100000) t(i)) TO '${file}' (FORMAT parquet)`);
    const sums = `SELECT sum(i)::VARCHAR AS n FROM read_parquet('${file}')`;
    expect(await script(sums, sums, "SELECT count(*) AS n FROM duckdb_external_file_cache()")).toEqual([
      { n: "4999950000" },
      { n: "4999950000" },
      { n: 0 },
    ]);
  });

  test("a database that scripts attach keeps what was committed, whatever fails, and is free behind each", async () => {
    const attach = path.join(shared, "kept.duckdb");
    const order = { traceId: "0".repeat(32) as TraceId, label: "state", role: "compute" as const };
    const script = async (...statements: readonly string[]) => {
      const all = statements.map((sql) => ({ sql, rows: /^SELECT/.test(sql) }));
      return (await pool.script({ ...order, attach, statements: all }, never)).flat();
    };
    const table = `"${attachedDatabase}".t`;
    await script(`CREATE TABLE ${table} (i INTEGER)`, `INSERT INTO ${table} VALUES (1)`);
    const slow = "SELECT count(*) FROM range(1000000000) a, range(1000) b";
    await expect(script("BEGIN", `INSERT INTO ${table} VALUES (2)`, "SELECT nothing")).rejects.toMatchObject({
      code: "sql_binding",
    });
    const controller = new AbortController();
    const statements = ["BEGIN", `INSERT INTO ${table} VALUES (3)`, slow].map((sql) => ({ sql }));
    const stopped = pool.script({ ...order, attach, statements }, controller.signal);
    await until("the script runs", () => pool.status().workers.some(({ job }) => job?.label === "state"));
    controller.abort();
    await expect(stopped).rejects.toMatchObject({ code: "query_cancelled" });
    const file = path.join(shared, "from-state.parquet");
    const copy = [`COPY (SELECT i FROM ${table}) TO '${file}' (FORMAT parquet)`, `INSERT INTO ${table} VALUES (4)`];
    const written = await pool.writeSlice({ ...order, attach, statements: copy.map((sql) => ({ sql })) }, file, never);
    expect(written.hashes.rows).toBe(1);
    expect(await script(`SELECT i FROM ${table} ORDER BY i`)).toEqual([{ i: 1 }, { i: 4 }]);
    await expect(
      pool.script({ ...order, attach: path.join(shared, "..", "outside.duckdb"), statements: [] }, never),
    ).rejects.toBeInstanceOf(Error);
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

describe("slices", () => {
  test("a script that writes one tells of it what is asked of any slice", async () => {
    const file = path.join(shared, "written.parquet");
    const order = { traceId: "t" as TraceId, label: "test" };
    const statements = [
      {
        sql: "CREATE TEMP TABLE r AS SELECT i, CASE WHEN i > 4096 THEN i * -1.5::DOUBLE END AS f, NULL::DATE AS d, 'x' AS t FROM range(10000) t(i)",
      },
      { sql: `COPY r TO '${file}' (FORMAT parquet, ROW_GROUP_SIZE 2048)` },
      { sql: "SELECT count(*) AS n FROM r", rows: true },
    ];
    const written = await pool.writeSlice({ ...order, statements }, file, never);
    expect(written.answers.at(-1)).toEqual([{ n: 10_000 }]);
    expect(written.hashes).toEqual(await pool.hashes(file, never));
    expect(written.statistics).toEqual(await pool.columnStatistics(file, never));
    const found = written.statistics.map(({ column, nullCount, min, max }) => [column, nullCount, min, max]);
    expect(found).toEqual([
      ["i", 0, "0", "9999"],
      ["f", 4_097, "-14998.5", "-6145.5"],
      ["d", 10_000, null, null],
      ["t", 0, null, null],
    ]);
    const wrong = pool.writeSlice({ ...order, statements: [{ sql: "SELECT error('no')", rows: true }] }, file, never);
    await expect(wrong).rejects.toMatchObject({ code: "sql_runtime" });
  });

  test("an Arrow file becomes Parquet, its hashes depend on its rows alone, and a cut file is refused", async () => {
    const arrow = path.join(shared, "in.arrow");
    const rows = `SELECT i, i * 1.5::DOUBLE AS f, 'text ' || i AS t, DATE '2024-01-01' + i::INTEGER AS d,
      CASE WHEN i % 3 = 0 THEN NULL ELSE i % 2 = 0 END AS b, CASE WHEN i % 5 = 0 THEN NULL ELSE i END AS n,
      TIMESTAMPTZ '2024-01-01' + to_microseconds(i) AS z, (i % 200)::UTINYINT AS u,
      CASE WHEN i % 7 = 1 THEN NULL ELSE (i / 8)::FLOAT END AS r FROM range(150000) t(i)`;
    writeFileSync(arrow, await bytesOf(await query(rows, { format: "arrow" })));
    const parquet = path.join(shared, "from-arrow.parquet");
    expect((await pool.arrowToParquet(arrow, parquet, never)).rows).toBe(150_000);
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
    expect(a.rows).toBe(150_000);
    expect(a.logicalHash).toBe(b.logicalHash);
    expect(a.physicalHash).not.toBe(b.physicalHash);
    const statistics = await pool.columnStatistics(direct, never);
    expect(statistics.find((one) => one.column === "i")).toMatchObject({ min: "0", max: "149999", nullCount: 0 });
    const cutArrow = path.join(shared, "cut.arrow");
    writeFileSync(cutArrow, readFileSync(arrow).subarray(0, 500_000));
    await expect(pool.arrowToParquet(cutArrow, path.join(shared, "no.parquet"), never)).rejects.toMatchObject({
      code: "bad_input",
    });
    writeFileSync(cutArrow, "no Arrow at all");
    await expect(pool.arrowToParquet(cutArrow, path.join(shared, "no.parquet"), never)).rejects.toMatchObject({
      code: "bad_input",
    });
    const cut = path.join(shared, "cut.parquet");
    writeFileSync(cut, readFileSync(direct).fill(0, 200, 3000));
    const same = await pool.hashes(cut, never).then(
      (hashes) => hashes.logicalHash === b.logicalHash,
      () => false,
    );
    expect(same).toBe(false);
  });
});
