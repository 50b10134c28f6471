import { open } from "node:fs/promises";
import type { Batch, ConvertContext, Converted } from "./batch.ts";
import { ident, literal } from "./quote.ts";
import { copySliceSql, eventTimeSql, own } from "./slice-sql.ts";
import type { Column } from "./types.ts";
import { sampleValue, strict } from "./values.ts";

/** The fast path gives up: the exact path takes the batch. Never leaves this folder. */
export class FastPathEnded extends Error {}

/**
 * The fast path of NDJSON: one COPY straight from the text. Strict throughout: an unknown key, a value that does not fit its
 * column exactly, a broken line fail the statement, and the exact path takes the batch.
 *
 * DuckDB is given no columns, since it then ignores unknown keys without a word; it detects them from the first line alone
 * (`sample_size = 1`), which is ours and has just the wanted keys, and so fails on any other key. That line goes into the
 * free bytes at the file's head, so that no byte is copied. `row_number()` keeps the statement on one thread; two
 * conversions at once keep two cores busy.
 */
export async function convertFastJson(batch: Batch, context: ConvertContext): Promise<Converted> {
  const output = `${batch.workPath}.parquet`;
  await writeFirstLine(batch);
  const read = `read_json(${literal(batch.path)}, format = 'newline_delimited', sample_size = 1, map_inference_threshold = -1, maximum_depth = -1)`;
  const values = batch.columns.map((column) => `, ${strict(column.type, ident(column.name))} AS ${ident(column.name)}`);
  const empty = batch.emptyKeys.map((key) => ` AND (${ident(key)} IS NULL OR error('a first value')::BOOLEAN)`);
  const copy = copySliceSql({
    source: `SELECT ${own("rn")}, "event_time"${values.join("")} FROM (SELECT row_number() OVER () - 2 AS ${own("rn")}, * FROM ${read}) WHERE ${own("rn")} >= 0${empty.join("")}`,
    columns: batch.columns,
    time: eventTimeSql(batch.eventTime),
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
  const only = batch.entries.length === 1;
  const shares = batch.entries.map(({ lines }) => ({ rows: only ? rows : (lines ?? 0), quarantined: 0, reasons: [] }));
  if (shares.reduce((sum, share) => sum + share.rows, 0) !== rows) throw new FastPathEnded("another number of rows");
  return {
    columns: batch.columns,
    emptyKeys: batch.emptyKeys,
    rows,
    slicePath: rows === 0 ? null : output,
    quarantinePath: null,
    quarantined: 0,
    shares,
  };
}

async function writeFirstLine(batch: Batch): Promise<void> {
  const line = Buffer.from(JSON.stringify(sampleLine(batch.columns, batch.emptyKeys)));
  if (line.length >= batch.headBytes) throw new FastPathEnded("too many columns for the head of the file");
  const head = Buffer.alloc(batch.headBytes, " ");
  line.copy(head);
  head[head.length - 1] = 10;
  await using file = await open(batch.path, "r+");
  await file.write(head, 0, head.length, 0);
}

function sampleLine(columns: readonly Column[], emptyKeys: readonly string[]): Record<string, unknown> {
  return Object.fromEntries([
    ["event_time", "x"],
    ...columns.map((column) => [column.name, sampleValue(column.type)]),
    ...emptyKeys.map((key) => [key, "x"]),
  ]);
}
