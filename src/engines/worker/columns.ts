import type { DuckDBDataChunk } from "@duckdb/node-api";
import duckdb from "@duckdb/node-bindings";

/** A vector's raw memory: fixed-width values, or 16-byte `string_t`s; and which rows are valid (null: all). */
export interface RawVector {
  readonly data: Uint8Array;
  readonly validity: Uint8Array | null;
}

export function rawVector(chunk: DuckDBDataChunk, column: number, rows: number, width: number): RawVector {
  const vector = duckdb.data_chunk_get_vector(chunk.chunk, column);
  const data = duckdb.vector_get_data(vector, rows * width);
  const validity = duckdb.vector_get_validity(vector, Math.ceil(rows / 64) * 8);
  return { data, validity: validity && validity.length > 0 ? validity : null };
}

/** Validity is a bit a row, least significant first. */
export function isValid(validity: Uint8Array | null, row: number): boolean {
  return validity === null || ((validity[row >> 3] ?? 0) & (1 << (row & 7))) !== 0;
}

const inlineLength = 12;
const longestRun = 1 << 20;
const pageBits = 12n;

/**
 * Gives each text of a vector of `string_t`: u32 length, then up to 12 bytes of the text itself, or 4 bytes of prefix and an
 * 8-byte pointer. Texts of neighbouring rows mostly lie one behind the other, so a run of them is read at once: as long as
 * each begins on the page that the one before ends on, or on the next one. What lies between such two texts is on pages that
 * hold a text, so it is mapped; anything farther apart need not be.
 */
export class TextVector {
  readonly #data: Uint8Array<ArrayBuffer>;
  readonly #words: Uint32Array;
  readonly #pointers: BigUint64Array;
  readonly #validity: Uint8Array | null;
  readonly #rows: number;
  #run: Uint8Array = new Uint8Array(0);
  #base = 0n;
  #firstRow = 0;
  #lastRow = -1;

  constructor({ data, validity }: RawVector, rows: number) {
    // Aligned copies: the words are read as 32 and 64 bits.
    this.#data = new Uint8Array(data);
    this.#words = new Uint32Array(this.#data.buffer, 0, rows * 4);
    this.#pointers = new BigUint64Array(this.#data.buffer, 0, rows * 2);
    this.#validity = validity;
    this.#rows = rows;
  }

  length(row: number): number {
    return this.#words[row * 4] ?? 0;
  }

  /** Copies a valid row's bytes into `target` at a position. Cheapest in the order of the rows. */
  copy(row: number, target: Uint8Array, at: number): void {
    const length = this.length(row);
    if (length <= inlineLength) {
      const from = row * 16 + 4;
      for (let i = 0; i < length; i++) target[at + i] = this.#data[from + i] ?? 0;
      return;
    }
    if (row < this.#firstRow || row > this.#lastRow) this.#readRun(row);
    const from = Number(this.#pointer(row) - this.#base);
    if (length < 48) for (let i = 0; i < length; i++) target[at + i] = this.#run[from + i] ?? 0;
    else target.set(this.#run.subarray(from, from + length), at);
  }

  #readRun(first: number): void {
    const base = this.#pointer(first);
    let end = base + BigInt(this.length(first));
    let last = first;
    for (let row = first + 1; row < this.#rows; row++) {
      const length = this.length(row);
      if (!isValid(this.#validity, row) || length <= inlineLength) continue;
      const start = this.#pointer(row);
      const after = start + BigInt(length);
      const apart = (start >> pageBits) - ((end - 1n) >> pageBits);
      if (start < end || apart > 1n || after - base > BigInt(longestRun)) break;
      end = after;
      last = row;
    }
    this.#run = duckdb.get_data_from_pointer(this.#data.buffer, first * 16 + 8, Number(end - base));
    this.#base = base;
    this.#firstRow = first;
    this.#lastRow = last;
  }

  #pointer(row: number): bigint {
    return this.#pointers[row * 2 + 1] ?? 0n;
  }
}
