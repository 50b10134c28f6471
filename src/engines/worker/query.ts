import type { DuckDBConnection } from "@duckdb/node-api";
import type { QueryBody, QueryOutcome, TextQuery } from "../protocol/index.ts";
import { csvEncoder, type Encoder, jsonEncoder, ndjsonEncoder } from "./encode/encoder.ts";
import { entriesEncoder } from "./encode/entries.ts";
import { typeName } from "./encode/lines.ts";
import { failureOf, JobFailure } from "./failure.ts";
import type { Interruptible } from "./interruptible.ts";
import { parquetResult } from "./parquet.ts";
import { markedRows, planRows, type RowSource, storedRows, UnmarkedEnd, wholeRows } from "./rows.ts";
import { ResultSink } from "./sink.ts";

/** Up to this many rows a result is taken whole. */
const fewRows = 20_000;

/**
 * Runs a reading statement and encodes its result:
 *
 *   parquet --> COPY
 *   else -----> whole, but no more than a few rows
 *                 '--more there--> marked stream --no mark at the end--> stored, which throws what went wrong
 *                                  (with parameters: stored at once)
 *
 * Most results are short, and taking a short one whole is by far the cheapest; a long one pays for its beginning twice.
 */
export async function runQuery(
  connection: DuckDBConnection,
  job: TextQuery,
  running: Interruptible,
): Promise<QueryOutcome> {
  const startMs = performance.now();
  const elapsed = () => performance.now() - startMs;
  const limit = job.rowLimit === null ? null : job.rowLimit + 1;
  return await running.on(connection, async () => {
    try {
      const outcome = await run();
      return { ...outcome, sql: job.sql, elapsedMs: elapsed() };
    } catch (error) {
      running.check();
      throw new JobFailure(failureOf(error, job.sql));
    }
  });

  async function run(): Promise<QueryBody> {
    const isPlan = /^\s*explain\b/i.test(job.sql);
    if (job.format === "parquet" && !isPlan) return await parquetResult(connection, job, running);
    if (isPlan) return await encode(await planRows(connection, job));
    const most = Math.min(limit ?? Number.POSITIVE_INFINITY, fewRows + 1);
    const whole = await wholeRows(connection, job, most);
    if (most === limit || whole.count < most) return await encode(whole);
    if (Object.keys(job.parameters).length > 0) return await encode(await storedRows(connection, job, limit, running));
    try {
      return await encode(await markedRows(connection, job, limit, running));
    } catch (error) {
      running.check();
      if (!(error instanceof UnmarkedEnd)) throw error;
      return await encode(await storedRows(connection, job, limit, running));
    }
  }

  async function encode(source: RowSource): Promise<QueryBody> {
    using sink = new ResultSink(job.spoolPath, job.byteLimit);
    const encoder = await encoderOf(job, elapsed, (bytes) => sink.write(bytes));
    encoder.begin(source.columns);
    let left = job.rowLimit ?? Number.POSITIVE_INFINITY;
    let rows = 0;
    let truncated = false;
    for await (const batch of source.batches) {
      running.check();
      const taken = Math.min(batch.rows, left);
      encoder.rows(batch.chunk, taken);
      left -= taken;
      rows += taken;
      truncated = taken < batch.rows;
      if (truncated) break;
    }
    await encoder.end({ rows, truncated });
    const columns = source.columns.map(({ name, type }) => ({ name, type: typeName(type) }));
    return { columns, rows, truncated, body: sink.finish() };
  }
}

async function encoderOf(job: TextQuery, elapsed: () => number, write: (bytes: Uint8Array) => void): Promise<Encoder> {
  switch (job.format) {
    case "json":
      return jsonEncoder(job.envelope, elapsed, write);
    case "ndjson":
      return ndjsonEncoder(write);
    case "csv":
      return csvEncoder(write);
    case "arrow":
      return (await import("./encode/arrow.ts")).arrowEncoder(write);
    case "entries":
      return entriesEncoder(job.keyColumns, write);
    case "parquet":
      throw new JobFailure({ code: "sql_unsupported", message: "A plan is no Parquet file; ask for json." });
  }
}
