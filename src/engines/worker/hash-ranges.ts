import type { DuckDBConnection } from "@duckdb/node-api";
import duckdb from "@duckdb/node-bindings";
import {
  type DataField,
  digestLeaves,
  LogicalDigest,
  multihashOfDigest,
  type NestedVector,
} from "../../slices/index.ts";
import type { OffsetRange, RangeOrder } from "../contract.ts";
import { JobFailure } from "./failure.ts";
import { hashedField, leafValue, readVector, widthOf } from "./hash.ts";
import type { Interruptible } from "./interruptible.ts";
import { ident, literal } from "./names.ts";

/**
 * The logical hashes of ranges of a file's rows, as the slices had them that the rows were first written in: each value is cast
 * back to its type there. One pass over the rows from the first range to the last, whatever their number.
 */
export async function hashRanges(
  connection: DuckDBConnection,
  { path, columns, ranges }: RangeOrder,
  running: Interruptible,
): Promise<string[]> {
  const fields = columns.map(({ name, sliceType }) => hashedField(name, sliceType));
  const leaves = digestLeaves(fields);
  const values = columns.map(({ name, sliceType }) => `CAST(${ident(name)} AS ${sliceType}) AS ${ident(name)}`);
  const [first, end] = [ranges[0]?.firstOffset ?? 0, (ranges.at(-1)?.lastOffset ?? -1) + 1];
  const source = `(SELECT ${values.join(", ")} FROM read_parquet(${literal(path)}) WHERE "offset" BETWEEN ${first} AND ${end - 1})`;
  const ends = new RangeDigests(fields, ranges);
  await running.on(connection, async () => {
    const result = await connection.stream(`SELECT ${leaves.map(leafValue).join(", ")} FROM ${source}`);
    let offset = first;
    // The next chunk is fetched while this one is hashed: DuckDB works on threads of its own.
    let fetched = result.fetchChunk();
    try {
      for (;;) {
        const chunk = await fetched;
        if (chunk === null || chunk.rowCount === 0) break;
        running.check();
        fetched = result.fetchChunk();
        const rows = chunk.rowCount;
        const vectors = leaves.map(({ encoding }, index) => ({
          vector: readVector(duckdb.data_chunk_get_vector(chunk.chunk, index), encoding, rows),
          width: widthOf(encoding),
        }));
        ends.feed(offset, rows, vectors);
        offset += rows;
      }
    } finally {
      await fetched.catch(() => null); // where hashing failed, the next chunk is on its way
    }
    // A streamed result hides an error as an early end: the number of rows tells.
    if (offset !== end)
      throw new JobFailure({ code: "bad_input", message: "The file does not hold the rows that it should." });
  });
  return ends.finished();
}

interface LeafVector {
  readonly vector: NestedVector;
  readonly width: number;
}

/** One digest after the other, as the rows of their ranges come by. The hashed offsets prove that the rows are the right ones. */
class RangeDigests {
  readonly #fields: readonly DataField[];
  readonly #ranges: readonly OffsetRange[];
  readonly #hashes: string[] = [];
  #digest: LogicalDigest;

  constructor(fields: readonly DataField[], ranges: readonly OffsetRange[]) {
    this.#fields = fields;
    this.#ranges = ranges;
    this.#digest = new LogicalDigest(fields);
  }

  /** The next rows of the file, from an offset on. */
  feed(offset: number, rows: number, vectors: readonly LeafVector[]): void {
    for (;;) {
      const range = this.#ranges[this.#hashes.length];
      if (range === undefined || range.firstOffset >= offset + rows) return;
      const from = Math.max(range.firstOffset, offset) - offset;
      const to = Math.min(range.lastOffset + 1, offset + rows) - offset;
      for (const [leaf, { vector, width }] of vectors.entries())
        this.#digest.updateVector(leaf, rowsOf(vector, width, from, to), to - from, duckdb.get_data_from_pointer);
      if (range.lastOffset >= offset + rows) return;
      this.#hashes.push(multihashOfDigest("arrow0-sha3-256", this.#digest.digest()));
      this.#digest = new LogicalDigest(this.#fields);
    }
  }

  finished(): string[] {
    return this.#hashes;
  }
}

/** Some rows of a vector. The items of lists are named by their place among all of the vector's, and stay as they are. */
function rowsOf(vector: NestedVector, width: number, from: number, to: number): NestedVector {
  if (from === 0) return vector;
  const { validity } = vector;
  return {
    ...vector,
    data: vector.data.subarray(from * width, to * width),
    validity: validity === null ? null : bitsFrom(validity, from, to - from),
  };
}

function bitsFrom(bits: Uint8Array, from: number, count: number): Uint8Array {
  const shifted = new Uint8Array(Math.ceil(count / 64) * 8);
  const shift = from & 7;
  for (let at = 0; at < Math.ceil(count / 8); at++) {
    const low = bits[(from >> 3) + at] ?? 0;
    const high = bits[(from >> 3) + at + 1] ?? 0;
    shifted[at] = (low >> shift) | (high << (8 - shift));
  }
  return shifted;
}
