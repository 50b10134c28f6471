import type { DuckDBConnection } from "@duckdb/node-api";
import { z } from "zod";
import type { ResultColumn } from "../contract.ts";
import { JobFailure } from "./failure.ts";

const text = (value: string) => `'${value.replaceAll("'", "''")}'`;
const rowsAtOnce = 32 * 2048;
const json = z.array(z.array(z.unknown()));

/**
 * A Parquet file of ours as an Arrow IPC stream. Types that Arrow's JavaScript library writes from plain values keep
 * theirs; decimals, times of day and nested values travel as text.
 */
export async function parquetToArrow(
  connection: DuckDBConnection,
  file: string,
  result: { readonly columns: readonly ResultColumn[]; readonly rows: number },
  write: (bytes: Uint8Array) => void,
): Promise<void> {
  const arrow = await import("apache-arrow");
  const types = result.columns.map((column) => arrowType(arrow, column.type));
  const schema = new arrow.Schema(
    result.columns.map((column, i) => new arrow.Field(column.name, types[i]?.type ?? new arrow.Utf8(), true)),
  );
  const select = result.columns
    .map((column, i) => `${types[i]?.sql(`"${column.name.replaceAll('"', '""')}"`)}`)
    .join(", ");
  const writer = new arrow.RecordBatchStreamWriter();
  writer.reset(undefined, schema);
  const source = `SELECT ${select} FROM read_parquet(${text(file)})`;
  let written = 0;
  for (let from = 0; from < result.rows; from += rowsAtOnce) {
    const reader = await connection.runAndReadAll(`${source} LIMIT ${rowsAtOnce} OFFSET ${from}`);
    const columns = json.parse(reader.getColumns());
    const data = columns.map((values, i) => {
      const kind = types[i];
      const prepared = values.map((value) => (value === null ? null : (kind?.value(value) ?? null)));
      return arrow.vectorFromArray(prepared, kind?.type ?? new arrow.Utf8()).data[0];
    });
    const length = columns[0]?.length ?? 0;
    const children = data.flatMap((one) => (one === undefined ? [] : [one]));
    writer.write(
      new arrow.RecordBatch(
        schema,
        arrow.makeData({ type: new arrow.Struct(schema.fields), length, nullCount: 0, children }),
      ),
    );
    written += length;
  }
  if (written !== result.rows)
    throw new JobFailure({ code: "internal", message: "The result could not be read back." });
  writer.finish();
  write(writer.toUint8Array(true));
}

type Arrow = typeof import("apache-arrow");

interface ArrowKind {
  readonly type: InstanceType<Arrow["DataType"]>;
  /** The value as DuckDB hands it over. */
  sql(x: string): string;
  /** The value as Arrow takes it. */
  value(raw: unknown): unknown;
}

function arrowType(arrow: Arrow, type: string): ArrowKind {
  const same = (x: string) => x;
  const big = (raw: unknown) => BigInt(String(raw));
  const plain = (made: ArrowKind["type"]): ArrowKind => ({ type: made, sql: same, value: (raw) => raw });
  switch (type) {
    case "BOOLEAN":
      return plain(new arrow.Bool());
    case "TINYINT":
      return plain(new arrow.Int8());
    case "SMALLINT":
      return plain(new arrow.Int16());
    case "INTEGER":
      return plain(new arrow.Int32());
    case "UTINYINT":
      return plain(new arrow.Uint8());
    case "USMALLINT":
      return plain(new arrow.Uint16());
    case "UINTEGER":
      return plain(new arrow.Uint32());
    case "BIGINT":
      return { type: new arrow.Int64(), sql: same, value: big };
    case "UBIGINT":
      return { type: new arrow.Uint64(), sql: same, value: big };
    case "FLOAT":
      return plain(new arrow.Float32());
    case "DOUBLE":
      return plain(new arrow.Float64());
    case "DATE":
      return {
        type: new arrow.DateDay(),
        sql: (x) => `(${x} - DATE '1970-01-01')::INTEGER`,
        value: (raw) => new Date(Number(raw) * 86_400_000),
      };
    case "TIMESTAMP":
    case "TIMESTAMP WITH TIME ZONE": {
      const zone = type === "TIMESTAMP" ? null : "UTC";
      return {
        type: new arrow.TimestampMicrosecond(zone),
        sql: (x) => `epoch_us(${x})`,
        value: (raw) => Number(raw) / 1000,
      };
    }
    default:
      return { type: new arrow.Utf8(), sql: (x) => `CAST(${x} AS VARCHAR)`, value: String };
  }
}
