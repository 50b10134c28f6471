import { longestKey } from "../store/arena.ts";
import type { LookupStore } from "../store/store.ts";

const headBytes = 9;
const noKey = 0xffff_ffff;
const correctFrom = 2;
const correctTo = 3;
/** So many records are about a millisecond; then others have their turn. */
const recordsATurn = 1_000;

/**
 * Makes a store's changes of records (`EntriesFormat` of engines). For a key, `op` 0 and 3 set the row, 1 and 2 delete it. A
 * correction is two records, 2 and 3: it is made when both have come, so that no reader finds the key missing in between.
 */
export class Applier {
  readonly #store: LookupStore;
  #rest: Buffer = Buffer.alloc(0);
  #skipped = 0;

  constructor(store: LookupStore) {
    this.#store = store;
  }

  get skipped(): number {
    return this.#skipped;
  }

  /** Whether a correction's first half waits for its second. */
  get holdsBack(): boolean {
    return this.#rest.length > 0;
  }

  /** The record that is held back will be read again. */
  forget(): void {
    this.#rest = Buffer.alloc(0);
  }

  /** Bytes may end within a record: it is made when the rest has come. */
  async take(bytes: Uint8Array): Promise<void> {
    const all = Buffer.concat([this.#rest, bytes]);
    let at = 0;
    for (let turn = 1; ; turn++) {
      const end = endOf(all, at);
      if (end === null) break;
      if (all[at] === correctFrom) {
        const after = endOf(all, end);
        if (after === null) break;
        if (!correctsInPlace(all, at, end)) this.#make(all, at, end);
      } else this.#make(all, at, end);
      at = end;
      if (turn % recordsATurn === 0) await new Promise<void>((resolve) => setImmediate(resolve));
    }
    this.#rest = all.subarray(at);
  }

  /** Nothing more comes: what is held back is made as it is. */
  finish(): void {
    const end = endOf(this.#rest, 0);
    if (end === null && this.#rest.length > 0) throw new Error("the records end within one");
    if (end !== null) this.#make(this.#rest, 0, end);
    this.forget();
  }

  #make(bytes: Buffer, at: number, end: number): void {
    const op = bytes[at];
    const keyBytes = bytes.readUInt32LE(at + 1);
    const key = at + headBytes;
    if (keyBytes > longestKey) {
      this.#skipped++; // `noKey` too
      return;
    }
    if (op === 1 || op === correctFrom) this.#store.delete(bytes, key, key + keyBytes);
    else this.#store.set(bytes, key, key + keyBytes, end);
  }
}

/** null where the record has not come whole. */
function endOf(bytes: Buffer, at: number): number | null {
  if (at + headBytes > bytes.length) return null;
  const keyBytes = bytes.readUInt32LE(at + 1);
  const end = at + headBytes + (keyBytes === noKey ? 0 : keyBytes) + bytes.readUInt32LE(at + 5);
  return end <= bytes.length ? end : null;
}

/** Whether the next record sets the key that this one takes away. */
function correctsInPlace(bytes: Buffer, at: number, next: number): boolean {
  if (bytes[next] !== correctTo) return false;
  const keyBytes = bytes.readUInt32LE(at + 1);
  if (keyBytes === noKey || keyBytes !== bytes.readUInt32LE(next + 1)) return false;
  const own = bytes.subarray(at + headBytes, at + headBytes + keyBytes);
  return own.equals(bytes.subarray(next + headBytes, next + headBytes + keyBytes));
}
