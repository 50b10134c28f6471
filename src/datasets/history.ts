import { formatInstant, type Instant, MillraceError } from "../base/index.ts";
import { isMultihash } from "../slices/index.ts";
import type { Chain, QuarantineRef } from "./chain/chain.ts";
import type { DatasetLog } from "./chain/log.ts";
import { advance, type Milestone, start } from "./packs/milestone.ts";

/** Headers of packs read at once. */
const readAhead = 16;

/** A point in a dataset's past. */
export type AsOf =
  | { readonly kind: "version"; readonly seq: number }
  | { readonly kind: "block"; readonly hash: string }
  | { readonly kind: "time"; readonly at: Instant }
  /** The least version that has the row of this offset. */
  | { readonly kind: "offset"; readonly offset: number };

/**
 * What the chain amounted to at a point: from memory where it was lately, else from the packs' headers and one region's blocks.
 * @throws version_not_found, chain_broken
 */
export async function milestoneAt(log: DatasetLog, chain: Chain, asOf: AsOf, signal?: AbortSignal): Promise<Milestone> {
  const past = new Past(log, chain, signal);
  switch (asOf.kind) {
    case "version":
      if (Number.isInteger(asOf.seq) && asOf.seq >= 0 && asOf.seq <= past.newest.seq) return await past.at(asOf.seq);
      throw notFound(`version ${asOf.seq}`, `Versions go from 0 to ${past.newest.seq}.`);
    case "block": {
      const seq = await past.seqOf(asOf.hash);
      if (seq !== null) return await past.at(seq);
      throw notFound(`block ${asOf.hash.slice(0, 100)}`, "The chain's blocks are listed by the API.");
    }
    case "time": {
      const found = await past.last(({ systemTime }) => systemTime === null || systemTime <= asOf.at);
      if (found.seq >= 0) return found;
      if (past.newest.seq < 0) throw notFound(`state at ${formatInstant(asOf.at)}`, "");
      const { systemTime } = await past.at(0);
      const began = systemTime === null ? "" : `It began at ${formatInstant(systemTime)}.`;
      throw notFound(`state at ${formatInstant(asOf.at)}`, began);
    }
    case "offset": {
      const { nextOffset } = past.newest;
      if (Number.isInteger(asOf.offset) && asOf.offset >= 0 && asOf.offset < nextOffset)
        return await past.at((await past.last((one) => one.nextOffset <= asOf.offset)).seq + 1);
      const hint = nextOffset === 0 ? "It has no row." : `Offsets go from 0 to ${nextOffset - 1}.`;
      throw notFound(`offset ${asOf.offset}`, hint);
    }
  }
}

/** Where the rows lie that could not be read, up to a block, in its order. */
export async function quarantinesUpTo(
  log: DatasetLog,
  chain: Chain,
  seq: number,
  signal?: AbortSignal,
): Promise<readonly QuarantineRef[]> {
  const { quarantines, quarantinesFrom } = chain;
  const found: QuarantineRef[] = [];
  const regions = Math.ceil(Math.min(quarantinesFrom, seq + 1) / log.packBlocks);
  for (let from = 0; from < regions; from += readAhead) {
    const count = Math.min(readAhead, regions - from);
    const headers = Array.from({ length: count }, (_, index) => log.packs.header(from + index, signal));
    for (const header of await Promise.all(headers))
      for (const one of header.quarantines) found.push({ ...one, key: log.keys.quarantine(one.hash) });
  }
  return [...found, ...quarantines].filter((one) => one.seq <= seq);
}

/** A chain as it was read at one moment, and the way back from there. */
class Past {
  readonly newest: Milestone;
  readonly #log: DatasetLog;
  readonly #tail: readonly Milestone[];
  readonly #signal: AbortSignal | undefined;

  constructor(log: DatasetLog, chain: Chain, signal: AbortSignal | undefined) {
    this.#log = log;
    this.newest = chain.milestone;
    this.#tail = chain.tail;
    this.#signal = signal;
  }

  /** Behind a block that is there. */
  async at(seq: number): Promise<Milestone> {
    const first = this.#tail[0];
    if (first !== undefined && seq >= first.seq) return this.#tail[seq - first.seq] ?? this.newest;
    return await this.last((one) => one.seq <= seq);
  }

  async seqOf(hash: string): Promise<number | null> {
    const known = this.#tail.find((one) => one.head === hash);
    if (known !== undefined) return known.seq;
    return isMultihash(hash) ? await this.#log.seqOf(hash, this.newest.seq, this.#signal) : null;
  }

  /** The last milestone that a condition holds for: what holds for one holds for all before it, the start included. */
  async last(holds: (one: Milestone) => boolean): Promise<Milestone> {
    const first = this.#tail[0];
    if (first !== undefined && holds(first)) return lastOf(this.#tail, holds) ?? first;
    const unknown = first === undefined ? -1 : first.seq - 1;
    let low = 0; // whose base holds
    let high = this.#log.region(Math.max(0, unknown)) + 1;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (holds(await this.#base(middle))) low = middle;
      else high = middle;
    }
    let found = await this.#base(low);
    for await (const one of this.#milestones(low, found, unknown)) {
      if (!holds(one)) return found;
      found = one;
    }
    return found;
  }

  /** Before the first block of a region: its pack says it; without one, the region before is gone through. */
  async #base(region: number): Promise<Milestone> {
    if (region === 0) return start;
    if (await this.#log.isPacked(region)) return (await this.#log.packs.header(region, this.#signal)).base;
    let last = await this.#base(region - 1);
    for await (const one of this.#milestones(region - 1, last, region * this.#log.packBlocks - 1)) last = one;
    return last;
  }

  async *#milestones(region: number, base: Milestone, to: number): AsyncIterable<Milestone> {
    const last = Math.min(to, (region + 1) * this.#log.packBlocks - 1);
    let one = base;
    for await (const { hash, block } of this.#log.read(base.seq + 1, last, this.#signal)) {
      one = advance(one, hash, block);
      yield one;
    }
  }
}

/** By halving. */
function lastOf(tail: readonly Milestone[], holds: (one: Milestone) => boolean): Milestone | undefined {
  let low = 0;
  let high = tail.length;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    const one = tail[middle];
    if (one !== undefined && holds(one)) low = middle;
    else high = middle;
  }
  return tail[low];
}

function notFound(what: string, hint: string): MillraceError {
  return new MillraceError("version_not_found", `The dataset has no ${what}.`, hint === "" ? {} : { hint });
}
