import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import http from "node:http";
import path from "node:path";
import { z } from "zod";
import { millrace, type Platform, startPlatform } from "../../test/kit/platform.ts";
import { type Benchmark, cacheDirectory, median, timed } from "../benchmark.ts";
import { httpSql } from "../http-sql.ts";
import { webRequests } from "../web-requests.ts";

const rows = 4_000_000;
const rounds = 5;
const answer = z.object({ rows: z.tuple([z.object({ n: z.coerce.number() })]) });
/** The same work for both: of each row a few values, and about half of the rows. */
const select = (from: string) =>
  `SELECT ts, upper(method) AS method, path, status, bytes * 8 AS bits, agent FROM ${from} WHERE bytes % 2 = 0`;

/**
 * A transform over rows that are there, from its statement to its last row, against a plain `COPY ... SELECT` of the same files by
 * DuckDB. The transform's time holds its decision, its hashes and its commit.
 */
export const benchmark: Benchmark = async (tell) => {
  const { file } = await webRequests(rows);
  const dataDirectory = mkdtempSync(path.join(cacheDirectory(), "stateless-"));
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  const ratios: number[] = [];
  try {
    await using platform = await startPlatform({ dataDirectory });
    const imported = await millrace(["ingest", "bench.web", file], platform);
    if (imported.code !== 0) throw new Error(imported.stderr);
    const files = slicesOf(dataDirectory);
    const expected = await countOf(platform, agent, `(${select("bench.web")})`);
    for (let round = 1; round <= rounds; round++) {
      const plainMs = plainCopy(files, path.join(dataDirectory, "plain.parquet"));
      const transformMs = await timed(() => makeDerivative(platform, agent, `bench.made${round}`, expected));
      ratios.push(plainMs / transformMs);
      tell(`round ${round}: copy ${plainMs.toFixed(0)} ms, transform ${transformMs.toFixed(0)} ms`);
    }
  } finally {
    agent.destroy();
    rmSync(dataDirectory, { recursive: true, force: true });
  }
  return { ratio: median(ratios), bar: 0.6, atMost: false };
};

/** Slices of what was imported: the system's own datasets are small. */
function slicesOf(dataDirectory: string): string[] {
  const folder = path.join(dataDirectory, "objects", "datasets");
  const slices = readdirSync(folder).map((id) => {
    const data = path.join(folder, id, "data");
    try {
      return readdirSync(data)
        .filter((name) => name.startsWith("f1620"))
        .map((name) => path.join(data, name));
    } catch {
      return []; // it has no rows
    }
  });
  return slices.flat().filter((slice) => sizeOf(slice) > 1_000_000);
}

function sizeOf(file: string): number {
  return Number(spawnSync("stat", ["-c", "%s", file], { encoding: "utf8" }).stdout);
}

/** Milliseconds of the statement alone, in a process that has nothing else to do. */
function plainCopy(files: readonly string[], output: string): number {
  const from = `read_parquet([${files.map((one) => `'${one}'`).join(", ")}])`;
  const sql = `COPY (${select(from)}) TO '${output}' (FORMAT parquet, COMPRESSION zstd)`;
  const script = `
    const { DuckDBInstance } = await import("@duckdb/node-api");
    const connection = await (await DuckDBInstance.create(":memory:")).connect();
    const startMs = performance.now();
    await connection.run(${JSON.stringify(sql)});
    console.log(performance.now() - startMs);`;
  const { status, stdout, stderr } = spawnSync(process.execPath, ["--input-type=module", "-e", script], {
    encoding: "utf8",
    cwd: import.meta.dirname,
  });
  if (status !== 0) throw new Error(stderr);
  return Number(stdout);
}

async function makeDerivative(platform: Platform, agent: http.Agent, name: string, expected: number): Promise<void> {
  await httpSql(platform, agent, `CREATE DATASET ${name} AS ${select("bench.web")}`);
  for (let tries = 0; tries < 3_000; tries++) {
    if ((await countOf(platform, agent, name)) === expected) return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error(`${name} has not all rows`);
}

async function countOf(platform: Platform, agent: http.Agent, from: string): Promise<number> {
  const reply = await httpSql(platform, agent, `SELECT count(*) AS n FROM ${from}`);
  return answer.parse(JSON.parse(reply)).rows[0].n;
}
