import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import http from "node:http";
import path from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { millrace, type Platform, startPlatform } from "../../test/kit/platform.ts";
import { type Benchmark, cacheDirectory, timed } from "../benchmark.ts";

const commitsPerSecond = 5;
const rowsPerCommit = 200;
/** Between the end of a count and the next one. */
const pauseMs = 50;
const minutes = Number(process.env.MILLRACE_BENCH_MINUTES ?? 10);
const minuteMs = Number(process.env.MILLRACE_BENCH_MINUTE_MS ?? 60_000);
const dataset = "bench.steady";

/**
 * Five commits a second while one client counts and another aggregates: what lies behind the commits (compaction, packs,
 * superseding after a minute) must not be felt. The worst later minute's p99 of a count against the first minute's.
 */
export const benchmark: Benchmark = async (tell) => {
  const dataDirectory = mkdtempSync(path.join(cacheDirectory(), "compaction-"));
  try {
    await using platform = await startPlatform({ dataDirectory });
    const manifest = path.join(dataDirectory, "steady.yaml");
    writeFileSync(
      manifest,
      "kind: Project\nname: bench\n---\nkind: Dataset\nproject: bench\nname: steady\nspec: {keepingTimeMs: 60000}\n",
    );
    const applied = await millrace(["apply", manifest], platform);
    if (applied.code !== 0) throw new Error(applied.stderr);
    const client = new Load(platform);
    await client.push(0);
    await client.count();
    const startMs = performance.now();
    const untilMs = startMs + minutes * minuteMs;
    const counts: number[][] = Array.from({ length: minutes }, () => []);
    const controls: number[][] = Array.from({ length: minutes }, () => []);
    const [commits] = await Promise.all([
      pushSteadily(client, startMs, untilMs),
      countSteadily(client, startMs, untilMs, counts, controls),
      aggregateSteadily(client, untilMs),
    ]);
    const p99s = counts.map((times) => quantile(times, 0.99));
    for (const [minute, times] of counts.entries())
      tell(
        `minute ${minute + 1}: ${times.length} counts, ${told(times)}; a query without rows ${told(controls[minute] ?? [])}`,
      );
    const rows = (commits + 1) * rowsPerCommit;
    const counted = await client.count();
    if (counted !== rows) throw new Error(`${counted} rows, and ${rows} were acknowledged`);
    const files = await client.files();
    tell(`${commits} commits, ${rows} rows, in ${files} files at the end`);
    if (files > 64 + 48) throw new Error("the dataset was not compacted");
    const [first = Number.NaN, ...later] = p99s;
    return { ratio: Math.max(...later) / first, bar: 2, atMost: true };
  } finally {
    rmSync(dataDirectory, { recursive: true, force: true });
  }
};

/** At a fixed rate, whatever a commit takes; several may be under way. @returns how many were made */
async function pushSteadily(client: Load, startMs: number, untilMs: number): Promise<number> {
  const pushes: Promise<void>[] = [];
  for (let commit = 1; performance.now() < untilMs; commit++) {
    pushes.push(client.push(commit));
    const dueMs = startMs + (commit * 1_000) / commitsPerSecond;
    await wait(Math.max(0, dueMs - performance.now()));
  }
  await Promise.all(pushes);
  return pushes.length;
}

/** Beside each count a query without rows: what it takes is the machine's, and none of the dataset's. */
async function countSteadily(
  client: Load,
  startMs: number,
  untilMs: number,
  counts: number[][],
  controls: number[][],
): Promise<void> {
  for (let beforeMs = performance.now(); beforeMs < untilMs; beforeMs = performance.now()) {
    const minute = Math.floor((beforeMs - startMs) / minuteMs);
    counts[minute]?.push(await timed(() => client.count()));
    controls[minute]?.push(await timed(() => client.ask("SELECT 1 AS n")));
    await wait(pauseMs);
  }
}

async function aggregateSteadily(client: Load, untilMs: number): Promise<void> {
  while (performance.now() < untilMs) {
    await client.ask(`SELECT city, count(*), sum(amount) FROM ${dataset} GROUP BY city ORDER BY 2 DESC`);
    await wait(1_000);
  }
}

class Load {
  readonly #platform: Platform;
  readonly #agent = new http.Agent({ keepAlive: true, maxSockets: 16 });

  constructor(platform: Platform) {
    this.#platform = platform;
  }

  async push(commit: number): Promise<void> {
    const rows = Array.from({ length: rowsPerCommit }, (_, at) =>
      JSON.stringify({
        id: commit * rowsPerCommit + at,
        city: `city ${(commit * 7 + at) % 50}`,
        amount: (at * 37) % 1000,
      }),
    );
    await this.#send(
      "/api/v1/projects/bench/datasets/steady/rows?ack=committed",
      "application/x-ndjson",
      rows.join("\n"),
    );
  }

  async count(): Promise<number> {
    const reply = await this.ask(`SELECT count(*) AS n FROM ${dataset}`);
    return Number((JSON.parse(reply) as { rows: { n: number }[] }).rows[0]?.n);
  }

  async files(): Promise<number> {
    const reply = await this.#send("/api/v1/projects/bench/datasets/steady/slices", null, null);
    return (JSON.parse(reply) as { slices: unknown[] }).slices.length;
  }

  ask(sql: string): Promise<string> {
    return this.#send("/api/v1/sql", "application/json", JSON.stringify({ sql }));
  }

  #send(target: string, type: string | null, body: string | null): Promise<string> {
    const headers = {
      authorization: `Bearer ${this.#platform.token}`,
      ...(type === null ? {} : { "content-type": type }),
    };
    const method = body === null ? "GET" : "POST";
    return new Promise((resolve, reject) => {
      const request = http.request(
        new URL(target, this.#platform.url),
        { method, agent: this.#agent, headers },
        (reply) => {
          let text = "";
          reply.setEncoding("utf8").on("data", (chunk: string) => {
            text += chunk;
          });
          reply.on("end", () => {
            const status = reply.statusCode ?? 0;
            if (status < 300) resolve(text);
            else reject(new Error(`${target} answered ${status}: ${text}`));
          });
        },
      );
      request.on("error", reject);
      request.end(body ?? undefined);
    });
  }
}

function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}

function told(times: readonly number[]): string {
  return `p50 ${quantile(times, 0.5).toFixed(1)} ms, p99 ${quantile(times, 0.99).toFixed(1)} ms`;
}
