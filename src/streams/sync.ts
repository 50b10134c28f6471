import type { Instant } from "../base/index.ts";
import type { DatasetRef, Datasets, Snapshot } from "../datasets/index.ts";
import type { ReadSoFar } from "./progress.ts";

/** How far an input can be read. */
export interface SyncedTo {
  /** Null where nothing can be read, and nothing was before. */
  readonly until: Snapshot | null;
  /** The watermark that its next rows wait for; null where none wait. */
  readonly awaited: Instant | null;
}

/**
 * Up to which block of an input a run reads that must not be ahead of what it looks up: the last one whose watermark is not later than
 * `limit`. A chain's watermark never goes back, so that halving finds it.
 */
export async function syncedTo(
  datasets: Pick<Datasets, "snapshot">,
  input: {
    readonly ref: Pick<DatasetRef, "id">;
    /** Up to where it would be read. */
    readonly turn: Snapshot;
    /** Null: nothing with an event time can be read yet. */
    readonly limit: Instant | null;
    readonly read: ReadSoFar | undefined;
  },
  signal: AbortSignal,
): Promise<SyncedTo> {
  const { ref, turn, limit, read } = input;
  const isIn = ({ watermark }: Snapshot) => watermark === null || (limit !== null && watermark <= limit);
  const fromOffset = Math.max(read?.nextOffset ?? 0, turn.expiredBefore);
  if (isIn(turn) || fromOffset >= turn.rows) return { until: turn, awaited: null };
  const first = await datasets.snapshot(ref.id, { kind: "offset", offset: fromOffset }, signal);
  if (!isIn(first)) {
    const before = read === undefined ? null : ({ kind: "block", hash: read.block } as const);
    return {
      until: before === null ? null : await datasets.snapshot(ref.id, before, signal),
      awaited: first.watermark,
    };
  }
  let [until, beyond] = [first, turn];
  while (beyond.seq - until.seq > 1) {
    const seq = Math.floor((until.seq + beyond.seq) / 2);
    const middle = await datasets.snapshot(ref.id, { kind: "version", seq }, signal);
    if (isIn(middle)) until = middle;
    else beyond = middle;
  }
  return { until, awaited: beyond.watermark };
}
