import { systemClock } from "../../src/base/index.ts";
import type { DatasetRef, Datasets } from "../../src/datasets/index.ts";
import { timed } from "../benchmark.ts";
import type { Bench } from "./bench.ts";
import { type NewSlice, rowsOfCommit, SliceMaker, schema } from "./slices.ts";

/** Commits whose slices are made at once, while those before them are committed. */
const batchCommits = 1_024;
const signal = new AbortController().signal;

/**
 * The dataset of small commits, by the commits' own path, compacted behind them as the server's task does it; what an earlier
 * run has made is kept. Nothing is synced meanwhile: the time it takes is no figure of this benchmark.
 */
export async function buildLong(bench: Bench, commits: number, tell: (line: string) => void): Promise<DatasetRef> {
  const ref = await bench.dataset("long");
  await using datasets = await bench.unsynced();
  using maker = await SliceMaker.open(bench);
  const begun = (await datasets.head(ref.id)).nextOffset / rowsOfCommit;
  const layout = new Behind(datasets, ref);
  const elapsedMs = await timed(async () => {
    const batch = (from: number) => maker.batch(from, Math.min(batchCommits, commits - from));
    let next = begun < commits ? batch(begun) : null;
    for (let from = begun; next !== null; from += batchCommits) {
      const slices = await next;
      next = from + batchCommits < commits ? batch(from + batchCommits) : null;
      next?.catch(() => {}); // met where it is awaited
      for (const [index, slice] of slices.entries()) layout.look(await commit(datasets, ref, slice, from + index));
      if (process.env.MILLRACE_BENCH_PROGRESS !== undefined) tell(`  ${from + slices.length} commits`);
    }
  });
  const waitedMs = await timed(() => layout.finish());
  tell(
    `${commits - begun} commits of ${rowsOfCommit} rows made in ${(elapsedMs / 1000).toFixed(0)} s without syncs, compacted behind them (${(waitedMs / 1000).toFixed(0)} s more)`,
  );
  return ref;
}

/** The same rows, imported whole. */
export async function buildWhole(bench: Bench, commits: number): Promise<DatasetRef> {
  const ref = await bench.dataset("whole");
  await using datasets = bench.datasets();
  using maker = await SliceMaker.open(bench);
  if ((await datasets.head(ref.id)).nextOffset === 0)
    await commit(datasets, ref, await maker.whole(commits * rowsOfCommit), 0);
  return ref;
}

/** All that the server's tasks do behind commits, once their times are over: to the end, and again where nothing is left to do. */
export async function layOut(bench: Bench, { id }: DatasetRef, tell: (line: string) => void): Promise<void> {
  await using datasets = bench.datasets();
  const { layouts } = datasets;
  const none = () => {};
  const elapsedMs = await timed(async () => {
    const compacted = await layouts.compact(id, signal, none);
    const outdated = await layouts.deleteOutdated(id, signal);
    const superseded = await layouts.supersede(id, 0, signal, none);
    const packed = await datasets.upkeep(id, signal);
    tell(`layout: ${JSON.stringify({ compacted, outdated, superseded, packed })}`);
  });
  tell(`layout: ${(elapsedMs / 1000).toFixed(1)} s`);
}

/** Compacts behind commits, one run at a time: regions that close meanwhile wait for the next one. */
class Behind {
  readonly #datasets: Datasets;
  readonly #ref: DatasetRef;
  #running: Promise<void> | null = null;
  #isWanted = false;
  #failure: unknown = null;

  constructor(datasets: Datasets, ref: DatasetRef) {
    this.#datasets = datasets;
    this.#ref = ref;
  }

  look(seq: number): void {
    if (this.#failure !== null) throw this.#failure;
    if (this.#datasets.layouts.endsRegion(seq)) this.#isWanted = true;
    if (!this.#isWanted || this.#running !== null) return;
    this.#isWanted = false;
    this.#running = this.#compact().finally(() => {
      this.#running = null;
    });
  }

  async finish(): Promise<void> {
    await this.#running;
    if (this.#failure !== null) throw this.#failure;
  }

  async #compact(): Promise<void> {
    const { layouts } = this.#datasets;
    try {
      await layouts.compact(this.#ref.id, signal, () => {});
      await layouts.deleteOutdated(this.#ref.id, signal);
    } catch (error) {
      this.#failure = error;
    }
  }
}

/** @returns its number */
async function commit(datasets: Datasets, { id }: DatasetRef, data: NewSlice, position: number): Promise<number> {
  const head = await datasets.head(id);
  const outcome = await datasets.commit(id, {
    expectedSeq: head.seq,
    ...(head.schema === null ? { schema } : {}),
    data,
    sourceState: { sourceName: "bench", kind: "bench", value: String(position) },
    systemTime: systemClock.now(),
    by: "bench",
  });
  if (outcome.outcome !== "committed") throw new Error("somebody else writes to the benchmark's dataset");
  return outcome.seq;
}
