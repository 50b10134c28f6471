import { createHash } from "node:crypto";
import { createReadStream, statSync } from "node:fs";
import type { DuckDBConnection } from "@duckdb/node-api";
import {
  type DataField,
  digestLeaves,
  fieldFromDuckdb,
  type Leaf,
  LogicalDigest,
  multihashOfDigest,
  systemColumns,
  systemFields,
} from "../../slices/index.ts";
import type { SliceHashes } from "../contract.ts";
import { isValid, rawVector, TextVector } from "./columns.ts";
import { JobFailure } from "./failure.ts";
import type { Interruptible } from "./interruptible.ts";
import { ident, literal } from "./names.ts";

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

async function hashBytes(path: string): Promise<string> {
  const digest = createHash("sha3-256");
  for await (const chunk of createReadStream(path, { highWaterMark: 4 << 20 })) digest.update(chunk);
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
    const projection = leaves.map((leaf) => leafValue(leaf)).join(", ");
    const result = await connection.stream(`SELECT ${projection} FROM ${source}`);
    const encoders = leaves.map((leaf) => new LeafEncoder(leaf));
    let rows = 0;
    for (;;) {
      const chunk = await result.fetchChunk();
      if (chunk === null || chunk.rowCount === 0) break;
      running.check();
      const count = chunk.rowCount;
      for (const [index, encoder] of encoders.entries()) digest.update(index, encoder.encode(chunk, index, count));
      rows += count;
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
  return described.getRowsJson().map((row) => {
    const name = String(row[0]);
    const system = systemFields[systemColumns.indexOf(name)];
    return system ?? fieldFromDuckdb(name, String(row[1]));
  });
}

/** SQL of a leaf's value in the physical form that the encoder reads. */
function leafValue({ path, encoding }: Leaf): string {
  const [column = "", ...members] = path;
  const x = members.reduce((above, member) => `struct_extract(${above}, ${literal(member)})`, ident(column));
  switch (encoding.kind) {
    case "fixed":
    case "boolean":
    case "binary":
      return x;
    case "decimal":
      return `CAST(${x} AS DECIMAL(38, ${encoding.scale}))`;
    case "text":
      return `CAST(${x} AS VARCHAR)`;
    case "json":
      return `CAST(to_json(${x}) AS VARCHAR)`;
  }
}

/** Brings a leaf's vectors into the hashed form, in a buffer that it keeps. */
class LeafEncoder {
  readonly #leaf: Leaf;
  #buffer = new Uint8Array(64 << 10);
  #view = new DataView(this.#buffer.buffer);

  constructor(leaf: Leaf) {
    this.#leaf = leaf;
  }

  /** Valid until the next call. */
  encode(chunk: Parameters<typeof rawVector>[0], column: number, rows: number): Uint8Array {
    const { encoding } = this.#leaf;
    switch (encoding.kind) {
      case "fixed":
        return this.#fixed(rawVector(chunk, column, rows, encoding.width), rows, encoding.width);
      case "decimal":
        return this.#fixed(rawVector(chunk, column, rows, 16), rows, 16);
      case "boolean":
        return this.#booleans(rawVector(chunk, column, rows, 1), rows);
      case "text":
      case "binary":
      case "json":
        return this.#texts(rawVector(chunk, column, rows, 16), rows);
    }
  }

  #fixed({ data, validity }: ReturnType<typeof rawVector>, rows: number, width: number): Uint8Array {
    if (validity === null) return data;
    this.#reserve(rows * width);
    let at = 0;
    for (let row = 0; row < rows; row++) {
      if (!isValid(validity, row)) {
        this.#buffer[at++] = 0;
        continue;
      }
      const from = row * width;
      for (let i = 0; i < width; i++) this.#buffer[at + i] = data[from + i] ?? 0;
      at += width;
    }
    return this.#buffer.subarray(0, at);
  }

  #booleans({ data, validity }: ReturnType<typeof rawVector>, rows: number): Uint8Array {
    this.#reserve(rows);
    for (let row = 0; row < rows; row++) this.#buffer[row] = isValid(validity, row) ? (data[row] ?? 0) + 1 : 0;
    return this.#buffer.subarray(0, rows);
  }

  #texts(vector: ReturnType<typeof rawVector>, rows: number): Uint8Array {
    const texts = new TextVector(vector, rows);
    let total = 0;
    for (let row = 0; row < rows; row++) total += 8 + (isValid(vector.validity, row) ? texts.length(row) : 0);
    this.#reserve(total);
    let at = 0;
    for (let row = 0; row < rows; row++) {
      if (!isValid(vector.validity, row)) {
        this.#buffer[at++] = 0;
        continue;
      }
      const length = texts.length(row);
      this.#view.setUint32(at, length, true);
      this.#view.setUint32(at + 4, 0, true);
      texts.copy(row, this.#buffer, at + 8);
      at += 8 + length;
    }
    return this.#buffer.subarray(0, at);
  }

  #reserve(bytes: number): void {
    if (this.#buffer.length >= bytes) return;
    this.#buffer = new Uint8Array(bytes * 2);
    this.#view = new DataView(this.#buffer.buffer);
  }
}
