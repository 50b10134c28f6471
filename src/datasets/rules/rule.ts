import type { DatasetId, Instant } from "../../base/index.ts";
import type { DataSchema, Multihash } from "../../slices/index.ts";
import type { MetadataBlock, Seed } from "../odf/index.ts";

/** All that a next block must fit: a value that never changes, unlike the chain that it was taken from. */
export interface Tip {
  /** Whose chain it is, from the place where it lies. */
  readonly id: DatasetId;
  /** -1 before the first block. */
  readonly seq: number;
  readonly head: Multihash | null;
  readonly systemTime: Instant | null;
  readonly datasetKind: Seed["datasetKind"] | null;
  readonly schema: DataSchema | null;
  readonly watermark: Instant | null;
  /** Of the newest SetTransform; null where there is none, or a checkpoint that was written before this was kept does not say. */
  readonly transformSeq: number | null;
  /** The checkpoint that an engine or source left last. */
  readonly checkpoint: Multihash | null;
  /** Also the number of rows ever added. */
  readonly nextOffset: number;
}

/** One invariant of chains: why the block may not follow, or null. Commit, reading and verify all ask the same rules. */
export type Rule = (before: Tip, block: MetadataBlock) => string | null;
