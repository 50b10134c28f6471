import { readFileSync } from "node:fs";
import * as duckdb from "@duckdb/node-api";
import { type DuckDBConnection, DuckDBDataChunk, type DuckDBType, type DuckDBValue } from "@duckdb/node-api";
import type { ArrowImport, ResultColumn } from "../contract.ts";
import { JobFailure } from "./failure.ts";
import type { Interruptible } from "./interruptible.ts";
import { ident, literal } from "./names.ts";

const chunkRows = 2048;

/** Turns an Arrow IPC file or stream into Parquet, batch by batch, through a temporary table. */
export async function arrowToParquet(
  connection: DuckDBConnection,
  input: string,
  output: string,
  running: Interruptible,
): Promise<ArrowImport> {
  const arrow = await import("apache-arrow");
  let table: InstanceType<typeof arrow.Table>;
  try {
    table = arrow.tableFromIPC(readFileSync(input));
  } catch (cause) {
    const said = cause instanceof Error ? cause.message : String(cause);
    throw new JobFailure({
      code: "bad_input",
      message: `The body is no Arrow IPC file or stream: ${said.slice(0, 200)}`,
    });
  }
  const kinds = table.schema.fields.map((field) => columnKind(arrow, field.type));
  const columns: ResultColumn[] = table.schema.fields.map((field, i) => ({
    name: field.name,
    type: kinds[i]?.sql ?? "VARCHAR",
  }));
  await connection.run(
    `CREATE OR REPLACE TEMP TABLE arrow_rows (${columns.map((column) => `${ident(column.name)} ${column.type}`).join(", ")})`,
  );
  const appender = await connection.createAppender("arrow_rows", "main", "temp");
  for (const batch of table.batches) {
    for (let from = 0; from < batch.numRows; from += chunkRows) {
      running.check();
      const count = Math.min(chunkRows, batch.numRows - from);
      const chunk = DuckDBDataChunk.create(kinds.map((kind) => kind.type));
      chunk.setColumns(kinds.map((kind, i) => valuesOf(batch.getChildAt(i), from, count, kind)));
      appender.appendDataChunk(chunk);
    }
  }
  appender.closeSync();
  await running.on(connection, () =>
    connection.run(`COPY arrow_rows TO ${literal(output)} (FORMAT parquet, COMPRESSION zstd)`),
  );
  await connection.run("DROP TABLE arrow_rows");
  return { rows: table.numRows, columns };
}

interface ColumnKind {
  readonly type: DuckDBType;
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
  const kind = (made: DuckDBType, value: (raw: unknown) => DuckDBValue): ColumnKind => ({
    type: made,
    sql: made.toString(),
    value,
  });
  if (DataType.isBool(type)) return kind(duckdb.BOOLEAN, Boolean);
  if (DataType.isInt(type)) {
    const wide = (raw: unknown) => BigInt(String(raw));
    const signed = { 8: duckdb.TINYINT, 16: duckdb.SMALLINT, 32: duckdb.INTEGER, 64: duckdb.BIGINT } as const;
    const unsigned = { 8: duckdb.UTINYINT, 16: duckdb.USMALLINT, 32: duckdb.UINTEGER, 64: duckdb.UBIGINT } as const;
    return kind(type.isSigned ? signed[type.bitWidth] : unsigned[type.bitWidth], type.bitWidth === 64 ? wide : Number);
  }
  if (DataType.isFloat(type))
    return kind(type.precision === arrow.Precision.DOUBLE ? duckdb.DOUBLE : duckdb.FLOAT, Number);
  if (DataType.isUtf8(type) || DataType.isLargeUtf8(type)) return kind(duckdb.VARCHAR, String);
  if (DataType.isDictionary(type)) return columnKind(arrow, type.dictionary);
  if (DataType.isDate(type))
    return kind(duckdb.DATE, (raw) => new duckdb.DuckDBDateValue(Math.floor(Number(raw) / 86_400_000)));
  if (DataType.isTimestamp(type)) {
    const micros = (raw: unknown) => BigInt(Math.round(Number(raw) * 1000));
    if (type.timezone) return kind(duckdb.TIMESTAMPTZ, (raw) => new duckdb.DuckDBTimestampTZValue(micros(raw)));
    return kind(duckdb.TIMESTAMP, (raw) => new duckdb.DuckDBTimestampValue(micros(raw)));
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
