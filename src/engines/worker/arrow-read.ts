import { open } from "node:fs/promises";
import * as duckdb from "@duckdb/node-api";
import { type DuckDBConnection, DuckDBDataChunk, type DuckDBType, type DuckDBValue } from "@duckdb/node-api";
import bindings from "@duckdb/node-bindings";
import type { ArrowImport, ResultColumn } from "../contract.ts";
import { checkArrow } from "./arrow-check.ts";
import { JobFailure } from "./failure.ts";
import type { Interruptible } from "./interruptible.ts";
import { ident, literal, uniqueNames } from "./names.ts";

const chunkRows = 2048;

/** Turns an Arrow IPC file or stream into Parquet, batch by batch, through a temporary table, which may spill. */
export async function arrowToParquet(
  connection: DuckDBConnection,
  input: string,
  output: string,
  running: Interruptible,
): Promise<ArrowImport> {
  const arrow = await import("apache-arrow");
  await using file = await open(input);
  await checkArrow(file);
  const reader = await readable(arrow.RecordBatchReader.from(file).then((made) => made.open()));
  if (!reader.schema) throw noArrow("it has no schema");
  const kinds = await readable(async () => reader.schema.fields.map((field) => columnKind(arrow, field.type)));
  const names = uniqueNames(reader.schema.fields.map((field) => field.name ?? ""));
  const columns: ResultColumn[] = names.map((name, i) => ({ name, type: kinds[i]?.sql ?? "VARCHAR" }));
  await connection.run(
    `CREATE OR REPLACE TEMP TABLE arrow_rows (${columns.map((column) => `${ident(column.name)} ${column.type}`).join(", ")})`,
  );
  const appender = await connection.createAppender("arrow_rows", "main", "temp");
  let rows = 0;
  for (;;) {
    const { done, value: batch } = await readable(reader.next());
    if (done === true) break;
    for (const data of batch.data.children) checkData(data);
    for (let from = 0; from < batch.numRows; from += chunkRows) {
      running.check();
      const count = Math.min(chunkRows, batch.numRows - from);
      const chunk = DuckDBDataChunk.create(
        kinds.map((kind) => kind.type),
        count,
      );
      for (const [index, kind] of kinds.entries()) {
        const vector = batch.getChildAt(index);
        if (kind.asItLies && copied(chunk, index, vector?.data[0], from, count)) continue;
        const values = await readable(async () => valuesOf(vector, from, count, kind));
        chunk.setColumnValues(index, values);
      }
      appender.appendDataChunk(chunk);
      rows += count;
    }
  }
  appender.closeSync();
  await running.on(connection, () =>
    connection.run(`COPY arrow_rows TO ${literal(output)} (FORMAT parquet, COMPRESSION zstd)`),
  );
  await connection.run("DROP TABLE arrow_rows");
  return { rows, columns };
}

/** What the reader throws says that the file is none, or is cut. */
async function readable<Result>(reading: Promise<Result> | (() => Promise<Result>)): Promise<Result> {
  try {
    return await (typeof reading === "function" ? reading() : reading);
  } catch (cause) {
    if (cause instanceof JobFailure) throw cause;
    throw noArrow((cause instanceof Error ? cause.message : String(cause)).slice(0, 200));
  }
}

function noArrow(why: string): JobFailure {
  return new JobFailure({ code: "bad_input", message: `The body is no Arrow IPC file or stream: ${why}` });
}

/** What this room needs of Arrow's own column data. */
interface ColumnData {
  readonly offset: number;
  readonly nullCount: number;
  readonly nullBitmap: Uint8Array;
  readonly values: unknown;
}

/** Arrow's own data of a column and of those in it, as far as it is checked. */
interface NestedData {
  readonly length: number;
  readonly offset: number;
  readonly values: unknown;
  readonly valueOffsets: ArrayLike<number | bigint> | undefined;
  readonly children: readonly NestedData[];
}

/** Offsets of texts and lists only grow: others could name the same bytes again and again, and fill the memory. */
function checkData({ length, valueOffsets, children }: NestedData): void {
  if (valueOffsets !== undefined && valueOffsets.length > 0) {
    let last: number | bigint = 0;
    const count = Math.min(length + 1, valueOffsets.length);
    for (let at = 0; at < count; at++) {
      const next: number | bigint = valueOffsets[at] ?? 0;
      if (next < last) throw noArrow("its texts overlap");
      last = next;
    }
  }
  for (const child of children) if (child) checkData(child);
}

/** Copies a column whose values lie as DuckDB's do, validity too; false where they do not lie on a byte's edge. */
function copied(
  chunk: DuckDBDataChunk,
  index: number,
  data: ColumnData | undefined,
  from: number,
  count: number,
): boolean {
  if (data === undefined || !ArrayBuffer.isView(data.values) || data.values instanceof DataView) return false;
  const { values, nullCount, nullBitmap } = data;
  const bit = data.offset + from;
  if ((nullCount > 0 && bit % 8 !== 0) || !(values.buffer instanceof ArrayBuffer)) return false;
  const width = bytesOf(values);
  if ((from + count) * width > values.byteLength) throw noArrow("a column is shorter than its rows");
  const vector = bindings.data_chunk_get_vector(chunk.chunk, index);
  bindings.copy_data_to_vector(vector, 0, values.buffer, values.byteOffset + from * width, count * width);
  if (nullCount === 0) return true;
  const validity = new Uint8Array(Math.ceil(count / 64) * 8).fill(255);
  validity.set(nullBitmap.subarray(bit / 8, bit / 8 + Math.ceil(count / 8)));
  bindings.vector_ensure_validity_writable(vector);
  bindings.copy_data_to_vector_validity(vector, 0, validity.buffer, 0, validity.length);
  return true;
}

function bytesOf(values: ArrayBufferView): number {
  return "BYTES_PER_ELEMENT" in values ? Number(values.BYTES_PER_ELEMENT) : 1;
}

interface ColumnKind {
  readonly type: DuckDBType;
  /** Arrow and DuckDB lay its values out alike. */
  readonly asItLies: boolean;
  readonly sql: string;
  value(raw: unknown): DuckDBValue;
}

function valuesOf(
  vector: { get(index: number): unknown } | null,
  from: number,
  count: number,
  kind: ColumnKind,
): DuckDBValue[] {
  return Array.from({ length: count }, (_, i) => {
    const raw = vector?.get(from + i) ?? null;
    return raw === null ? null : kind.value(raw);
  });
}

/** What an Arrow type becomes; nested types become JSON text. @throws bad_input for what has no meaning here */
function columnKind(arrow: typeof import("apache-arrow"), type: InstanceType<typeof arrow.DataType>): ColumnKind {
  const { DataType } = arrow;
  const kind = (made: DuckDBType, value: (raw: unknown) => DuckDBValue, asItLies = false): ColumnKind => ({
    type: made,
    asItLies,
    sql: made.toString(),
    value,
  });
  if (DataType.isBool(type)) return kind(duckdb.BOOLEAN, Boolean);
  if (DataType.isInt(type)) {
    const wide = (raw: unknown) => BigInt(String(raw));
    const signed = { 8: duckdb.TINYINT, 16: duckdb.SMALLINT, 32: duckdb.INTEGER, 64: duckdb.BIGINT } as const;
    const unsigned = { 8: duckdb.UTINYINT, 16: duckdb.USMALLINT, 32: duckdb.UINTEGER, 64: duckdb.UBIGINT } as const;
    return kind(
      type.isSigned ? signed[type.bitWidth] : unsigned[type.bitWidth],
      type.bitWidth === 64 ? wide : Number,
      true,
    );
  }
  if (DataType.isFloat(type)) {
    const kept = type.precision !== arrow.Precision.HALF;
    return kind(type.precision === arrow.Precision.DOUBLE ? duckdb.DOUBLE : duckdb.FLOAT, Number, kept);
  }
  if (DataType.isUtf8(type) || DataType.isLargeUtf8(type)) return kind(duckdb.VARCHAR, String);
  if (DataType.isDictionary(type)) return columnKind(arrow, type.dictionary);
  if (DataType.isDate(type))
    return kind(
      duckdb.DATE,
      (raw) => new duckdb.DuckDBDateValue(Math.floor(Number(raw) / 86_400_000)),
      type.unit === arrow.DateUnit.DAY,
    );
  if (DataType.isTimestamp(type)) {
    const micros = (raw: unknown) => BigInt(Math.round(Number(raw) * 1000));
    const kept = type.unit === arrow.TimeUnit.MICROSECOND;
    if (type.timezone) return kind(duckdb.TIMESTAMPTZ, (raw) => new duckdb.DuckDBTimestampTZValue(micros(raw)), kept);
    return kind(duckdb.TIMESTAMP, (raw) => new duckdb.DuckDBTimestampValue(micros(raw)), kept);
  }
  if (DataType.isBinary(type) || DataType.isLargeBinary(type) || DataType.isFixedSizeBinary(type)) {
    return kind(duckdb.BLOB, (raw) => new duckdb.DuckDBBlobValue(raw instanceof Uint8Array ? raw : new Uint8Array()));
  }
  if (DataType.isDecimal(type))
    return { ...kind(duckdb.VARCHAR, (raw) => decimalText(raw, type.scale)), sql: "VARCHAR" };
  if (DataType.isNull(type)) return kind(duckdb.VARCHAR, () => null);
  if (DataType.isList(type) || DataType.isStruct(type) || DataType.isMap(type) || DataType.isFixedSizeList(type)) {
    return kind(duckdb.VARCHAR, (raw) =>
      JSON.stringify(raw, (_, value) => (typeof value === "bigint" ? String(value) : value)),
    );
  }
  throw new JobFailure({
    code: "bad_input",
    message: `Arrow's type ${type} cannot be imported.`,
    hint: "Cast it before you write the file.",
  });
}

/** Little-endian words of a 128-bit decimal as text with its point. */
function decimalText(raw: unknown, scale: number): string {
  const words = raw instanceof Uint32Array ? raw : new Uint32Array();
  const unsigned = words.reduceRight((sum, word) => (sum << 32n) | BigInt(word), 0n);
  const value = BigInt.asIntN(words.length * 32, unsigned);
  const digits = (value < 0n ? -value : value).toString().padStart(scale + 1, "0");
  const whole = digits.slice(0, digits.length - scale);
  return `${value < 0n ? "-" : ""}${whole}${scale > 0 ? `.${digits.slice(-scale)}` : ""}`;
}
