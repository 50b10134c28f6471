import { mkdtempSync, rmSync } from "node:fs";
import http from "node:http";
import path from "node:path";
import { z } from "zod";
import { millrace, type Platform, startPlatform } from "../../test/kit/platform.ts";
import { s3ServerAbsent } from "../../test/kit/s3-program.ts";
import { startS3Server } from "../../test/kit/s3-server.ts";
import { type Benchmark, cacheDirectory, geometricMean, median, timed } from "../benchmark.ts";
import { httpSql } from "../http-sql.ts";
import { generate, tables } from "../tpch-http/data.ts";
import { queries } from "../tpch-http/queries.ts";

const warmRounds = 6;
const coldRounds = 3;
const result = z.object({ rows: z.array(z.record(z.string(), z.unknown())) });

/** A data folder and where its objects lie. */
interface Site {
  readonly dataDirectory: string;
  readonly environment: Record<string, string>;
}

/**
 * The 22 TPC-H queries at scale factor 1 over HTTP, from an S3 server on this machine against a local folder. Warm: both
 * have run each query before; the geometric mean over the queries. Cold: both servers have just started, and the one on S3
 * has an empty cache; the time of all queries, each once.
 */
export const benchmark: Benchmark = async (tell) => {
  if (s3ServerAbsent !== null) throw new Error(s3ServerAbsent);
  const folder = generate();
  await using held = new AsyncDisposableStack();
  const server = held.use(await startS3Server());
  const site = (environment: Record<string, string>): Site => {
    const dataDirectory = mkdtempSync(path.join(cacheDirectory(), "s3-query-"));
    held.defer(() => rmSync(dataDirectory, { recursive: true, force: true }));
    return { dataDirectory, environment };
  };
  const local = site({});
  const remote = site(server.environment(await server.bucket()));
  for (const one of [local, remote]) await load(one, folder);
  const warm = await measureWarm(local, remote, tell);
  const cold: number[] = [];
  for (let round = 0; round < coldRounds; round++) {
    rmSync(path.join(remote.dataDirectory, "cache"), { recursive: true });
    const [localMs, remoteMs] = [await onceThrough(local), await onceThrough(remote)];
    cold.push(remoteMs / localMs);
    tell(
      `cold  ${(remoteMs / localMs).toFixed(3)}  ${remoteMs.toFixed(0)} ms from S3, ${localMs.toFixed(0)} ms from a folder`,
    );
  }
  return [
    { part: "warm", ratio: warm, bar: 1.05, atMost: true },
    { part: "cold", ratio: median(cold), bar: 3, atMost: true },
  ];
};

async function load(site: Site, folder: string): Promise<void> {
  await using platform = await startPlatform(site);
  for (const table of tables) {
    const imported = await millrace(["ingest", `tpch.${table}`, path.join(folder, `${table}.parquet`)], platform);
    if (imported.code !== 0) throw new Error(imported.stderr);
  }
}

/** Both at once, query by query in turns, so that what disturbs the machine disturbs both. */
async function measureWarm(local: Site, remote: Site, tell: (line: string) => void): Promise<number> {
  await using fromFolder = await startPlatform(local);
  await using fromS3 = await startPlatform(remote);
  const agent = new http.Agent({ keepAlive: true, maxSockets: 2 });
  const ratios: number[] = [];
  try {
    for (const [index, sql] of queries.entries()) {
      const localMs: number[] = [];
      const remoteMs: number[] = [];
      const rows = await Promise.all([fromFolder, fromS3].map((platform) => rowsOf(platform, agent, sql))); // warm-up
      if (JSON.stringify(rows[0]) !== JSON.stringify(rows[1])) throw new Error(`query ${index + 1} differs`);
      for (let round = 0; round < warmRounds; round++) {
        const local = async () => localMs.push(await timed(() => httpSql(fromFolder, agent, sql)));
        const remote = async () => remoteMs.push(await timed(() => httpSql(fromS3, agent, sql)));
        // What a server still does behind its answer must not always fall to the same other one.
        for (const one of round % 2 === 0 ? [local, remote] : [remote, local]) await one();
      }
      const ratio = median(remoteMs) / median(localMs);
      ratios.push(ratio);
      const figures = `${median(remoteMs).toFixed(1)} ms from S3, ${median(localMs).toFixed(1)} ms from a folder`;
      tell(`q${String(index + 1).padStart(2, "0")} ${ratio.toFixed(3)}  ${figures}`);
    }
  } finally {
    agent.destroy();
  }
  return geometricMean(ratios);
}

async function rowsOf(platform: Platform, agent: http.Agent, sql: string): Promise<readonly unknown[]> {
  return result.parse(JSON.parse(await httpSql(platform, agent, sql))).rows;
}

/** The time of all queries, each once, on a server that has just started. */
async function onceThrough(site: Site): Promise<number> {
  await using platform = await startPlatform(site);
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  try {
    return await timed(async () => {
      for (const sql of queries) await httpSql(platform, agent, sql);
    });
  } finally {
    agent.destroy();
  }
}
