import http from "node:http";
import { setTimeout as wait } from "node:timers/promises";
import type { DatasetRef } from "../../src/datasets/index.ts";
import { type Benchmark, median, timed } from "../benchmark.ts";
import { httpSql } from "../http-sql.ts";
import { type Bench, openBench } from "./bench.ts";
import { buildLong, buildWhole, layOut } from "./build.ts";
import { rowsOfCommit } from "./slices.ts";

/** Fewer than those of the bars for a first look: MILLRACE_BENCH_COMMITS. */
const commits = Number(process.env.MILLRACE_BENCH_COMMITS ?? 200_000);
const servers = 7;
const lookMs = 1_000;
const mostLooks = 600;
const { signal } = new AbortController();

/**
 * A dataset of very many small commits: how soon a server that has just started counts it, with PostgreSQL's index and
 * without, and what it weighs against the same rows imported whole.
 */
export const benchmark: Benchmark = async (tell) => {
  await using bench = await openBench(commits);
  const long = await buildLong(bench, commits, tell);
  const whole = await buildWhole(bench, commits);
  await layOut(bench, long, tell);
  await finishTasks(bench);
  const withMs = await openMs(bench, async () => {});
  const withoutMs = await openMs(bench, () => forgetIndex(bench, long));
  tell(`first count by a fresh server, ms: ${told(withMs)} with the index, ${told(withoutMs)} without`);
  const weights = { long: await weigh(bench, long), whole: await weigh(bench, whole) };
  for (const [name, { objects, bytes, parts }] of Object.entries(weights)) {
    tell(`${name}: ${objects} objects, ${megabytes(bytes)}`);
    for (const [part, sum] of parts) tell(`  ${part}: ${sum.objects} objects, ${megabytes(sum.bytes)}`);
  }
  const verifyMs = await timed(async () => {
    const report = await bench.datasets().verify(long.id, { level: "logical", signal });
    tell(`verify: ${JSON.stringify(report)}`);
    if (!report.ok || report.rows !== commits * rowsOfCommit || report.slices !== commits)
      throw new Error("the dataset does not verify");
  });
  tell(`verified in ${(verifyMs / 1000).toFixed(1)} s`);
  const ratio = (of: "bytes" | "objects") => weights.long[of] / weights.whole[of];
  return [
    { part: "open with index, ms", ratio: median(withMs), bar: 50, atMost: true },
    { part: "open without index, ms", ratio: median(withoutMs), bar: 150, atMost: true },
    { part: "bytes", ratio: ratio("bytes"), bar: 2, atMost: true },
    { part: "objects", ratio: ratio("objects"), bar: 100, atMost: true },
  ];
};

/** What servers that have answered others, but know nothing of this dataset, need until they have counted it. */
async function openMs(bench: Bench, before: () => Promise<void>): Promise<number[]> {
  const measured: number[] = [];
  for (let server = 0; server < servers; server++) {
    await before();
    await using platform = await bench.platform();
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
    const count = async (name: string) => {
      const reply = await httpSql(platform, agent, `SELECT count(*) AS n FROM bench.${name}`);
      const { rows } = JSON.parse(reply) as { rows: { n: number }[] };
      if (Number(rows[0]?.n) !== commits * rowsOfCommit)
        throw new Error(`bench.${name} does not count right: ${reply}`);
    };
    for (let warm = 0; warm < 5; warm++) await count("whole");
    measured.push(await timed(() => count("long")));
    agent.destroy();
  }
  return measured;
}

/** A server does what is due in the folder by now, so that those which are measured do not begin with it. */
async function finishTasks(bench: Bench): Promise<void> {
  const { sql } = bench.postgres;
  await using _platform = await bench.platform();
  for (let look = 0; look < mostLooks; look++) {
    await wait(lookMs);
    const [due] = await sql<{ count: number }[]>`
      SELECT count(*)::int AS count FROM tasks WHERE state IN ('queued', 'running') AND not_before <= now()`;
    if (due?.count === 0) return;
  }
  throw new Error("the server's tasks do not end");
}

async function forgetIndex({ postgres: { sql } }: Bench, { id }: DatasetRef): Promise<void> {
  await sql`DELETE FROM chain_blocks WHERE dataset_id = ${id}`;
  await sql`DELETE FROM chain_checkpoints WHERE dataset_id = ${id}`;
}

/** Everything of a dataset in the store, by its folders. */
async function weigh({ store }: Bench, { id }: DatasetRef) {
  const root = `datasets/${id.slice("did:odf:".length)}/`;
  const parts = new Map<string, { objects: number; bytes: number }>();
  const all = { objects: 0, bytes: 0, parts };
  for await (const { key, sizeBytes } of store.list(root)) {
    const part = key.slice(root.length).split("/").slice(0, -1).join("/");
    const sum = parts.get(part) ?? { objects: 0, bytes: 0 };
    parts.set(part, { objects: sum.objects + 1, bytes: sum.bytes + sizeBytes });
    all.objects++;
    all.bytes += sizeBytes;
  }
  return all;
}

function told(values: readonly number[]): string {
  return `${median(values).toFixed(1)} (${values.map((value) => value.toFixed(0)).join(" ")})`;
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(2)} MB`;
}
