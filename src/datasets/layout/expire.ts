import { expiredBefore, registerExpired } from "./expiry.ts";
import { LayoutKeys } from "./layout-keys.ts";
import type { LiveSlice } from "./live-slices.ts";
import { Note } from "./note.ts";
import { originals } from "./originals.ts";
import type { LaidOut, LayoutProgress, LayoutTools } from "./work.ts";

/** What is kept of a dataset: the newest rows for which all that is said holds. */
export interface Retention {
  /** Rows that were committed longer ago may go. */
  readonly ageMs?: number;
  /** As many of the newest rows stay. */
  readonly rows?: number;
  /** As many bytes of the newest files stay. */
  readonly bytes?: number;
}

export interface ExpiryReport {
  /** Rows below this offset have expired. */
  readonly expiredBefore: number;
  /** Of them, those that this run let expire. */
  readonly rows: number;
  /** Original slices that were deleted. */
  readonly slices: number;
}

/** Blocks whose slices are deleted before the note of how far it came is written. */
const stepBlocks = 1_024;

/**
 * Lets old rows expire, whole files at a time: first the register, which no reader goes behind and nobody takes back, then the
 * objects. (Copies go with what is outdated.) The chain keeps its hashes.
 */
export async function expire(
  tools: LayoutTools,
  dataset: LaidOut,
  retention: Retention,
  signal: AbortSignal,
  progress: LayoutProgress,
): Promise<ExpiryReport> {
  const { store, clock } = tools;
  const keys = new LayoutKeys(dataset.id);
  const before = await expiredBefore(store, keys, signal);
  const wanted = firstKept(dataset.slices.all, retention, clock.now());
  const offset = Math.max(before, wanted);
  if (offset > before) await registerExpired(store, keys, offset, signal);
  dataset.expired(offset);
  const isSettled = offset > 0 && (await store.settle(keys.expired(offset))); // else another has gone further
  const slices = !isSettled ? 0 : await deleteBelow(tools, dataset, offset, signal, progress);
  return { expiredBefore: offset, rows: offset - before, slices };
}

/** Behind the files that may go. */
function firstKept(files: readonly LiveSlice[], { ageMs, rows, bytes }: Retention, now: number): number {
  if (ageMs === undefined && rows === undefined && bytes === undefined) return 0;
  const nextOffset = (files.at(-1)?.lastOffset ?? -1) + 1;
  let bytesBehind = files.reduce((sum, file) => sum + file.sizeBytes, 0);
  let kept = 0;
  for (const file of files) {
    bytesBehind -= file.sizeBytes;
    // One reason is enough to let a file go: each says what is kept.
    const isOld = ageMs !== undefined && file.systemTime < now - ageMs;
    const isBeyondRows = rows !== undefined && nextOffset - (file.lastOffset + 1) >= rows;
    const isBeyondBytes = bytes !== undefined && bytesBehind >= bytes;
    if (!isOld && !isBeyondRows && !isBeyondBytes) break;
    kept = file.lastOffset + 1;
  }
  return kept;
}

async function deleteBelow(
  { store }: LayoutTools,
  dataset: LaidOut,
  offset: number,
  signal: AbortSignal,
  progress: LayoutProgress,
): Promise<number> {
  const keys = new LayoutKeys(dataset.id);
  const note = new Note(store, keys.expiredNote);
  const from = await note.read(signal);
  let slices = 0;
  let next = from;
  for await (const { seq, hash, lastOffset } of originals(dataset, from, dataset.newest, signal)) {
    if (lastOffset >= offset) break;
    if (dataset.isOpen({ key: keys.data(hash) })) break; // next time
    await store.delete(keys.data(hash));
    await store.delete(keys.statistics(hash));
    slices++;
    next = seq + 1;
    if (slices % stepBlocks === 0) {
      await note.write(next);
      await progress(next - from, dataset.newest + 1 - from, `${slices} slices deleted`);
    }
  }
  if (next > from) await note.write(next);
  return slices;
}
