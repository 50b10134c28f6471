import type { DatasetId } from "../../src/base/index.ts";
import { type Benchmark, median, timed } from "../benchmark.ts";
import { type Bench, longDataset, openBench, rowsOfCommit, wholeDataset } from "./build.ts";

/** Fewer than those of the bar for a first look: MILLRACE_BENCH_COMMITS. */
const commits = Number(process.env.MILLRACE_BENCH_COMMITS ?? 200_000);
const runs = 7;

/** A dataset of very many small commits, against bars in milliseconds and against the same rows imported whole. */
export const benchmark: Benchmark = async (tell) => {
  await using bench = await openBench(commits);
  const id = await longDataset(bench, commits, tell);
  const whole = await wholeDataset(bench, commits);
  const withoutMs = await openMs(bench, id, () => forgetIndex(bench, id));
  const withMs = await openMs(bench, id, async () => {});
  tell(`open and count: ${withMs.toFixed(1)} ms with the index, ${withoutMs.toFixed(1)} ms without`);
  const [long, short] = [await weigh(bench, id), await weigh(bench, whole)];
  tell(
    `as committed: ${long.objects} objects, ${(long.bytes / 1e6).toFixed(1)} MB; whole: ${short.objects}, ${(short.bytes / 1e6).toFixed(1)} MB`,
  );
  for (const [part, { objects, bytes }] of long.parts)
    tell(`  ${part}: ${objects} objects, ${(bytes / 1e6).toFixed(1)} MB`);
  const { signal } = new AbortController();
  const report = await bench.server().verify(id, { level: "logical", signal });
  tell(`verify: ${JSON.stringify(report)}`);
  if (!report.ok || report.rows !== commits * rowsOfCommit) throw new Error("the dataset does not verify");
  return [
    { part: "open with index, ms", ratio: withMs, bar: 50, atMost: true },
    { part: "open without index, ms", ratio: withoutMs, bar: 150, atMost: true },
  ];
};

/** What a server that knows nothing needs until it can say how many rows there are, in how many files. */
async function openMs(bench: Bench, id: DatasetId, before: () => Promise<void>): Promise<number> {
  const measured: number[] = [];
  for (let run = 0; run < runs; run++) {
    await before();
    const datasets = bench.server();
    const elapsedMs = await timed(async () => {
      const { rows, slices } = await datasets.snapshot(id);
      const counted = slices.reduce((sum, slice) => sum + slice.lastOffset - slice.firstOffset + 1, 0);
      if (rows !== commits * rowsOfCommit || counted !== rows) throw new Error(`${counted} of ${rows} rows`);
    });
    measured.push(elapsedMs);
    await datasets[Symbol.asyncDispose]();
  }
  return median(measured);
}

async function forgetIndex({ postgres: { sql } }: Bench, id: DatasetId): Promise<void> {
  await sql`DELETE FROM chain_blocks WHERE dataset_id = ${id}`;
  await sql`DELETE FROM chain_checkpoints WHERE dataset_id = ${id}`;
}

/** Everything of a dataset in the store, by its folders. */
async function weigh({ store }: Bench, id: DatasetId) {
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
