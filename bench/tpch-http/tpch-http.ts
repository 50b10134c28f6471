import { mkdtempSync, rmSync } from "node:fs";
import http from "node:http";
import path from "node:path";
import { type DuckDBConnection, DuckDBInstance } from "@duckdb/node-api";
import { z } from "zod";
import { millrace, type Platform, startPlatform } from "../../test/kit/platform.ts";
import { type Benchmark, cacheDirectory, geometricMean, median, timed } from "../benchmark.ts";
import { httpSql } from "../http-sql.ts";
import { sliceFiles } from "../slices.ts";
import { generate, tables } from "./data.ts";
import { queries } from "./queries.ts";

const rounds = 5;
const result = z.object({ rows: z.array(z.record(z.string(), z.unknown())) });

/** The 22 TPC-H queries at scale factor 1 over HTTP against DuckDB in process on the same slices. */
export const benchmark: Benchmark = async (tell) => {
  const folder = generate();
  const dataDirectory = mkdtempSync(path.join(cacheDirectory(), "tpch-http-"));
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  const instance = await DuckDBInstance.create(":memory:");
  const connection = await instance.connect();
  const ratios: number[] = [];
  try {
    await using platform = await startPlatform({ dataDirectory });
    await load(platform, connection, folder);
    for (const [index, sql] of queries.entries()) {
      const local: number[] = [];
      const remote: number[] = [];
      for (let round = 0; round <= rounds; round++) {
        let localRows = 0;
        let reply = "";
        const localMs = await timed(async () => {
          localRows = (await connection.runAndReadAll(sql)).getRowsJson().length;
        });
        const remoteMs = await timed(async () => {
          reply = await httpSql(platform, agent, sql);
        });
        const remoteRows = result.parse(JSON.parse(reply)).rows.length;
        if (remoteRows !== localRows) throw new Error(`query ${index + 1}: ${remoteRows} rows, not ${localRows}`);
        if (round === 0) continue; // warm-up of both
        local.push(localMs);
        remote.push(remoteMs);
      }
      ratios.push(median(remote) / median(local));
      const figures = `${median(remote).toFixed(1)} ms over HTTP, ${median(local).toFixed(1)} ms in process`;
      tell(`q${String(index + 1).padStart(2, "0")} ${ratios.at(-1)?.toFixed(3)}  ${figures}`);
    }
  } finally {
    agent.destroy();
    connection.closeSync();
    instance.closeSync();
    rmSync(dataDirectory, { recursive: true, force: true });
  }
  return { ratio: geometricMean(ratios), bar: 1.1, atMost: true };
};

async function load(platform: Platform, connection: DuckDBConnection, folder: string): Promise<void> {
  await connection.run("CREATE SCHEMA tpch");
  for (const table of tables) {
    const imported = await millrace(["ingest", `tpch.${table}`, path.join(folder, `${table}.parquet`)], platform);
    if (imported.code !== 0) throw new Error(imported.stderr);
    const files = (await sliceFiles(platform, "tpch", table)).map((file) => `'${file}'`).join(", ");
    await connection.run(`CREATE VIEW tpch.${table} AS SELECT * FROM read_parquet([${files}])`);
  }
}
