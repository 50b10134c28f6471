import { type Instant, instant, MillraceError } from "../../base/index.ts";

import { maxDepth } from "./table-writer.ts";

/** A text or a table is read once where it is written once; offsets that many fields share could else grow without end. */
const maxReadings = 4;
/** Bounds of what JavaScript calls a date, in milliseconds. */
const maxInstant = 8.64e15;
const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/**
 * Reads a FlatBuffers table (FlatBuffers internals: a table begins with the distance back to its vtable, whose slots hold
 * field offsets). Every access is checked against the buffer, and the sum of all that is read is bounded by its length,
 * so that hostile bytes give an error and nothing else.
 */
export class TableReader {
  readonly #view: DataView;
  readonly #at: number;
  readonly #depth: number;
  /** Bytes that may still be read, shared by all tables of a buffer. */
  readonly #budget: { bytes: number };

  private constructor(view: DataView, at: number, depth: number, budget: { bytes: number }) {
    if (depth > maxDepth) throw new MillraceError("chain_broken", "The block nests too deep.");
    this.#view = view;
    this.#at = at;
    this.#depth = depth;
    this.#budget = budget;
    this.#spend(4);
  }

  static root(bytes: Uint8Array): TableReader {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    return new TableReader(view, view.getUint32(0, true), 0, { bytes: bytes.length * maxReadings });
  }

  /** Position of a field, or 0 where it is absent. */
  #position(slot: number): number {
    const vtable = this.#at - this.#view.getInt32(this.#at, true);
    const size = this.#view.getUint16(vtable, true);
    const entry = 4 + slot * 2;
    if (entry + 2 > size) return 0;
    const offset = this.#view.getUint16(vtable + entry, true);
    return offset === 0 ? 0 : this.#at + offset;
  }

  uint8(slot: number): number | null {
    const at = this.#position(slot);
    return at === 0 ? null : this.#view.getUint8(at);
  }

  int16(slot: number): number | null {
    const at = this.#position(slot);
    return at === 0 ? null : this.#view.getInt16(at, true);
  }

  int32(slot: number): number | null {
    const at = this.#position(slot);
    return at === 0 ? null : this.#view.getInt32(at, true);
  }

  /** @throws chain_broken beyond 2^53 */
  uint64(slot: number): number | null {
    const at = this.#position(slot);
    if (at === 0) return null;
    const value = Number(this.#view.getBigUint64(at, true));
    if (!Number.isSafeInteger(value)) throw new MillraceError("chain_broken", "The block holds a number beyond 2^53.");
    return value;
  }

  string(slot: number): string | null {
    const bytes = this.bytes(slot);
    return bytes === null ? null : utf8.decode(bytes);
  }

  bytes(slot: number): Uint8Array | null {
    const vector = this.#vector(slot, 1);
    return vector === null ? null : this.#slice(vector.start, vector.length);
  }

  table(slot: number): TableReader | null {
    const at = this.#position(slot);
    return at === 0 ? null : this.#inner(at);
  }

  tables(slot: number): TableReader[] | null {
    const vector = this.#vector(slot, 4);
    if (vector === null) return null;
    return Array.from({ length: vector.length }, (_, i) => this.#inner(vector.start + i * 4));
  }

  strings(slot: number): string[] | null {
    const vector = this.#vector(slot, 4);
    if (vector === null) return null;
    return Array.from({ length: vector.length }, (_, i) => {
      const at = vector.start + i * 4;
      const text = at + this.#view.getUint32(at, true);
      const length = this.#view.getUint32(text, true);
      this.#check(text + 4, length);
      return utf8.decode(this.#slice(text + 4, length));
    });
  }

  timestamp(slot: number): Instant | null {
    const at = this.#position(slot);
    if (at === 0) return null;
    const newYear = new Date(0).setUTCFullYear(this.#view.getInt32(at, true), 0, 1);
    const days = this.#view.getUint16(at + 4, true) - 1;
    const seconds = this.#view.getUint32(at + 8, true);
    const nanoseconds = this.#view.getUint32(at + 12, true);
    const found = instant(newYear + days * 86_400_000 + seconds * 1000 + nanoseconds / 1_000_000);
    if (Math.abs(found) > maxInstant) throw new RangeError("no point in time");
    return found;
  }

  #inner(at: number): TableReader {
    return new TableReader(this.#view, at + this.#view.getUint32(at, true), this.#depth + 1, this.#budget);
  }

  #slice(start: number, lengthBytes: number): Uint8Array {
    return new Uint8Array(this.#view.buffer, this.#view.byteOffset + start, lengthBytes);
  }

  #vector(slot: number, itemBytes: number): { start: number; length: number } | null {
    const at = this.#position(slot);
    if (at === 0) return null;
    const vector = at + this.#view.getUint32(at, true);
    const length = this.#view.getUint32(vector, true);
    this.#check(vector + 4, length * itemBytes);
    return { start: vector + 4, length };
  }

  #check(start: number, lengthBytes: number): void {
    if (start + lengthBytes > this.#view.byteLength) throw new RangeError("outside of the buffer");
    this.#spend(4 + lengthBytes);
  }

  #spend(bytes: number): void {
    this.#budget.bytes -= bytes;
    if (this.#budget.bytes < 0) throw new MillraceError("chain_broken", "The block repeats itself without end.");
  }
}
