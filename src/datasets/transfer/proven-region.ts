import { MillraceError } from "../../base/index.ts";
import type { ObjectStore } from "../../storage/index.ts";
import { readStatistics } from "../chain/statistics.ts";
import { expiredBefore } from "../layout/expiry.ts";
import type { LayoutKeys } from "../layout/layout-keys.ts";
import type { ColumnStatistics, LiveSlice } from "../layout/live-slices.ts";
import type { RegionManifest } from "../layout/manifest.ts";
import type { Original } from "../layout/originals.ts";
import { proofProblem } from "../layout/proof.ts";
import type { CopyWorker } from "../layout/work.ts";
import type { SliceReader } from "../verify/slice-reader.ts";
import { refused } from "./refusals.ts";
import type { RegionBlocks } from "./region-blocks.ts";

export interface RegionProofTools {
  readonly store: ObjectStore;
  readonly reader: SliceReader;
  readonly worker: CopyWorker;
  /** null where nobody reads them: such files are never pruned. */
  columnStatistics(path: string, signal: AbortSignal): Promise<readonly ColumnStatistics[] | null>;
}

/**
 * The manifest of a region, as its blocks and the rows of its files prove it: of the offered one only which files hold which
 * offsets is taken over. Each file holds the rows of whole slices and no other, and each slice is in one file.
 * @throws replica_refused; data_expired where rows have expired at the origin, and neither are here nor have expired here
 */
export async function provenRegion(
  tools: RegionProofTools,
  keys: LayoutKeys,
  offered: RegionManifest,
  blocks: RegionBlocks,
  signal: AbortSignal,
): Promise<RegionManifest> {
  const { originals, head, systemTime } = blocks;
  const from = offered.files[0]?.firstOffset ?? Number.POSITIVE_INFINITY;
  const before = originals.filter(({ lastOffset }) => lastOffset < from);
  const files: LiveSlice[] = await keptOriginals(tools, keys, before, signal);
  let next = before.length;
  for (const file of offered.files) {
    signal.throwIfAborted();
    const held: Original[] = [];
    for (let one = originals[next]; one !== undefined && one.lastOffset <= file.lastOffset; one = originals[++next])
      held.push(one);
    files.push(await provenFile(tools, keys, file, held, blocks.schemas, signal));
  }
  if (next < originals.length) throw refused(`its region lacks the rows of block ${originals[next]?.seq}`);
  const { level, index, firstSeq, lastSeq } = offered;
  const firstOffset = originals[0]?.firstOffset ?? 0;
  const nextOffset = (originals.at(-1)?.lastOffset ?? -1) + 1;
  return { level, index, firstSeq, lastSeq, head, systemTime, firstOffset, nextOffset, files };
}

/** Those that the origin no longer has rows of: they are here as they were committed, or have expired here, too. */
async function keptOriginals(
  { store }: RegionProofTools,
  keys: LayoutKeys,
  originals: readonly Original[],
  signal: AbortSignal,
): Promise<LiveSlice[]> {
  const expired = await expiredBefore(store, keys, signal);
  const files: LiveSlice[] = [];
  for (const original of originals) {
    if (original.lastOffset < expired) continue;
    if (!(await store.settle(keys.data(original.hash))))
      throw new MillraceError("data_expired", `The rows of block ${original.seq} have expired at the origin.`, {
        hint: "`millrace pull` asks the origin how far, and goes on behind them.",
        data: { expiredBefore: original.lastOffset + 1 },
      });
    files.push(await asItIs({ store }, keys, original));
  }
  return files;
}

async function provenFile(
  tools: RegionProofTools,
  keys: LayoutKeys,
  file: LiveSlice,
  held: readonly Original[],
  schemas: RegionBlocks["schemas"],
  signal: AbortSignal,
): Promise<LiveSlice> {
  const [first, last] = [held[0], held.at(-1)];
  if (first?.firstOffset !== file.firstOffset || last?.lastOffset !== file.lastOffset)
    throw refused(`the file ${file.hash} of its region begins or ends within a slice`);
  if (file.kind === "data") {
    if (held.length === 1 && first.hash === file.hash) return await asItIs(tools, keys, first);
    throw refused(`the slice ${file.hash} of its region is not that of block ${first.seq}`);
  }
  const { firstOffset, lastOffset } = file;
  const { schemaVersion } = first;
  await using local = await tools.store.local(file.key, signal);
  if (local === null) throw refused(`the copy ${file.hash} went away`);
  const copy = { file: { firstOffset, lastOffset, schemaVersion }, path: local.path };
  const problem =
    (await shapeProblem(tools.reader, local.path, file, signal)) ??
    (await proofProblem(tools.worker, schemas, copy, held, signal));
  if (problem !== null) throw refused(`of the copy ${file.hash}: ${problem}`);
  return {
    kind: "copy",
    hash: file.hash,
    key: file.key,
    firstOffset,
    lastOffset,
    firstSeq: first.seq,
    lastSeq: last.seq,
    sizeBytes: file.sizeBytes,
    systemTime: last.systemTime,
    statistics: await tools.columnStatistics(local.path, signal),
    schemaVersion,
  };
}

/** Whether it has other rows than those of its offsets, which no slice would prove. */
async function shapeProblem(
  reader: SliceReader,
  path: string,
  { firstOffset, lastOffset }: LiveSlice,
  signal: AbortSignal,
): Promise<string | null> {
  try {
    const { rows, first, gapFree } = await reader.offsets(path, signal);
    const isWhole = rows === lastOffset - firstOffset + 1 && first === firstOffset && gapFree;
    return isWhole ? null : "it has other rows than those of its offsets";
  } catch (cause) {
    signal.throwIfAborted();
    throw refused("a copy cannot be read", cause);
  }
}

async function asItIs(
  { store }: Pick<RegionProofTools, "store">,
  keys: LayoutKeys,
  { seq, hash, logicalHash: _, ...original }: Original,
): Promise<LiveSlice> {
  const statistics = await readStatistics(store, keys, hash);
  return { ...original, kind: "data", hash, key: keys.data(hash), firstSeq: seq, lastSeq: seq, statistics };
}
