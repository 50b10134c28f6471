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
/** Pointers of a vector that lie this close together are read as one span. */
const maxSpan = 4 << 20;

/**
 * Gives each text of a vector of `string_t`: u32 length, then up to 12 bytes of the text itself, or 4 bytes of prefix and an
 * 8-byte pointer. Texts of one vector lie near each other, so the span of all pointers is read at once.
 */
export class TextVector {
  readonly #data: Uint8Array;
  readonly #words: Uint32Array;
  readonly #pointers: BigUint64Array;
  #span: Uint8Array | null = null;
  #base = 0n;

  constructor({ data, validity }: RawVector, rows: number) {
    // Aligned copies: the words are read as 32 and 64 bits.
    this.#data = data.slice();
    this.#words = new Uint32Array(this.#data.buffer, 0, rows * 4);
    this.#pointers = new BigUint64Array(this.#data.buffer, 0, rows * 2);
    this.#readSpan(rows, validity);
  }

  length(row: number): number {
    return this.#words[row * 4] ?? 0;
  }

  /** Copies a text's bytes into `target` at a position. */
  copy(row: number, target: Uint8Array, at: number): void {
    const length = this.length(row);
    if (length <= inlineLength) {
      const from = row * 16 + 4;
      for (let i = 0; i < length; i++) target[at + i] = this.#data[from + i] ?? 0;
      return;
    }
    if (this.#span === null) {
      target.set(this.#read(row, length), at);
      return;
    }
    const from = Number((this.#pointers[row * 2 + 1] ?? 0n) - this.#base);
    if (length < 48) for (let i = 0; i < length; i++) target[at + i] = this.#span[from + i] ?? 0;
    else target.set(this.#span.subarray(from, from + length), at);
  }

  #readSpan(rows: number, validity: Uint8Array | null): void {
    let low = 0n;
    let high = 0n;
    let first = -1;
    let lowest = -1;
    for (let row = 0; row < rows; row++) {
      const length = this.#words[row * 4] ?? 0;
      if (length <= inlineLength || !isValid(validity, row)) continue;
      const start = this.#pointers[row * 2 + 1] ?? 0n;
      const end = start + BigInt(length);
      if (first < 0 || start < low) {
        low = start;
        lowest = row;
      }
      if (first < 0 || end > high) high = end;
      first = row;
    }
    if (first < 0 || high - low > BigInt(maxSpan)) return;
    this.#base = low;
    this.#span = this.#read(lowest, Number(high - low));
  }

  #read(row: number, length: number): Uint8Array {
    const buffer = this.#data.buffer;
    if (!(buffer instanceof ArrayBuffer)) throw new Error("vector memory is shared");
    return duckdb.get_data_from_pointer(buffer, row * 16 + 8, length);
  }
}
