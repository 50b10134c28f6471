import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import http from "node:http";
import path from "node:path";
import { DuckDBInstance } from "@duckdb/node-api";
import { z } from "zod";
import { type Platform, startPlatform } from "../../test/kit/platform.ts";
import { type Benchmark, cacheDirectory, median, timed } from "../benchmark.ts";
import { httpSql } from "../http-sql.ts";

const batches = 200;
const batchRows = 100_000;
const rounds = 3;
const counted = z.object({ rows: z.tuple([z.object({ n: z.coerce.number() })]) });
const groups =
  "status, count(*) AS requests, sum(bytes) AS bytes, avg(duration_ms) AS mean, max(duration_ms) AS slowest";

/**
 * A windowed aggregate over 20 million rows that came in 200 commits, one run for each, from its statement to its last window, against one
 * query of the same files by DuckDB alone. Its time holds 200 decisions, hashes and commits.
 */
export const benchmark: Benchmark = async (tell) => {
  const files = await batchFiles();
  const dataDirectory = mkdtempSync(path.join(cacheDirectory(), "windowed-"));
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  const ratios: number[] = [];
  try {
    await using platform = await startPlatform({ dataDirectory });
    for (const file of files) await push(platform, agent, file);
    for (let round = 1; round <= rounds; round++) {
      const plainMs = plainQuery(files);
      const keptMs = await timed(() => keep(platform, agent, `bench.kept${round}`));
      ratios.push(keptMs / plainMs);
      tell(`round ${round}: one query ${plainMs.toFixed(0)} ms, ${batches} runs ${keptMs.toFixed(0)} ms`);
    }
    tell(await stages(platform, agent));
  } finally {
    agent.destroy();
    rmSync(dataDirectory, { recursive: true, force: true });
  }
  return { ratio: median(ratios), bar: 3, atMost: true };
};

/** Parquet files of web requests, a millisecond apart, made once. */
async function batchFiles(): Promise<string[]> {
  const folder = path.join(cacheDirectory(), `windowed-batches-${batches}`);
  if (!existsSync(folder)) {
    const instance = await DuckDBInstance.create(":memory:");
    const connection = await instance.connect();
    mkdirSync(`${folder}.part`, { recursive: true });
    for (let batch = 0; batch < batches; batch++)
      await connection.run(`
        COPY (
          SELECT make_timestamptz(1704067200000000 + i * 1000) AS event_time,
            'user_' || (hash(i) % 100000) AS user_id,
            '/path/' || (hash(i * 7) % 5000) || '/page' AS path,
            (200 + 100 * (hash(i * 11) % 4))::INTEGER AS status,
            (hash(i * 13) % 100000)::BIGINT AS bytes,
            (hash(i * 17) % 10000) / 100.0 AS duration_ms
          FROM range(${batch * batchRows}, ${(batch + 1) * batchRows}) t(i)
        ) TO '${folder}.part/${String(batch).padStart(4, "0")}.parquet' (FORMAT parquet, COMPRESSION zstd)`);
    renameSync(`${folder}.part`, folder);
    connection.closeSync();
    instance.closeSync();
  }
  return readdirSync(folder)
    .toSorted()
    .map((name) => path.join(folder, name));
}

function push(platform: Platform, agent: http.Agent, file: string): Promise<void> {
  const url = new URL("/api/v1/projects/bench/datasets/web/rows?create=true&ack=committed", platform.url);
  const headers = { authorization: `Bearer ${platform.token}`, "content-type": "application/vnd.apache.parquet" };
  return new Promise((resolve, reject) => {
    const request = http.request(url, { method: "POST", agent, headers }, (reply) => {
      const parts: Buffer[] = [];
      reply.on("data", (part: Buffer) => parts.push(part));
      reply.on("end", () => {
        if ((reply.statusCode ?? 500) < 300) resolve();
        else reject(new Error(Buffer.concat(parts).toString()));
      });
    });
    request.on("error", reject);
    request.end(readFileSync(file));
  });
}

/** Milliseconds of the statement alone, in a process that has nothing else to do. */
function plainQuery(files: readonly string[]): number {
  const minute = "time_bucket(INTERVAL '1 minute', event_time)";
  const from = `read_parquet([${files.map((one) => `'${one}'`).join(", ")}])`;
  const sql = `SELECT ${minute} AS window_start, ${groups} FROM ${from} GROUP BY ALL`;
  const script = `
    const { DuckDBInstance } = await import("@duckdb/node-api");
    const connection = await (await DuckDBInstance.create(":memory:")).connect();
    const startMs = performance.now();
    await connection.runAndReadAll(${JSON.stringify(sql)});
    console.log(performance.now() - startMs);`;
  const { status, stdout, stderr } = spawnSync(process.execPath, ["--input-type=module", "-e", script], {
    encoding: "utf8",
    cwd: import.meta.dirname,
  });
  if (status !== 0) throw new Error(stderr);
  return Number(stdout);
}

async function keep(platform: Platform, agent: http.Agent, name: string): Promise<void> {
  const from = "tumble(bench.web, event_time, INTERVAL '1 minute')";
  const select = `SELECT window_start, ${groups} FROM ${from} GROUP BY ALL`;
  await httpSql(platform, agent, `CREATE DATASET ${name} WITH (max_rows = ${batchRows}) AS ${select}`);
  const requests = `SELECT coalesce(sum(requests), 0)::BIGINT AS n FROM ${name}`;
  for (let tries = 0; tries < 12_000; tries++) {
    const { rows } = counted.parse(JSON.parse(await httpSql(platform, agent, requests)));
    if (rows[0].n === batches * batchRows) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`${name} has not all rows`);
}

/** Where the time of the runs went, as the platform tells it. */
async function stages(platform: Platform, agent: http.Agent): Promise<string> {
  return await httpSql(
    platform,
    agent,
    "SELECT count(*) AS runs, median(elapsed_ms) AS median_ms, max(elapsed_ms) AS longest_ms FROM system.transform_runs",
  );
}
