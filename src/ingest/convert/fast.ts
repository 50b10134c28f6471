import { createReadStream } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import type { TraceId } from "../../base/index.ts";
import type { Batch, ConvertContext, Converted } from "./batch.ts";
import { LineCounter } from "./lines.ts";
import { ident, literal } from "./quote.ts";
import { copySliceSql } from "./slice-sql.ts";
import type { Column } from "./types.ts";
import { sampleValue, strict } from "./values.ts";

const longestObject = 64 << 20;

/**
 * The fast path of NDJSON: one COPY straight from the text. Strict throughout: an unknown key, a value that does not fit its
 * column exactly, a broken line fail the statement, and the exact path takes the batch.
 *
 * DuckDB is given no columns, since it then ignores unknown keys without a word; it detects them from the first line alone
 * (`sample_size = 1`), which is ours and has just the wanted keys, and so fails on any other key.
 */
export async function convertFast(batch: Batch, context: ConvertContext): Promise<Converted> {
  const input = `${batch.workPath}.ndjson`;
  const output = `${batch.workPath}.parquet`;
  const counts = await writeInput(batch, input);
  const rows = counts.reduce((sum, count) => sum + count, 0);
  const read = `read_json(${literal(input)}, format = 'newline_delimited', sample_size = 1, maximum_object_size = ${longestObject})`;
  const values = batch.columns.map((column) => `${strict(column.type, ident(column.name))} AS ${ident(column.name)}`);
  const hasEventTime = batch.eventTime === null;
  const eventTime = hasEventTime ? [`CAST("event_time" AS TIMESTAMPTZ) AS "event_time"`] : [];
  const source = `SELECT ${["rn", ...eventTime, ...values].join(", ")} FROM (SELECT row_number() OVER () - 2 AS rn, * FROM ${read}) WHERE rn >= 0`;
  const copy = copySliceSql({
    source,
    columns: batch.columns,
    hasEventTime,
    eventTime: batch.eventTime,
    systemTimeMs: batch.systemTime,
    firstOffset: batch.firstOffset,
    output,
  });
  const count = { sql: `SELECT count(*) AS n FROM read_parquet(${literal(output)})`, rows: true };
  const [, counted] = await context.engine.script(
    { traceId: "" as TraceId, label: "ingest", statements: [{ sql: copy }, count] },
    context.signal,
  );
  if (Number(counted?.[0]?.n) !== rows) throw new Error("the fast path read another number of rows");
  const shares = counts.map((lines) => ({ rows: lines, quarantined: 0, reasons: [] }));
  return {
    columns: batch.columns,
    rows,
    slicePath: rows === 0 ? null : output,
    quarantinePath: null,
    quarantined: 0,
    shares,
  };
}

/** Our first line and all bodies one after another; tells how many rows each body has. */
async function writeInput(batch: Batch, path: string): Promise<number[]> {
  await using file = await open(path, "w", 0o600);
  await file.write(`${JSON.stringify(sampleLine(batch.columns, batch.eventTime === null))}\n`);
  const counts: number[] = [];
  for (const entry of batch.entries) counts.push(await appendBody(file, entry.path));
  return counts;
}

function sampleLine(columns: readonly Column[], withEventTime: boolean): Record<string, unknown> {
  const sample = Object.fromEntries(columns.map((column) => [column.name, sampleValue(column.type)]));
  return withEventTime ? { ...sample, event_time: "x" } : sample;
}

async function appendBody(file: FileHandle, path: string): Promise<number> {
  const counter = new LineCounter();
  let last = 10;
  for await (const data of createReadStream(path, { highWaterMark: 4 << 20 })) {
    const chunk: Buffer = data;
    counter.push(chunk);
    await file.write(chunk);
    last = chunk.at(-1) ?? last;
  }
  if (last !== 10) await file.write("\n");
  return counter.end();
}
