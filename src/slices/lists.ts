import type { LeafEncoding } from "./leaves.ts";
import type { ReadMemory, VectorData, Weaver } from "./weaver.ts";

/** A vector of lists has as data u64 offset and u64 length a row, both into its items. */
export interface NestedVector extends VectorData {
  readonly items?: { readonly vector: NestedVector; readonly count: number };
}

interface Woven {
  readonly bytes: Uint8Array;
  /** Where each row's bytes end. */
  readonly ends: Float64Array;
}

const entryBytes = 16;

/**
 * Lists, row by row in JavaScript: the items are woven all at once, then each list takes its range of them. Slower than
 * the other columns, which is what lists are worth.
 */
export class ListWeaver {
  readonly #weaver: Weaver;

  constructor(weaver: Weaver) {
    this.#weaver = weaver;
  }

  weave(encoding: LeafEncoding, vector: NestedVector, rows: number, read: ReadMemory): Woven {
    if (encoding.kind === "list") return this.#lists(encoding.item, vector, rows, read);
    const sizes = sizesOf(encoding, vector);
    const ends = new Float64Array(rows);
    let end = 0;
    for (let row = 0; row < rows; row++) {
      end += isValid(vector.validity, row) ? sizes(row) : 1;
      ends[row] = end;
    }
    return { bytes: joined(this.#plain(encoding, vector, rows, read), end), ends };
  }

  #lists(item: LeafEncoding, vector: NestedVector, rows: number, read: ReadMemory): Woven {
    const { items } = vector;
    if (items === undefined) throw new TypeError("a vector of lists came without its items");
    const inner = this.weave(item, items.vector, items.count, read);
    const view = new DataView(vector.data.buffer, vector.data.byteOffset, vector.data.byteLength);
    const ends = new Float64Array(rows);
    const pieces: Uint8Array[] = [];
    let end = 0;
    for (let row = 0; row < rows; row++) {
      const piece = isValid(vector.validity, row) ? listOf(view, row, inner) : [new Uint8Array(1)];
      for (const bytes of piece) end += bytes.length;
      pieces.push(...piece);
      ends[row] = end;
    }
    return { bytes: joined(pieces, end), ends };
  }

  #plain(encoding: LeafEncoding, vector: VectorData, rows: number, read: ReadMemory): Iterable<Uint8Array> {
    switch (encoding.kind) {
      case "fixed":
        return this.#weaver.fixed(vector, rows, encoding.width);
      case "decimal":
        return this.#weaver.fixed(vector, rows, 16);
      case "boolean":
        return this.#weaver.booleans(vector, rows);
      default:
        return this.#weaver.texts(vector, rows, read);
    }
  }
}

function listOf(view: DataView, row: number, { bytes, ends }: Woven): Uint8Array[] {
  const first = Number(view.getBigUint64(row * entryBytes, true));
  const length = Number(view.getBigUint64(row * entryBytes + 8, true));
  const header = new Uint8Array(8);
  new DataView(header.buffer).setBigUint64(0, BigInt(length), true);
  if (length === 0) return [header];
  const start = first === 0 ? 0 : ends[first - 1];
  const end = ends[first + length - 1];
  if (start === undefined || end === undefined) throw new RangeError("a list reaches beyond its items");
  return [header, bytes.subarray(start, end)];
}

/** Bytes of a valid row in the hashed form. */
function sizesOf(encoding: LeafEncoding, { data }: VectorData): (row: number) => number {
  switch (encoding.kind) {
    case "fixed":
      return () => encoding.width;
    case "decimal":
      return () => 16;
    case "boolean":
      return () => 1;
    default: {
      const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
      return (row) => 8 + view.getUint32(row * entryBytes, true);
    }
  }
}

function isValid(validity: Uint8Array | null, row: number): boolean {
  return validity === null || ((validity[row >> 3] ?? 0) & (1 << (row & 7))) !== 0;
}

/** One buffer of pieces that may be overwritten by the next one. */
function joined(pieces: Iterable<Uint8Array>, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const piece of pieces) {
    bytes.set(piece, at);
    at += piece.length;
  }
  return bytes;
}
