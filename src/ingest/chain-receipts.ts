import type { DatasetId } from "../base/index.ts";
import { type Datasets, readNotes } from "../datasets/index.ts";

/** An ingest's share of the chain, as the block that holds it notes it. */
export interface ChainShare {
  readonly seq: number;
  readonly block: string;
  readonly firstOffset: number | null;
  readonly rows: number;
  readonly quarantined: number;
  readonly reasons: readonly never[];
}

const mostBlocks = 10_000;

/** Finds what ingests committed, from the newest block back; those that are not in the last 10,000 blocks are left out. */
export async function findIngests(
  datasets: Datasets,
  datasetId: DatasetId,
  ids: readonly string[],
  newest: number,
): Promise<ReadonlyMap<string, ChainShare>> {
  const wanted = new Set(ids);
  const found = new Map<string, ChainShare>();
  const range = { from: Math.max(0, newest - mostBlocks), to: newest, newestFirst: true };
  for await (const { seq, hash, block } of datasets.blocks(datasetId, range)) {
    if (block.event.kind !== "AddData") continue;
    for (const share of readNotes(block.event).ingests ?? []) {
      if (!wanted.delete(share.id)) continue;
      found.set(share.id, { ...chainShare(share), seq, block: hash });
    }
    if (wanted.size === 0) break;
  }
  return found;
}

/** The share of the commit that brought a source to a position; null where no block of the last 10,000 did. */
export async function findPosition(
  datasets: Datasets,
  datasetId: DatasetId,
  source: string,
  position: string,
  newest: number,
): Promise<(ChainShare & { readonly id: string }) | null> {
  const range = { from: Math.max(0, newest - mostBlocks), to: newest, newestFirst: true };
  for await (const { seq, hash, block } of datasets.blocks(datasetId, range)) {
    if (block.event.kind !== "AddData") continue;
    const state = block.event.newSourceState;
    const [share] = readNotes(block.event).ingests ?? [];
    if (state?.sourceName !== source || state.value !== position || share === undefined) continue;
    return { ...chainShare(share), id: share.id, seq, block: hash };
  }
  return null;
}

function chainShare(share: { firstOffset: number; rows: number; quarantined: number }) {
  const { firstOffset, rows, quarantined } = share;
  return { rows, quarantined, firstOffset: rows === 0 ? null : firstOffset, reasons: [] };
}
