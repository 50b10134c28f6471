import { literal } from "../../slices/index.ts";
import { csvColumns } from "../formats/csv-dialect.ts";
import { CsvRecords } from "../formats/csv-records.ts";
import type { Batch, ConvertContext, Converted } from "./batch.ts";
import { csvShape } from "./csv-shape.ts";
import { convertFastFields } from "./fast-fields.ts";
import { FastPathEnded } from "./fast-path.ts";
import { fieldName } from "./fields.ts";

/** The fast path of CSV: a body that is strictly RFC 4180, which DuckDB's reader takes apart as we would. */
export async function convertFastCsv(
  batch: Batch,
  dialect: { readonly delimiter: string; readonly header: boolean },
  context: ConvertContext,
): Promise<Converted> {
  const [entry] = batch.entries;
  if (entry === undefined || batch.entries.length !== 1 || entry.start !== 0) throw new FastPathEnded("not one body");
  if (!/^[\t -~]$/.test(dialect.delimiter) || /["\\]/.test(dialect.delimiter))
    throw new FastPathEnded("a rare delimiter");
  const shape = await csvShape(batch.path, 0, entry.sizeBytes, dialect.delimiter.charCodeAt(0));
  if (shape === null) throw new FastPathEnded("not strictly RFC 4180");
  const names = csvColumns(dialect, firstFields(shape.first, dialect.delimiter));
  return await convertFastFields(batch, context, {
    names,
    sql: rowsSql(batch.path, dialect, names.length),
    rows: [shape.records - (dialect.header ? 1 : 0)],
  });
}

function firstFields(record: Buffer, delimiter: string): readonly string[] {
  let fields: readonly string[] = [];
  new CsvRecords(delimiter).push(record, (found) => {
    fields = found.fields ?? [];
  });
  return fields;
}

function rowsSql(file: string, dialect: { delimiter: string; header: boolean }, width: number): string {
  const columns = Array.from({ length: width }, (_, at) => `${fieldName(at)}: 'VARCHAR'`).join(", ");
  const read = `read_csv(${literal(file)}, auto_detect = false, strict_mode = true, header = ${dialect.header}, delim = ${literal(dialect.delimiter)},
  quote = '"', escape = '"', columns = {${columns}})`;
  // With one column an empty line is a row to DuckDB; a record of "" is one to us, and the number of rows tells it.
  return width === 1 ? `SELECT * FROM ${read} WHERE ${fieldName(0)} IS NOT NULL` : `SELECT * FROM ${read}`;
}
