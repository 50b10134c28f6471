import type { Instant } from "../../base/index.ts";
import type { Multihash } from "../../slices/index.ts";
import type { StoredBlock } from "../chain/stored-block.ts";
import type { LaidOut, OffsetRange } from "./work.ts";

/** A slice as its block tells of it, whether its object is still there or not. */
export interface Original extends OffsetRange {
  readonly seq: number;
  readonly hash: Multihash;
  readonly logicalHash: Multihash;
  readonly sizeBytes: number;
  readonly systemTime: Instant;
  /** How many schemas of the dataset came before it. */
  readonly schemaVersion: number;
}

/** The slice that a block adds; null where it adds none. */
export function originalOf({ seq, block }: StoredBlock, schemas: LaidOut["schemas"]): Original | null {
  const { event, systemTime } = block;
  if ((event.kind !== "AddData" && event.kind !== "ExecuteTransform") || event.newData === undefined) return null;
  const { offsetInterval, physicalHash: hash, logicalHash, size: sizeBytes } = event.newData;
  return {
    seq,
    hash,
    logicalHash,
    sizeBytes,
    systemTime,
    firstOffset: offsetInterval.start,
    lastOffset: offsetInterval.end,
    schemaVersion: schemas.filter((one) => one.seq < seq).length,
  };
}

/** The slices of a range of blocks, in order. */
export async function* originals(
  dataset: LaidOut,
  from: number,
  to: number,
  signal: AbortSignal,
): AsyncIterable<Original> {
  for await (const stored of dataset.blocks(from, to, signal)) {
    const original = originalOf(stored, dataset.schemas);
    if (original !== null) yield original;
  }
}
