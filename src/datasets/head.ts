import type { Instant } from "../base/index.ts";
import type { DataSchema, Multihash } from "../slices/index.ts";
import type { Chain } from "./chain/chain.ts";
import type { SourceState } from "./odf/index.ts";

/** A dataset's newest state. */
export interface Head {
  readonly seq: number;
  readonly block: Multihash | null;
  readonly systemTime: Instant | null;
  readonly nextOffset: number;
  readonly schema: DataSchema | null;
  readonly watermark: Instant | null;
  /** Of the newest SetTransform; null where none is known. */
  readonly transformSeq: number | null;
  /** Those that have not expired. */
  readonly rows: number;
  /** Rows below this offset have expired, as far as this process knows. */
  readonly expiredBefore: number;
  readonly bytes: number;
  readonly slices: number;
  readonly quarantined: number;
  /** Ask it at once: it answers from the newest commit that this process knows of. */
  sourceState(name: string): SourceState | null;
}

export function headOf(chain: Chain): Head {
  const { seq, head: block, systemTime, nextOffset, schema, watermark, transformSeq } = chain.tip;
  const expiredBefore = Math.min(chain.expiredBefore, nextOffset);
  return {
    seq,
    block,
    systemTime,
    nextOffset,
    schema,
    watermark,
    transformSeq,
    rows: nextOffset - expiredBefore,
    expiredBefore,
    bytes: chain.milestone.bytes,
    slices: chain.slices.length,
    quarantined: chain.milestone.quarantined,
    sourceState: (name) => chain.sourceState(name),
  };
}
