import type { Address } from "./arena.ts";

const smallestBits = 6;
/** A segment grows up to so many slots, then it is split: no change waits for more than one segment's slots to move. */
const segmentBits = 14;
const mostDepth = 32 - segmentBits;
const fullAt = 0.8;

/** Slots for the hashes that begin with the same `depth` bits: hash and address by turns; address 0: free. */
class Segment {
  readonly depth: number;
  readonly bits: number;
  readonly slots: Uint32Array;
  count = 0;

  constructor(depth: number, bits: number) {
    this.depth = depth;
    this.bits = bits;
    this.slots = new Uint32Array(2 << bits);
  }

  /** Where a hash belongs; in the order of hashes, whatever the size. */
  home(hash: number): number {
    return (hash << this.depth) >>> (32 - this.bits);
  }

  add(hash: number, address: Address): void {
    const mask = (1 << this.bits) - 1;
    let slot = this.home(hash);
    while (this.slots[2 * slot + 1] !== 0) slot = (slot + 1) & mask;
    this.slots[2 * slot] = hash;
    this.slots[2 * slot + 1] = address;
    this.count++;
  }

  /** Entries behind the freed slot move back, so that no search ends before its entry and no slot is marked for ever. */
  free(slot: number): void {
    const { slots } = this;
    const mask = (1 << this.bits) - 1;
    let hole = slot;
    for (let next = (hole + 1) & mask; slots[2 * next + 1] !== 0; next = (next + 1) & mask) {
      const home = this.home(slots[2 * next] as number);
      if (((next - home) & mask) < ((next - hole) & mask)) continue; // it would stand before its home
      slots[2 * hole] = slots[2 * next] as number;
      slots[2 * hole + 1] = slots[2 * next + 1] as number;
      hole = next;
    }
    slots[2 * hole + 1] = 0;
    this.count--;
  }
}

/**
 * From hashes to addresses: extendible hashing (Fagin et al., 1979) over segments of open addressing with linear probing. A segment
 * and the place in it come from a hash's *first* bits, so that the order of places is the order of hashes at every size: a
 * cursor that is a hash stays true while the table grows and shrinks.
 */
export class Places {
  #depth = 0;
  #directory: Segment[] = [new Segment(0, smallestBits)];
  #slotBytes = 8 << smallestBits;
  #count = 0;

  get count(): number {
    return this.#count;
  }

  get bytes(): number {
    return this.#slotBytes + this.#directory.length * 8;
  }

  /** The address among those of this hash that fits; 0 where none does. */
  find(hash: number, fits: (address: Address) => boolean): Address {
    const { slots, bits } = this.#of(hash);
    const mask = (1 << bits) - 1;
    for (let slot = this.#home(hash); ; slot = (slot + 1) & mask) {
      const address = slots[2 * slot + 1] as number;
      if (address === 0 || (slots[2 * slot] === hash && fits(address))) return address;
    }
  }

  add(hash: number, address: Address): void {
    let segment = this.#of(hash);
    while (segment.count + 1 > (1 << segment.bits) * fullAt) {
      this.#grow(hash, segment);
      segment = this.#of(hash);
    }
    segment.add(hash, address);
    this.#count++;
  }

  /** The entry is there. */
  replace(hash: number, from: Address, to: Address): void {
    this.#of(hash).slots[2 * this.#slotOf(hash, from) + 1] = to;
  }

  /** The entry is there. */
  remove(hash: number, address: Address): void {
    this.#of(hash).free(this.#slotOf(hash, address));
    this.#count--;
  }

  /**
   * Visits the entries of the next places from a hash on, at least `count` places where so many are left.
   * @returns the hash to go on from; null at the end
   */
  visit(from: number, count: number, take: (address: Address) => void): number | null {
    let position = from;
    for (let left = count; left > 0; ) {
      const { slots, bits, depth } = this.#of(position);
      const mask = (1 << bits) - 1;
      const home = this.#home(position);
      for (let slot = home; slots[2 * slot + 1] !== 0; slot = (slot + 1) & mask) {
        if (this.#home(slots[2 * slot] as number) === home) take(slots[2 * slot + 1] as number);
      }
      left--;
      const width = 2 ** (32 - depth - bits);
      position = (Math.floor(position / width) + 1) * width;
      if (position >= 2 ** 32) return null;
    }
    return position;
  }

  #of(hash: number): Segment {
    return this.#directory[this.#depth === 0 ? 0 : hash >>> (32 - this.#depth)] as Segment;
  }

  #home(hash: number): number {
    return this.#of(hash).home(hash);
  }

  #slotOf(hash: number, address: Address): number {
    const { slots, bits } = this.#of(hash);
    const mask = (1 << bits) - 1;
    let slot = this.#home(hash);
    while (slots[2 * slot + 1] !== address) slot = (slot + 1) & mask;
    return slot;
  }

  #grow(hash: number, segment: Segment): void {
    const { slots, depth, bits } = segment;
    const isSplit = bits >= segmentBits && depth < mostDepth;
    const halves = isSplit
      ? [new Segment(depth + 1, bits), new Segment(depth + 1, bits)]
      : [new Segment(depth, bits + 1)];
    for (let slot = 0; slot < 1 << bits; slot++) {
      const address = slots[2 * slot + 1] as number;
      if (address === 0) continue;
      const moved = slots[2 * slot] as number;
      halves[isSplit ? (moved >>> (31 - depth)) & 1 : 0]?.add(moved, address);
    }
    this.#slotBytes += 8 << bits; // two of its size, or one of twice its size
    if (isSplit && depth === this.#depth) {
      this.#directory = this.#directory.flatMap((one) => [one, one]);
      this.#depth++;
    }
    const span = 2 ** (this.#depth - depth);
    const first = Math.floor((this.#depth === 0 ? 0 : hash >>> (32 - this.#depth)) / span) * span;
    for (let at = 0; at < span; at++) {
      this.#directory[first + at] = halves[Math.floor((at * halves.length) / span)] as Segment;
    }
  }
}
