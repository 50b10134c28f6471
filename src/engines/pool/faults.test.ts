import { type ChildProcess, spawn } from "node:child_process";
import { readdirSync } from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type OpenPool, openPool } from "../../../test/kit/engine-pool.ts";
import { tempDirectory, until } from "../../../test/kit/index.ts";
import type { QueryId, TraceId } from "../../base/index.ts";
import { ask, rowsOf } from "../conformance.ts";

const endless = "SELECT count(*) FROM range(1000000000) a, range(1000) b";
const never = new AbortController().signal;

let opened: OpenPool;
beforeAll(async () => {
  opened = await openPool();
}, 30_000);
afterAll(async () => await opened[Symbol.asyncDispose]());

const busy = () => opened.pool.status().workers.find((worker) => worker.job?.kind === "query");
const spooled = () => readdirSync(path.join(opened.shared, "..", "engines", "spool"));

describe("a worker in trouble", () => {
  test("texts are parsed while every query worker runs", async () => {
    const controller = new AbortController();
    const held = [1, 2].map(() => ask(opened.pool, endless, {}, controller.signal).catch(() => null));
    const running = () => opened.pool.status().workers.filter((worker) => worker.job?.kind === "query").length;
    await until("both run", () => running() === 2);
    expect(await opened.pool.serialize("SELECT 42")).toContain("42");
    controller.abort();
    await Promise.all(held);
  });

  test("a hundred quick queries all get their own answer", async () => {
    await using wide = await openPool({ maxQueued: 200 });
    const answers = await Promise.all(
      Array.from({ length: 100 }, async (_, n) => rowsOf(await ask(wide.pool, `SELECT ${n} AS n`))),
    );
    expect(answers).toEqual(Array.from({ length: 100 }, (_, n) => [{ n }]));
  });

  test("spilling beyond the limit is out of memory, and the spill is swept", async () => {
    const sql = "SELECT a.i FROM range(40000000) a(i) ORDER BY hash(a.i), md5(a.i::VARCHAR)";
    await expect(ask(opened.pool, sql, { format: "parquet" })).rejects.toMatchObject({ code: "out_of_memory" });
    expect(await rowsOf(await ask(opened.pool, "SELECT 1 AS n"))).toEqual([{ n: 1 }]);
    expect(spooled()).toEqual([]);
  });

  test("a worker over its hard limit goes, and only its query fails", async () => {
    // DuckDB's own limit does not bound rows that are taken whole.
    await using tight = await openPool({ memoryBytes: 2e9, hardMemoryBytes: 500e6 });
    const sql = "SELECT repeat(i::VARCHAR, 100000) AS x FROM range(10000) t(i)";
    await expect(ask(tight.pool, sql, { rowLimit: 10_000, byteLimit: 10e9 })).rejects.toMatchObject({
      code: "out_of_memory",
    });
    expect(await rowsOf(await ask(tight.pool, "SELECT 1 AS n"))).toEqual([{ n: 1 }]);
  });

  test("kill -9 in the middle of a long result leaves no file", async () => {
    const running = ask(opened.pool, "SELECT i, md5(i::VARCHAR) AS m FROM range(100000000) t(i)", { byteLimit: 10e9 });
    const failed = expect(running).rejects.toMatchObject({ code: "worker_lost" });
    await until("the result grows", () => spooled().length > 0);
    process.kill(busy()?.pid ?? 0, "SIGKILL");
    await failed;
    expect(spooled()).toEqual([]);
  });

  test("a script whose worker dies says so and can run again", async () => {
    const run = (sql: string) =>
      opened.pool.script({ traceId: "t" as TraceId, label: "s", statements: [{ sql, rows: true }] }, never);
    const lost = expect(run(endless)).rejects.toMatchObject({ code: "worker_lost" });
    const worker = () => opened.pool.status().workers.find((one) => one.job?.kind === "script");
    await until("it runs", () => worker() !== undefined);
    process.kill(worker()?.pid ?? 0, "SIGKILL");
    await lost;
    expect(await run("SELECT 9007199254740993 AS a, 5::BIGINT AS b")).toEqual([[{ a: "9007199254740993", b: 5 }]]);
  });

  test("status tells what runs, for whom", async () => {
    const controller = new AbortController();
    const query = { queryId: "query-7" as QueryId, label: "the label" };
    const running = ask(opened.pool, endless, query, controller.signal).catch(() => null);
    await until("it runs", () => busy() !== undefined);
    expect(busy()).toMatchObject({ role: "query", state: "busy", job: { label: "the label", queryId: "query-7" } });
    await until("its memory is sampled", () => (busy()?.rssBytes ?? 0) > 10e6);
    controller.abort();
    await running;
  });

  test("settings that DuckDB refuses fail the start instead of waiting for ever", async () => {
    await expect(openPool({ threads: 0 })).rejects.toThrow();
  });
});

describe("the server's end", () => {
  // A server that dies without a word: its workers, one of them busy, must not stay.
  test("workers end with their parent, also in the middle of a query", async () => {
    await using folder = await tempDirectory();
    const server = spawn(process.execPath, ["--input-type=module", "-e", serverText(folder.path)], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const pids = (await firstLine(server)).split(" ").map(Number);
    expect(pids.length).toBe(2);
    for (const pid of pids) expect(alive(pid)).toBe(true);
    server.kill("SIGKILL");
    await until("all workers are gone", () => pids.every((pid) => !alive(pid)));
  });
});

function serverText(folder: string): string {
  const door = (room: string) => JSON.stringify(new URL(`../../${room}/index.ts`, import.meta.url).href);
  return `
    import { idSource, silentTelemetry, systemClock, systemRandom } from ${door("base")};
    import { nodeDisk } from ${door("storage")};
    import { EnginePool } from ${door("engines")};
    const role = { minWorkers: 1, maxWorkers: 1, threads: 1, memoryBytes: 3e8, hardMemoryBytes: 9e8, spillBytes: 1e6, maxQueued: 1, directories: [] };
    const pool = new EnginePool({
      directory: ${JSON.stringify(path.join(folder, "engines"))}, roles: { query: role, ingest: role, compute: { ...role, minWorkers: 0 }, upkeep: { ...role, minWorkers: 0 } }, idleMs: 60000, graceMs: 500,
      clock: systemClock, random: systemRandom, ids: idSource(systemClock, systemRandom), disk: nodeDisk, telemetry: silentTelemetry,
    });
    await pool.start();
    pool.query({ queryId: "q", traceId: "t", label: "", sql: ${JSON.stringify(endless)}, parameters: [], format: "json",
      rowLimit: null, byteLimit: 1e6 }, new AbortController().signal).catch(() => {});
    const workers = pool.status().workers;
    setInterval(() => {}, 1000);
    process.stdout.write(workers.map((worker) => worker.pid).join(" ") + "\\n");
  `;
}

function firstLine(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = "";
    child.stdout?.on("data", (bytes: Buffer) => {
      text += bytes.toString();
      if (text.includes("\n")) resolve(text.split("\n")[0] ?? "");
    });
    child.once("exit", (code) => reject(new Error(`the server ended with ${code}`)));
  });
}

function alive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
