import type { Instant } from "../../base/index.ts";
import type { DataSchema, Multihash } from "../../slices/index.ts";
import type { MetadataBlock } from "../odf/index.ts";

/** What a rule may look at of the chain before the block. */
export interface Before {
  readonly seq: number;
  readonly head: Multihash | null;
  readonly systemTime: Instant | null;
  readonly schema: DataSchema | null;
  readonly watermark: Instant | null;
  readonly nextOffset: number;
}

/** One invariant of chains: why the block may not follow, or null. Commit, reading and verify all ask the same rules. */
export type Rule = (before: Before, block: MetadataBlock) => string | null;
