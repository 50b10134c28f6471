import { type Address, Arena, longestKey } from "./arena.ts";
import { hashOf, type Seed } from "./hash.ts";
import { Places } from "./places.ts";

/**
 * Rows by key: keys and rows lie in an arena, and the places of their hashes say where. No object of JavaScript stands for an
 * entry. An address holds until the next change: whoever asks uses it before control goes back to the event loop.
 */
export class LookupStore {
  readonly #seed: Seed;
  readonly #arena: Arena;
  readonly #places = new Places();

  constructor(seed: Seed, firstChunk?: number) {
    this.#seed = seed;
    this.#arena = new Arena(firstChunk);
  }

  get entries(): number {
    return this.#places.count;
  }

  /** Of memory taken for keys, rows and places, room for more included. */
  get bytes(): number {
    return this.#arena.capacityBytes + this.#places.bytes;
  }

  /** The address of a key's row; 0 where there is none. */
  find(source: Uint8Array, start: number, end: number): Address {
    return this.#find(hashOf(source, start, end, this.#seed), source, start, end);
  }

  rowBytes(address: Address): number {
    return this.#arena.rowBytes(address);
  }

  /** @returns where the copy ends */
  copyRow(address: Address, target: Uint8Array, at: number): number {
    return this.#arena.copyRow(address, target, at);
  }

  /** Valid until the next change. */
  row(address: Address): Buffer {
    return this.#arena.row(address);
  }

  /** Sets the row of a key: the key lies from `key` to `row`, the row from there to `end`. @throws too_large */
  set(source: Uint8Array, key: number, row: number, end: number): void {
    if (row - key > longestKey) throw new RangeError(`a key has at most ${longestKey} bytes`);
    const hash = hashOf(source, key, row, this.#seed);
    const before = this.#find(hash, source, key, row);
    const address = this.#arena.add(source, key, row, end);
    if (before === 0) {
      this.#places.add(hash, address);
      return;
    }
    this.#places.replace(hash, before, address);
    this.#release(before);
  }

  /** @returns whether it was there */
  delete(source: Uint8Array, start: number, end: number): boolean {
    const hash = hashOf(source, start, end, this.#seed);
    const address = this.#find(hash, source, start, end);
    if (address === 0) return false;
    this.#places.remove(hash, address);
    this.#release(address);
    return true;
  }

  /**
   * Visits entries from a position on (0: the first), looking at `places` places of the table. What is there from the first
   * call to the last is visited exactly once, whatever changes meanwhile.
   * @returns the next position; null at the end
   */
  visit(position: number, places: number, take: (key: Buffer, address: Address) => void): number | null {
    return this.#places.visit(position, places, (address) => take(this.#arena.key(address), address));
  }

  #find(hash: number, source: Uint8Array, start: number, end: number): Address {
    return this.#places.find(hash, (address) => this.#arena.hasKey(address, source, start, end));
  }

  #release(address: Address): void {
    this.#arena.release(address);
    this.#arena.reclaim((from, to) => {
      const key = this.#arena.key(to);
      this.#places.replace(hashOf(key, 0, key.length, this.#seed), from, to);
    });
  }
}
