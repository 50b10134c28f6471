import { mkdtempSync, rmSync } from "node:fs";
import http from "node:http";
import path from "node:path";
import { z } from "zod";
import { type Platform, startPlatform } from "../../test/kit/platform.ts";
import { type Benchmark, cacheDirectory } from "../benchmark.ts";
import { httpSql } from "../http-sql.ts";

const rowsPerSecond = 20_000;
const batchRows = 500;
const seconds = 30;
const barMs = 1_000;
const answer = z.object({ rows: z.tuple([z.object({ newest: z.coerce.number().nullable() })]) });

/**
 * From the acknowledgement of a push to the sight of its rows in a derivative, at 20,000 rows a second: the 99th percentile over the
 * batches, as a part of a second. Whoever looks asks again as soon as it was answered.
 */
export const benchmark: Benchmark = async (tell) => {
  const dataDirectory = mkdtempSync(path.join(cacheDirectory(), "freshness-"));
  const agent = new http.Agent({ keepAlive: true, maxSockets: 4 });
  try {
    await using platform = await startPlatform({ dataDirectory });
    await push(platform, agent, 0);
    await httpSql(platform, agent, "SELECT count(*) AS n FROM bench.sent"); // commits them: the columns are known
    await httpSql(
      platform,
      agent,
      "CREATE DATASET bench.kept AS SELECT n, upper(name) AS name FROM bench.sent WHERE n >= 0",
    );
    const acknowledged = new Map<number, number>();
    const seen: number[] = [];
    const batches = (rowsPerSecond * seconds) / batchRows;
    const looking = look(platform, agent, acknowledged, seen, batches);
    const startMs = performance.now();
    for (let batch = 1; batch <= batches; batch++) {
      const dueMs = startMs + (batch * batchRows * 1_000) / rowsPerSecond;
      await new Promise((resolve) => setTimeout(resolve, Math.max(0, dueMs - performance.now())));
      await push(platform, agent, batch);
      acknowledged.set(batch, performance.now());
    }
    const sentMs = performance.now() - startMs;
    await looking;
    const sorted = seen.toSorted((a, b) => a - b);
    const at = (part: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? Number.NaN;
    tell(
      `${((batches * batchRows) / sentMs).toFixed(1)} k rows/s; p50 ${at(0.5).toFixed(0)} ms, p99 ${at(0.99).toFixed(0)} ms, longest ${at(1).toFixed(0)} ms`,
    );
    return { ratio: at(0.99) / barMs, bar: 1, atMost: true };
  } finally {
    agent.destroy();
    rmSync(dataDirectory, { recursive: true, force: true });
  }
};

/** Notes for each batch how long after its acknowledgement the derivative had its last row. */
async function look(
  platform: Platform,
  agent: http.Agent,
  acknowledged: ReadonlyMap<number, number>,
  seen: number[],
  batches: number,
): Promise<void> {
  const giveUpMs = performance.now() + (seconds + 60) * 1_000;
  for (let next = 1; next <= batches; ) {
    const reply = answer.parse(JSON.parse(await httpSql(platform, agent, "SELECT max(n) AS newest FROM bench.kept")));
    const nowMs = performance.now();
    const newest = reply.rows[0].newest ?? -1;
    for (; next <= batches && newest >= (next + 1) * batchRows - 1; next++)
      seen.push(Math.max(0, nowMs - (acknowledged.get(next) ?? nowMs)));
    if (nowMs > giveUpMs) throw new Error(`batch ${next} of ${batches} is not in the derivative`);
  }
}

function push(platform: Platform, agent: http.Agent, batch: number): Promise<void> {
  const lines = Array.from({ length: batchRows }, (_, row) => `{"n":${batch * batchRows + row},"name":"row ${row}"}`);
  const url = new URL("/api/v1/projects/bench/datasets/sent/rows?create=true&ack=staged", platform.url);
  const headers = { authorization: `Bearer ${platform.token}`, "content-type": "application/x-ndjson" };
  return new Promise((resolve, reject) => {
    const request = http.request(url, { method: "POST", agent, headers }, (reply) => {
      reply.resume();
      reply.on("end", () =>
        (reply.statusCode ?? 0) < 300 ? resolve() : reject(new Error(`push answered ${reply.statusCode}`)),
      );
    });
    request.on("error", reject);
    request.end(lines.join("\n"));
  });
}
