import { type Instant, MillraceError } from "../base/index.ts";
import type { DataSchema, Multihash } from "../slices/index.ts";
import type { Chain, SetSchema } from "./chain/chain.ts";
import type { LiveSlice } from "./layout/live-slices.ts";
import type { Milestone } from "./packs/milestone.ts";

/** A dataset as it was at one block: it never changes. */
export interface Snapshot {
  readonly seq: number;
  readonly block: Multihash;
  readonly systemTime: Instant;
  readonly schema: DataSchema | null;
  /** Every schema up to now; a slice names its own by number, from 1. */
  readonly schemas: readonly SetSchema[];
  /** Also the offset that its rows stay below: the last slice may hold later ones too. */
  readonly rows: number;
  /** Of its slices as they were committed. */
  readonly bytes: number;
  readonly watermark: Instant | null;
  /** Quarantined rows. */
  readonly quarantined: number;
  /** Rows below this offset have expired: the first slice may hold some of them. */
  readonly expiredBefore: number;
  readonly slices: readonly LiveSlice[];
}

/** @throws version_not_found where there is no block yet; data_expired where all rows of a past version have expired */
export function snapshotOf(chain: Chain, milestone: Milestone): Snapshot {
  const { seq, head: block, systemTime, nextOffset: rows, bytes, watermark, quarantined } = milestone;
  if (block === null || systemTime === null)
    throw new MillraceError("version_not_found", "The dataset has no block yet.");
  const expiredBefore = Math.min(chain.expiredBefore, rows);
  if (seq < chain.seq && rows > 0 && expiredBefore === rows)
    throw new MillraceError("data_expired", `The rows of version ${seq} have expired.`, {
      hint: `Rows from offset ${chain.expiredBefore} on are kept.`,
    });
  const schemas = chain.schemas.slice(0, milestone.schemas);
  const slices = chain.slices.below(rows);
  const schema = schemas.at(-1)?.schema ?? null;
  return { seq, block, systemTime, schema, schemas, rows, bytes, watermark, quarantined, expiredBefore, slices };
}
