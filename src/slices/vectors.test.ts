import { DuckDBInstance } from "@duckdb/node-api";
import duckdb from "@duckdb/node-bindings";
import { expect, test } from "vitest";
import {
  digestLeaves,
  fieldFromDuckdb,
  type LeafEncoding,
  LogicalDigest,
  leafCast,
  type NestedVector,
} from "./index.ts";

/** Columns of every layout, with nulls at each depth, inline, dictionary, long and very long texts, over many vectors. */
const rows = `SELECT
  (i % 256)::UTINYINT AS small,
  CASE WHEN i % 5 = 0 THEN NULL ELSE i END AS n,
  i % 3 = 0 AS flag,
  CASE WHEN i % 7 = 0 THEN NULL ELSE repeat(chr((97 + i % 26)::INT), (hash(i) % 60)::INT) END AS a,
  CASE WHEN i % 1000 = 0 THEN repeat('z', 9000) ELSE 'k' || hash(i) || repeat('y', (hash(i * 3) % 200)::INT) END AS b,
  (i / 7)::DECIMAL(9, 2) AS d,
  CASE WHEN i % 11 = 0 THEN NULL WHEN i % 4 = 0 THEN [] ELSE [i, NULL, i * 2] END AS l,
  [[i::VARCHAR || 'aaaaaaaaaaaaaaa', NULL], []] AS ll,
  CASE WHEN i % 6 = 0 THEN NULL ELSE {'x': i::SMALLINT, 'y': 'in a struct ' || i, 'z': ['q' || i, NULL]} END AS s
FROM range(9000) t(i)`;

test("vectors of DuckDB give the hash of their values taken one at a time", async () => {
  const instance = await DuckDBInstance.create(":memory:");
  const connection = await instance.connect();
  await connection.run(`CREATE TABLE t AS ${rows}`);
  const described = await connection.runAndReadAll("DESCRIBE t");
  const fields = described.getRowsJson().map((row) => fieldFromDuckdb(String(row[0]), String(row[1])));
  const leaves = digestLeaves(fields);
  const select = leaves.map(({ path: [column = "", ...members], encoding }) => {
    const x = members.reduce((above, member) => `struct_extract(${above}, '${member}')`, `"${column}"`);
    const type = leafCast(encoding);
    return type === null ? x : `CAST(${x} AS ${type})`;
  });
  const [vectors, values] = [new LogicalDigest(fields), new LogicalDigest(fields)];

  const streamed = await connection.stream(`SELECT ${select.join(", ")} FROM t`);
  let count = 0;
  for (;;) {
    const chunk = await streamed.fetchChunk();
    if (chunk === null || chunk.rowCount === 0) break;
    count += chunk.rowCount;
    for (const [index, { encoding }] of leaves.entries()) {
      const vector = readVector(duckdb.data_chunk_get_vector(chunk.chunk, index), encoding, chunk.rowCount);
      vectors.updateVector(index, vector, chunk.rowCount, duckdb.get_data_from_pointer);
    }
  }
  expect(count).toBe(9000);

  const read = await connection.runAndReadAll(`SELECT ${select.join(", ")} FROM t`);
  for (const [index, { encoding }] of leaves.entries()) {
    const column = read.getRowsJson().map((row) => hashed(encoding, row[index]));
    values.update(index, Buffer.concat(column));
  }
  expect(vectors.digest()).toEqual(values.digest());
  expect(leaves.map(({ encoding }) => encoding.kind)).toEqual([
    "fixed",
    "fixed",
    "boolean",
    "text",
    "text",
    "decimal",
    "list",
    "list",
    "fixed",
    "text",
    "list",
  ]);
  connection.closeSync();
  instance.closeSync();
});

function readVector(vector: duckdb.Vector, encoding: LeafEncoding, count: number): NestedVector {
  const width = encoding.kind === "fixed" ? encoding.width : encoding.kind === "boolean" ? 1 : 16;
  const data = duckdb.vector_get_data(vector, count * width);
  const validity = duckdb.vector_get_validity(vector, Math.ceil(count / 64) * 8) ?? null;
  if (encoding.kind !== "list") return { data, validity };
  const size = duckdb.list_vector_get_size(vector);
  const items = readVector(duckdb.list_vector_get_child(vector), encoding.item, size);
  return { data, validity, items: { vector: items, count: size } };
}

function hashed(encoding: LeafEncoding, value: unknown): Buffer {
  if (value === null) return Buffer.from([0]);
  if (encoding.kind === "list" && Array.isArray(value))
    return Buffer.concat([integer(value.length, 8), ...value.map((item) => hashed(encoding.item, item))]);
  if (encoding.kind === "boolean") return Buffer.from([value === true ? 2 : 1]);
  if (encoding.kind === "fixed") return integer(String(value), encoding.width);
  if (encoding.kind === "decimal") return integer(String(value).replace(".", ""), 16);
  return Buffer.concat([integer(Buffer.byteLength(String(value)), 8), Buffer.from(String(value))]);
}

function integer(value: string | number, width: number): Buffer {
  const bytes = Buffer.alloc(16);
  bytes.writeBigInt64LE(BigInt(value));
  return bytes.subarray(0, width);
}
