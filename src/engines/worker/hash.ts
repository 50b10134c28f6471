import { createHash } from "node:crypto";
import { createReadStream, statSync } from "node:fs";
import type { DuckDBConnection } from "@duckdb/node-api";
import duckdb from "@duckdb/node-bindings";
import {
  type DataField,
  digestLeaves,
  fieldFromDuckdb,
  type Leaf,
  type LeafEncoding,
  LogicalDigest,
  leafCast,
  multihashOfDigest,
  type NestedVector,
  systemColumns,
  systemFields,
} from "../../slices/index.ts";
import type { SliceHashes } from "../contract.ts";
import { JobFailure } from "./failure.ts";
import type { Interruptible } from "./interruptible.ts";
import { ident, literal } from "./names.ts";

const mostReadBytes = 4 << 20;

/** Both hashes of a Parquet file; the physical one only where it is asked for. */
export async function hashFile(
  connection: DuckDBConnection,
  path: string,
  physical: boolean,
  running: Interruptible,
): Promise<SliceHashes> {
  const [logical, physicalHash] = await Promise.all([
    hashRows(connection, path, running),
    physical ? hashBytes(path) : "",
  ]);
  return { ...logical, physicalHash, sizeBytes: statSync(path).size };
}

export async function hashBytes(path: string): Promise<string> {
  const digest = createHash("sha3-256");
  // A buffer is cleared when it is made: one of the most that is read at once would cost a small file more than its hash.
  const highWaterMark = Math.min(mostReadBytes, Math.max(1, statSync(path).size));
  for await (const chunk of createReadStream(path, { highWaterMark })) digest.update(chunk);
  return multihashOfDigest("sha3-256", digest.digest());
}

/** The logical hash of a file's rows in their order. */
async function hashRows(
  connection: DuckDBConnection,
  path: string,
  running: Interruptible,
): Promise<{ logicalHash: string; rows: number }> {
  return await running.on(connection, async () => {
    const source = `read_parquet(${literal(path)})`;
    const fields = await fieldsOf(connection, source);
    const leaves = digestLeaves(fields);
    const digest = new LogicalDigest(fields);
    const result = await connection.stream(`SELECT ${leaves.map(leafValue).join(", ")} FROM ${source}`);
    let rows = 0;
    // The next chunk is fetched while this one is hashed: DuckDB works on threads of its own.
    let fetched = result.fetchChunk();
    try {
      for (;;) {
        const chunk = await fetched;
        if (chunk === null || chunk.rowCount === 0) break;
        running.check();
        fetched = result.fetchChunk();
        const count = chunk.rowCount;
        for (const [index, { encoding }] of leaves.entries()) {
          const vector = readVector(duckdb.data_chunk_get_vector(chunk.chunk, index), encoding, count);
          digest.updateVector(index, vector, count, duckdb.get_data_from_pointer);
        }
        rows += count;
      }
    } finally {
      await fetched.catch(() => null); // where hashing failed, the next chunk is on its way
    }
    const [counted] = (await connection.runAndReadAll(`SELECT count(*) FROM ${source}`)).getRowsJson();
    // A streamed result hides an error as an early end: the file's own count tells.
    if (Number(counted?.[0]) !== rows)
      throw new JobFailure({ code: "bad_input", message: "The Parquet file cannot be read to its end." });
    return { logicalHash: multihashOfDigest("arrow0-sha3-256", digest.digest()), rows };
  });
}

async function fieldsOf(connection: DuckDBConnection, source: string): Promise<DataField[]> {
  const described = await connection.runAndReadAll(`DESCRIBE SELECT * FROM ${source}`);
  return described.getRowsJson().map((row) => hashedField(String(row[0]), String(row[1])));
}

/** The field that a column of a slice's file is hashed as. */
export function hashedField(name: string, type: string): DataField {
  return systemFields[systemColumns.indexOf(name)] ?? fieldFromDuckdb(name, type);
}

/** SQL of a leaf's value in the physical form that the digest reads. */
export function leafValue({ path, encoding }: Leaf): string {
  const [column = "", ...members] = path;
  const x = members.reduce((above, member) => `struct_extract(${above}, ${literal(member)})`, ident(column));
  if (encoding.kind === "json") return `CAST(to_json(${x}) AS VARCHAR)`;
  const type = leafCast(encoding);
  return type === null ? x : `CAST(${x} AS ${type})`;
}

/** A leaf's vector as the digest takes it, in the engine's own memory. */
export function readVector(vector: duckdb.Vector, encoding: LeafEncoding, rows: number): NestedVector {
  const data = duckdb.vector_get_data(vector, rows * widthOf(encoding));
  const bits = duckdb.vector_get_validity(vector, Math.ceil(rows / 64) * 8);
  const validity = bits && bits.length > 0 ? bits : null;
  if (encoding.kind !== "list") return { data, validity };
  const count = duckdb.list_vector_get_size(vector);
  return {
    data,
    validity,
    items: { count, vector: readVector(duckdb.list_vector_get_child(vector), encoding.item, count) },
  };
}

/** Bytes of a row in DuckDB's vector: texts, list entries and 128-bit decimals take 16. */
export function widthOf(encoding: LeafEncoding): number {
  if (encoding.kind === "fixed") return encoding.width;
  return encoding.kind === "boolean" ? 1 : 16;
}
