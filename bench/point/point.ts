import { mkdtempSync, rmSync } from "node:fs";
import http from "node:http";
import path from "node:path";
import { DuckDBInstance } from "@duckdb/node-api";
import { millrace, startPlatform } from "../../test/kit/platform.ts";
import { type Benchmark, cacheDirectory, median, timed } from "../benchmark.ts";
import { httpSql } from "../http-sql.ts";
import { sliceFiles } from "../slices.ts";
import { webRequests } from "../web-requests.ts";

const rows = 100_000;
const queries = 400;

/** A one-row query over HTTP against the same query in process on the same slices: milliseconds added at the median. */
export const benchmark: Benchmark = async (tell) => {
  const { file } = await webRequests(rows);
  const dataDirectory = mkdtempSync(path.join(cacheDirectory(), "point-"));
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  const overHttp: number[] = [];
  const inProcess: number[] = [];
  const instance = await DuckDBInstance.create(":memory:");
  const connection = await instance.connect();
  try {
    await using platform = await startPlatform({ dataDirectory });
    const imported = await millrace(["ingest", "bench.point", file], platform);
    if (imported.code !== 0) throw new Error(imported.stderr);
    const files = (await sliceFiles(platform, "bench", "point")).map((slice) => `'${slice}'`).join(", ");
    for (let i = 0; i < queries + 50; i++) {
      const id = (i * 7919) % rows;
      const query = (relation: string) => `SELECT id, user_id, status FROM ${relation} WHERE id = ${id}`;
      const remoteMs = await timed(() => httpSql(platform, agent, query("bench.point")));
      const localMs = await timed(async () =>
        (await connection.runAndReadAll(query(`read_parquet([${files}])`))).getRowsJson(),
      );
      if (i < 50) continue; // warm-up of both
      overHttp.push(remoteMs);
      inProcess.push(localMs);
    }
  } finally {
    agent.destroy();
    connection.closeSync();
    instance.closeSync();
    rmSync(dataDirectory, { recursive: true, force: true });
  }
  tell(`p50 over HTTP ${median(overHttp).toFixed(2)} ms, in process ${median(inProcess).toFixed(2)} ms`);
  return { ratio: median(overHttp) - median(inProcess), bar: 3, atMost: true };
};
