import { open } from "node:fs/promises";
import { ident, literal } from "../../slices/index.ts";
import type { Batch, ConvertContext, Converted } from "./batch.ts";
import { countBooleans } from "./boolean-tokens.ts";
import { FastPathEnded, orSlower } from "./fast-path.ts";
import { copySliceSql, eventTimeSql, own } from "./slice-sql.ts";
import { type Column, typeName } from "./types.ts";
import { isNumber, type Reading, sampleRead, strictRead } from "./values.ts";

/**
 * The fast path of NDJSON: one COPY straight from the text. Strict throughout: an unknown key, a value that does not fit its
 * column exactly, a broken line fail the statement, and the exact path takes the batch. Numbers are read by type where the
 * dataset's rows have allowed it lately (a fifth less time), else as text.
 */
export async function convertFastJson(batch: Batch, context: ConvertContext): Promise<Converted> {
  if (batch.asText || !batch.columns.some(({ type }) => isNumber(type))) return await read("asText", batch, context);
  const typed = await orSlower(() => readByType(batch, context));
  return typed ?? { ...(await read("asText", batch, context)), byType: false };
}

/**
 * The engine reads a `true` in a column of numbers as 1, without a word. So the booleans of the text are counted: they
 * must be as many as the columns of booleans have got, each of which is one of them.
 */
async function readByType(batch: Batch, context: ConvertContext): Promise<Converted> {
  const inText = await countBooleans(batch.path, batch.headBytes);
  const converted = await read("byType", batch, context);
  const inColumns = inText === 0 || converted.slicePath === null ? 0 : await booleansIn(converted, context);
  if (inText !== inColumns) throw new FastPathEnded("a boolean that no column of booleans has got");
  return { ...converted, byType: true };
}

async function booleansIn(
  { columns, slicePath }: Converted,
  { engine, traceId, signal }: ConvertContext,
): Promise<number> {
  const names = new Set(columns.filter(({ type }) => typeName(type) === "BOOLEAN").map(({ name }) => name));
  if (names.size === 0 || slicePath === null) return 0;
  const counts = [...names].map((name) => `count(${ident(name)})`).join(" + ");
  const sql = `SELECT ${counts} AS n FROM read_parquet(${literal(slicePath)})`;
  const script = { traceId, label: "ingest", statements: [{ sql, rows: true }] };
  const [rows] = await engine.script(script, signal);
  return Number(rows?.[0]?.n);
}

/**
 * DuckDB is given no columns, since it then ignores unknown keys without a word; it detects them from the first line alone
 * (`sample_size = 1`), which is ours and has just the wanted keys, and so fails on any other key. That line goes into the
 * free bytes at the file's head, so that no byte is copied. `row_number()` keeps the statement on one thread; two
 * conversions at once keep two cores busy.
 */
async function read(reading: Reading, batch: Batch, context: ConvertContext): Promise<Converted> {
  const output = `${batch.workPath}.parquet`;
  await writeFirstLine(reading, batch);
  const read = `read_json(${literal(batch.path)}, format = 'newline_delimited', sample_size = 1, map_inference_threshold = -1, maximum_depth = -1)`;
  const values = batch.columns.map(
    (column) => `, ${strictRead(reading, column.type, ident(column.name))} AS ${ident(column.name)}`,
  );
  const empty = batch.emptyKeys.map((key) => ` AND (${ident(key)} IS NULL OR error('a first value')::BOOLEAN)`);
  const copy = copySliceSql({
    source: `SELECT ${own("rn")}, "event_time"${values.join("")} FROM (SELECT row_number() OVER () - 2 AS ${own("rn")}, * FROM ${read}) WHERE ${own("rn")} >= 0${empty.join("")}`,
    columns: batch.columns,
    time: eventTimeSql(batch.eventTime, batch.columns),
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

async function writeFirstLine(reading: Reading, { path, columns, emptyKeys, headBytes }: Batch): Promise<void> {
  const line = Buffer.from(JSON.stringify(sampleLine(reading, columns, emptyKeys)));
  if (line.length >= headBytes) throw new FastPathEnded("too many columns for the head of the file");
  const head = Buffer.alloc(headBytes, " ");
  line.copy(head);
  head[head.length - 1] = 10;
  await using file = await open(path, "r+");
  await file.write(head, 0, head.length, 0);
}

function sampleLine(
  reading: Reading,
  columns: readonly Column[],
  emptyKeys: readonly string[],
): Record<string, unknown> {
  return Object.fromEntries([
    ["event_time", "x"],
    ...columns.map((column) => [column.name, sampleRead(reading, column.type)]),
    ...emptyKeys.map((key) => [key, "x"]),
  ]);
}
