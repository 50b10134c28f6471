import { MillraceError } from "../../base/index.ts";

/** Addresses count units of so many bytes: 32 bits of them reach 32 GiB. */
const unitBytes = 8;
const headBytes = 8;
/** Units of a chunk's address space, as a power of two: 1 MiB. */
const chunkBits = 17;
const chunkBytes = unitBytes << chunkBits;
const smallestChunk = 64 * 1024;
const mostChunks = 2 ** (32 - chunkBits);
const deadBit = 0x8000_0000;

export const longestKey = 65_535;

/** Where an entry lies: the number of its chunk, then its unit in the chunk. Never 0. */
export type Address = number;

interface Chunk {
  readonly bytes: Buffer;
  /** The same memory. */
  readonly words: Uint32Array;
  usedBytes: number;
  deadBytes: number;
}

/**
 * Keys and rows in large buffers, one entry behind the other, outside JavaScript's heap:
 *
 *   row's length (4) │ key's length and "dead" (4) │ key │ row │ up to the next unit
 *
 * What is released stays until its chunk is vacated. An entry longer than a chunk has one of its own.
 */
export class Arena {
  readonly #chunks: (Chunk | undefined)[] = [];
  readonly #free: number[] = [];
  #next: number;
  #head: number | null = null;
  #capacityBytes = 0;
  #usedBytes = 0;
  #deadBytes = 0;

  /** @param firstChunk number of the first chunk; not 0, so that no address is 0 */
  constructor(firstChunk = 1) {
    this.#next = firstChunk;
  }

  get capacityBytes(): number {
    return this.#capacityBytes;
  }

  /** @throws too_large where all addresses are taken */
  add(source: Uint8Array, key: number, row: number, end: number): Address {
    const keyBytes = row - key;
    const rowBytes = end - row;
    const size = align(headBytes + keyBytes + rowBytes);
    const index = this.#roomFor(size);
    const chunk = this.#at(index);
    const at = chunk.usedBytes;
    chunk.words[at >> 2] = rowBytes;
    chunk.words[(at >> 2) + 1] = keyBytes;
    chunk.bytes.set(source.subarray(key, end), at + headBytes);
    chunk.usedBytes += size;
    this.#usedBytes += size;
    return addressOf(index, at);
  }

  release(address: Address): void {
    const chunk = this.#at(address >>> chunkBits);
    const at = offsetOf(address);
    const size = sizeAt(chunk, at);
    chunk.words[(at >> 2) + 1] = ((chunk.words[(at >> 2) + 1] as number) | deadBit) >>> 0;
    chunk.deadBytes += size;
    this.#deadBytes += size;
  }

  hasKey(address: Address, source: Uint8Array, start: number, end: number): boolean {
    const { bytes, words } = this.#at(address >>> chunkBits);
    const at = offsetOf(address);
    const length = end - start;
    if (words[(at >> 2) + 1] !== length) return false;
    const from = at + headBytes - start;
    for (let i = start; i < end; i++) if (source[i] !== bytes[from + i]) return false;
    return true;
  }

  rowBytes(address: Address): number {
    return this.#at(address >>> chunkBits).words[offsetOf(address) >> 2] as number;
  }

  /** @returns where the copy ends */
  copyRow(address: Address, target: Uint8Array, at: number): number {
    const { bytes, words } = this.#at(address >>> chunkBits);
    const word = offsetOf(address) >> 2;
    const from = (word << 2) + headBytes + (words[word + 1] as number);
    const length = words[word] as number;
    bytes.copy(target, at, from, from + length);
    return at + length;
  }

  /** Valid until the next change. */
  key(address: Address): Buffer {
    const { bytes, words } = this.#at(address >>> chunkBits);
    const at = offsetOf(address);
    return bytes.subarray(at + headBytes, at + headBytes + (words[(at >> 2) + 1] as number));
  }

  /** Valid until the next change. */
  row(address: Address): Buffer {
    const { bytes, words } = this.#at(address >>> chunkBits);
    const at = offsetOf(address);
    const from = at + headBytes + (words[(at >> 2) + 1] as number);
    return bytes.subarray(from, from + (words[at >> 2] as number));
  }

  /**
   * Gives one chunk back where more than a quarter of all is dead: its living entries move, and `moved` is told of each. At most
   * one chunk's bytes are copied, and of each three bytes copied one comes free.
   */
  reclaim(moved: (from: Address, to: Address) => void): void {
    if (this.#deadBytes < smallestChunk || this.#deadBytes * 4 < this.#usedBytes) return;
    let worst = -1;
    let mostDead = 0;
    for (const [index, chunk] of this.#chunks.entries()) {
      if (chunk === undefined || chunk.deadBytes <= mostDead) continue;
      worst = index;
      mostDead = chunk.deadBytes;
    }
    if (worst < 0) return;
    if (worst === this.#head) this.#head = null;
    const chunk = this.#at(worst);
    for (let at = 0; at < chunk.usedBytes; at += sizeAt(chunk, at)) {
      const keyWord = chunk.words[(at >> 2) + 1] as number;
      if (keyWord >= deadBit) continue;
      const key = at + headBytes;
      const to = this.add(chunk.bytes, key, key + keyWord, key + keyWord + (chunk.words[at >> 2] as number));
      moved(addressOf(worst, at), to);
    }
    this.#chunks[worst] = undefined;
    this.#free.push(worst);
    this.#capacityBytes -= chunk.bytes.length;
    this.#usedBytes -= chunk.usedBytes;
    this.#deadBytes -= chunk.deadBytes;
  }

  #at(index: number): Chunk {
    return this.#chunks[index] as Chunk; // an address names a chunk that is there
  }

  /** The chunk that takes the next `size` bytes. */
  #roomFor(size: number): number {
    const head = this.#head;
    if (head !== null) {
      const { usedBytes, bytes } = this.#at(head);
      if (usedBytes + size <= bytes.length) return head;
    }
    const isOwn = size > chunkBytes;
    // A small table has small chunks.
    const usual = Math.min(chunkBytes, Math.max(smallestChunk, align(this.#usedBytes >> 2)));
    const index = this.#make(isOwn ? size : Math.max(usual, size));
    if (!isOwn) this.#head = index;
    return index;
  }

  #make(sizeBytes: number): number {
    const index = this.#free.pop() ?? this.#next++;
    if (index >= mostChunks) {
      throw new MillraceError("too_large", "A lookup holds no more than 32 GiB on a server.", {
        hint: "Take fewer columns or rows into its dataset.",
      });
    }
    const bytes = Buffer.allocUnsafeSlow(sizeBytes);
    const words = new Uint32Array(bytes.buffer, bytes.byteOffset, sizeBytes >> 2);
    this.#chunks[index] = { bytes, words, usedBytes: 0, deadBytes: 0 };
    this.#capacityBytes += sizeBytes;
    return index;
  }
}

function align(bytes: number): number {
  return Math.ceil(bytes / unitBytes) * unitBytes;
}

function addressOf(chunk: number, offset: number): Address {
  return ((chunk << chunkBits) | (offset / unitBytes)) >>> 0;
}

function offsetOf(address: Address): number {
  return (address & ((1 << chunkBits) - 1)) * unitBytes;
}

function sizeAt({ words }: Chunk, at: number): number {
  const keyBytes = (words[(at >> 2) + 1] as number) & ~deadBit;
  return align(headBytes + keyBytes + (words[at >> 2] as number));
}
