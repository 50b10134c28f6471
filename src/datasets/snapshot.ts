import { formatInstant, type Instant, MillraceError } from "../base/index.ts";
import type { DataSchema, Multihash } from "../slices/index.ts";
import type { Chain, QuarantineRef } from "./chain/chain.ts";
import type { LiveSlice } from "./layout/live-slices.ts";

/** A point in a dataset's past. */
export type AsOf =
  | { readonly kind: "version"; readonly seq: number }
  | { readonly kind: "block"; readonly hash: string }
  | { readonly kind: "time"; readonly at: Instant }
  /** The least version that has the row of this offset. */
  | { readonly kind: "offset"; readonly offset: number };

/** A dataset as it was at one block: it never changes. */
export interface Snapshot {
  readonly seq: number;
  readonly block: Multihash;
  readonly systemTime: Instant;
  readonly schema: DataSchema | null;
  /** Every schema up to now; a slice names its own by number, from 1. */
  readonly schemas: readonly { readonly seq: number; readonly schema: DataSchema }[];
  /** Also the offset that its rows stay below: the last slice may hold later ones too. */
  readonly rows: number;
  readonly bytes: number;
  readonly watermark: Instant | null;
  readonly slices: readonly LiveSlice[];
  readonly quarantines: readonly QuarantineRef[];
}

/** @throws version_not_found */
export function snapshotOf(chain: Chain, asOf?: AsOf): Snapshot {
  const seq = asOf === undefined ? chain.seq : seqOf(chain, asOf);
  const link = chain.links[seq];
  if (link === undefined) throw new MillraceError("version_not_found", "The dataset has no block yet.");
  const rows = chain.rowsAt(seq);
  const slices = chain.slices.below(rows);
  const schemas = upTo(chain.schemas, seq);
  return {
    seq,
    block: link.hash,
    systemTime: link.systemTime,
    schema: schemas.at(-1)?.schema ?? null,
    schemas,
    rows,
    bytes: slices.reduce((sum, slice) => sum + slice.sizeBytes, 0),
    watermark: link.watermark,
    slices,
    quarantines: upTo(chain.quarantines, seq),
  };
}

function seqOf(chain: Chain, asOf: AsOf): number {
  switch (asOf.kind) {
    case "version":
      if (Number.isInteger(asOf.seq) && asOf.seq >= 0 && asOf.seq <= chain.seq) return asOf.seq;
      throw notFound(`version ${asOf.seq}`, `Versions go from 0 to ${chain.seq}.`);
    case "block": {
      const seq = chain.links.findIndex((link) => link.hash === asOf.hash);
      if (seq >= 0) return seq;
      throw notFound(`block ${asOf.hash.slice(0, 100)}`, "The chain's blocks are listed by the API.");
    }
    case "time": {
      const seq = countWhile(chain.links, (link) => link.systemTime <= asOf.at) - 1;
      if (seq >= 0) return seq;
      const first = chain.links[0];
      throw notFound(
        `state at ${formatInstant(asOf.at)}`,
        first === undefined ? "" : `It began at ${formatInstant(first.systemTime)}.`,
      );
    }
    case "offset": {
      const isThere = Number.isInteger(asOf.offset) && asOf.offset >= 0 && asOf.offset < chain.tip.nextOffset;
      if (isThere) return countWhile(chain.links, (link) => link.nextOffset <= asOf.offset);
      throw notFound(
        `offset ${asOf.offset}`,
        chain.tip.nextOffset === 0 ? "It has no row." : `Offsets go from 0 to ${chain.tip.nextOffset - 1}.`,
      );
    }
  }
}

function notFound(what: string, hint: string): MillraceError {
  return new MillraceError("version_not_found", `The dataset has no ${what}.`, hint === "" ? {} : { hint });
}

/** The items up to a sequence number: they stand in its order. */
function upTo<Item extends { readonly seq: number }>(items: readonly Item[], seq: number): readonly Item[] {
  return items.slice(
    0,
    countWhile(items, (item) => item.seq <= seq),
  );
}

/** How many items at the beginning hold, by halving: what holds for one holds for all before it. */
function countWhile<Item>(items: readonly Item[], holds: (item: Item) => boolean): number {
  let low = 0;
  let high = items.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    const item = items[middle];
    if (item !== undefined && holds(item)) low = middle + 1;
    else high = middle;
  }
  return low;
}
