import { ident, literal } from "../../slices/index.ts";
import type { Batch, ConvertContext, Converted } from "./batch.ts";
import { detectColumns } from "./exact.ts";
import { FastPathEnded } from "./fast-path.ts";
import { fieldName, namesProblem } from "./fields.ts";
import { copySliceSql, eventTimeSql, own } from "./slice-sql.ts";
import { type Column, typeName } from "./types.ts";
import { strict } from "./values.ts";

/** Rows of CSV or text as a statement reads them. */
export interface FieldRows {
  readonly names: readonly string[];
  /** SQL of the rows in their order, with the text of each field (`fieldName`) or null. */
  readonly sql: string;
  /** Rows of each entry, known beforehand. */
  readonly rows: readonly number[];
}

/**
 * The fast path of CSV and text: one strict COPY. A value that does not fit its column exactly fails the statement, and the
 * exact path takes the batch. Columns that the dataset does not have are found from the first records; one of which these
 * hold no value waits for the exact path to see its first.
 */
export async function convertFastFields(batch: Batch, context: ConvertContext, from: FieldRows): Promise<Converted> {
  if (namesProblem(from.names) !== null) throw new FastPathEnded("names that no row can have");
  const { columns, unfilled } = await columnsFor(batch, context, from.names);
  const output = `${batch.workPath}.parquet`;
  const values = columns.map((column) => `, ${strictValue(column, from.names)} AS ${ident(column.name)}`).join("");
  const none = unfilled.map((name) => `(${textOf(name, from.names)} IS NULL OR error('a first value')::BOOLEAN)`);
  const where = none.length === 0 ? "" : ` WHERE ${none.join(" AND ")}`;
  const copy = copySliceSql({
    source: `SELECT ${own("rn")}, ${textOf("event_time", from.names)} AS "event_time"${values}
  FROM (SELECT row_number() OVER () - 1 AS ${own("rn")}, * FROM (${from.sql}))${where}`,
    columns,
    time: eventTimeSql(batch.eventTime, columns),
    systemTimeMs: batch.systemTime,
    firstOffset: batch.firstOffset,
    output,
  });
  const count = { sql: `SELECT count(*) AS n FROM read_parquet(${literal(output)})`, rows: true };
  const [, counted] = await context.engine.script(
    { traceId: context.traceId, label: "ingest", statements: [{ sql: copy }, count] },
    context.signal,
  );
  const rows = Number(counted?.[0]?.n);
  if (from.rows.reduce((sum, one) => sum + one, 0) !== rows) throw new FastPathEnded("another number of rows");
  return {
    columns,
    emptyKeys: batch.emptyKeys,
    rows,
    slicePath: rows === 0 ? null : output,
    quarantinePath: null,
    quarantined: 0,
    shares: from.rows.map((share) => ({ rows: share, quarantined: 0, reasons: [] })),
  };
}

/** The columns of the slice, and the fields of which no value is known, and so no type. */
async function columnsFor(
  batch: Batch,
  context: ConvertContext,
  names: readonly string[],
): Promise<{ columns: readonly Column[]; unfilled: readonly string[] }> {
  const known = new Set(["event_time", ...batch.columns.map((column) => column.name.toLowerCase())]);
  const fresh = names.filter((name) => !known.has(name.toLowerCase()));
  if (fresh.length === 0) return { columns: batch.columns, unfilled: [] };
  const { columns, seen } = await detectColumns(batch, context);
  if (columns.length === batch.columns.length) throw new FastPathEnded("no record that could be read");
  const filled = new Set(seen.filter((field) => field.filled > 0).map((field) => field.key));
  return { columns, unfilled: fresh.filter((name) => !filled.has(name)) };
}

function strictValue(column: Column, names: readonly string[]): string {
  const text = textOf(column.name, names);
  if (text === none) return `CAST(NULL AS ${typeName(column.type)})`;
  // No text reads as a nested value; as JSON it would have to be quoted.
  if (column.type.kind !== "scalar" || column.type.name === "JSON")
    throw new FastPathEnded("a text for a nested column");
  return strict(column.type, text);
}

const none = "NULL::VARCHAR";

function textOf(column: string, names: readonly string[]): string {
  const at = names.findIndex((name) => name.toLowerCase() === column.toLowerCase());
  return at < 0 ? none : fieldName(at);
}
