import { mkdtempSync, rmSync } from "node:fs";
import http from "node:http";
import path from "node:path";
import { millrace, startPlatform } from "../../test/kit/platform.ts";
import { type Benchmark, cacheDirectory, median } from "../benchmark.ts";
import { httpSql } from "../http-sql.ts";
import { webRequests } from "../web-requests.ts";

const rounds = 5;

/** `millrace up` on an existing data folder to the first answered query: seconds at the median. */
export const benchmark: Benchmark = async (tell) => {
  const { file } = await webRequests(100_000);
  const dataDirectory = mkdtempSync(path.join(cacheDirectory(), "start-"));
  const seconds: number[] = [];
  try {
    {
      await using platform = await startPlatform({ dataDirectory });
      const imported = await millrace(["ingest", "bench.start", file], platform);
      if (imported.code !== 0) throw new Error(imported.stderr);
    }
    for (let round = 1; round <= rounds; round++) {
      const startMs = performance.now();
      await using platform = await startPlatform({ dataDirectory });
      const agent = new http.Agent();
      await httpSql(platform, agent, "SELECT count(*) AS n FROM bench.start");
      seconds.push((performance.now() - startMs) / 1000);
      agent.destroy();
      tell(`round ${round}: ${seconds.at(-1)?.toFixed(2)} s`);
    }
  } finally {
    rmSync(dataDirectory, { recursive: true, force: true });
  }
  return { ratio: median(seconds), bar: 3, atMost: true };
};
