import { createReadStream, readFileSync, rmSync, statSync } from "node:fs";
import { type DuckDBConnection, type DuckDBPreparedStatement, StatementType } from "@duckdb/node-api";
import type { ResultColumn } from "../contract.ts";
import type { QueryJob, QueryOutcome } from "../protocol/index.ts";
import { parquetToArrow } from "./arrow-write.ts";
import { failureOf, JobFailure } from "./failure.ts";
import type { Interruptible } from "./interruptible.ts";
import { bindParameters } from "./parameters.ts";
import { jsonProjection, plainProjection, uniqueNames } from "./projection.ts";
import { ResultSink, tooLarge } from "./sink.ts";

const lineFeed = 10;
const comma = 44;
const text = (value: string) => `'${value.replaceAll("'", "''")}'`;

/**
 * Runs a reading statement and encodes its result. DuckDB itself writes the rows, by COPY: its streamed results end without
 * a word when an error comes in their middle, while a COPY fails as a whole. Results then leave as one file, or inline.
 */
export async function runQuery(
  connection: DuckDBConnection,
  job: QueryJob,
  running: Interruptible,
): Promise<QueryOutcome> {
  const startMs = performance.now();
  const described = await describeStatement(connection, job.sql);
  const columns = described.parameters ? await describeBound(connection, job) : described.columns;
  const { explain } = described;
  if (explain) return await explainResult(connection, job, columns, running, startMs);
  const raw = `${job.spoolPath}.rows`;
  try {
    const limited = job.rowLimit === null ? job.sql : `SELECT * FROM (${job.sql}\n) LIMIT ${job.rowLimit + 1}`;
    const written = await copyOut(connection, job, limited, columns, raw, running);
    const rows = job.rowLimit === null ? written : Math.min(written, job.rowLimit);
    const outcome = { columns, rows, truncated: rows < written };
    const body = await encode(connection, job, outcome, raw, startMs, running);
    return { ...outcome, body, elapsedMs: performance.now() - startMs };
  } finally {
    rmSync(raw, { force: true });
    rmSync(`${raw}.cut`, { force: true });
  }
}

/** Columns of a statement that reads, and nothing else. @throws JobFailure sql_refused */
export async function describeStatement(
  connection: DuckDBConnection,
  sql: string,
): Promise<{ columns: ResultColumn[]; explain: boolean; parameters: boolean }> {
  let prepared: DuckDBPreparedStatement;
  try {
    const statements = await connection.extractStatements(sql);
    if (statements.count !== 1) throw new JobFailure({ code: "sql_refused", message: "One statement at a time." });
    prepared = await statements.prepare(0);
  } catch (error) {
    throw new JobFailure(failureOf(error, sql));
  }
  try {
    const explain = prepared.statementType === StatementType.EXPLAIN;
    if (prepared.statementType !== StatementType.SELECT && !explain) {
      throw new JobFailure({ code: "sql_refused", message: "Only statements that read are run here." });
    }
    const count = prepared.columnCount;
    const names = uniqueNames(Array.from({ length: count }, (_, i) => prepared.columnName(i)));
    const columns = names.map((name, i) => ({ name, type: columnType(prepared, i) }));
    return { columns, explain, parameters: prepared.parameterCount > 0 };
  } finally {
    prepared.destroySync();
  }
}

/** Columns of a statement with parameters follow from their values: an empty table made of it tells them. */
async function describeBound(connection: DuckDBConnection, job: QueryJob): Promise<ResultColumn[]> {
  try {
    const made = await connection.prepare(
      `CREATE OR REPLACE TEMP TABLE described AS SELECT * FROM (${job.sql}\n) LIMIT 0`,
    );
    try {
      await bindParameters(connection, made, job.parameters);
      await made.run();
    } finally {
      made.destroySync();
    }
    const rows = (await connection.runAndReadAll("DESCRIBE described")).getRowsJson();
    await connection.run("DROP TABLE described");
    return rows.map((row) => ({ name: String(row[0]), type: String(row[1]) }));
  } catch (error) {
    const { offset: _, ...failure } = failureOf(error, job.sql);
    throw new JobFailure(failure);
  }
}

/** A column that is a bare parameter has no type before its value is bound. */
function columnType(prepared: DuckDBPreparedStatement, index: number): string {
  try {
    return prepared.columnType(index).toString();
  } catch {
    return "UNKNOWN";
  }
}

/** Writes the rows to a file and tells how many. A watch on the file's length bounds it. */
async function copyOut(
  connection: DuckDBConnection,
  job: QueryJob,
  sql: string,
  columns: readonly ResultColumn[],
  file: string,
  running: Interruptible,
): Promise<number> {
  const json = job.format === "json" || job.format === "ndjson";
  const projected = json ? jsonProjection(sql, columns) : plainProjection(sql, columns);
  const options = json
    ? "FORMAT json"
    : job.format === "csv"
      ? "FORMAT csv, HEADER true"
      : "FORMAT parquet, COMPRESSION zstd";
  const watch = setInterval(() => {
    if (fileBytes(file) > job.byteLimit) running.cancel(tooLarge(job.byteLimit));
  }, 50);
  try {
    return await running.on(connection, async () => {
      const prepared = await connection.prepare(`COPY (${projected}) TO ${text(file)} (${options})`);
      try {
        await bindParameters(connection, prepared, job.parameters);
        const result = await prepared.run();
        const chunk = await result.fetchChunk();
        return Number(chunk?.getColumnVector(0).getItem(0) ?? 0);
      } finally {
        prepared.destroySync();
      }
    });
  } catch (error) {
    const failure = failureOf(error, job.sql);
    // Positions in the wrapped text are not the caller's: the describing prepare has already passed the caller's own.
    const { offset: _, ...rest } = failure;
    throw new JobFailure(rest);
  } finally {
    clearInterval(watch);
  }
}

function fileBytes(file: string): number {
  try {
    return statSync(file).size;
  } catch {
    return 0;
  }
}

type Rows = Pick<QueryOutcome, "columns" | "rows" | "truncated">;

async function encode(
  connection: DuckDBConnection,
  job: QueryJob,
  result: Rows,
  raw: string,
  startMs: number,
  running: Interruptible,
) {
  using sink = new ResultSink(job.spoolPath, job.byteLimit);
  switch (job.format) {
    case "json": {
      const head = JSON.stringify({ ...job.envelope, columns: result.columns });
      sink.write(Buffer.from(`${head.slice(0, -1)},"rows":[`));
      await copyLines(raw, result.rows, comma, (bytes) => sink.write(bytes));
      const tail = {
        rowCount: result.rows,
        truncated: result.truncated,
        elapsedMs: Math.round((performance.now() - startMs) * 100) / 100,
      };
      sink.write(Buffer.from(`],${JSON.stringify(tail).slice(1)}\n`));
      return sink.finish();
    }
    case "ndjson":
      await copyLines(raw, result.rows, lineFeed, (bytes) => sink.write(bytes));
      if (result.rows > 0) sink.write(Buffer.from("\n"));
      return sink.finish();
    case "csv":
    case "parquet":
    case "arrow": {
      const whole = result.truncated ? await cutRows(connection, job, raw, result.rows, running) : raw;
      if (job.format === "arrow") await parquetToArrow(connection, whole, result, (bytes) => sink.write(bytes));
      else await copyFile(whole, (bytes) => sink.write(bytes));
      return sink.finish();
    }
  }
}

/** The first `rows` lines of a file, joined by a byte; no byte behind the last. JSON text has no bare line breaks. */
async function copyLines(file: string, rows: number, joint: number, write: (bytes: Uint8Array) => void): Promise<void> {
  if (rows === 0) return;
  let left = rows;
  for await (const chunk of chunksOf(file)) {
    let end = chunk.length;
    for (let at = chunk.indexOf(lineFeed); at >= 0; at = chunk.indexOf(lineFeed, at + 1)) {
      left--;
      if (left === 0) {
        end = at;
        break;
      }
      chunk[at] = joint;
    }
    write(chunk.subarray(0, end));
    if (left === 0) return;
  }
}

async function copyFile(file: string, write: (bytes: Uint8Array) => void): Promise<void> {
  for await (const chunk of chunksOf(file)) write(chunk);
}

/** Small files at once: a stream costs more than their reading. */
async function* chunksOf(file: string): AsyncIterable<Buffer> {
  if (fileBytes(file) <= 1 << 20) yield readFileSync(file);
  else yield* createReadStream(file, { highWaterMark: 1 << 20 });
}

/** Rows beyond a limit come off by a second COPY, of our own file. */
async function cutRows(
  connection: DuckDBConnection,
  job: QueryJob,
  raw: string,
  rows: number,
  running: Interruptible,
): Promise<string> {
  const cut = `${raw}.cut`;
  const source =
    job.format === "csv"
      ? `read_csv(${text(raw)}, all_varchar = true, header = true, delim = ',', quote = '"', escape = '"')`
      : `read_parquet(${text(raw)})`;
  const options = job.format === "csv" ? "FORMAT csv, HEADER true" : "FORMAT parquet, COMPRESSION zstd";
  await running.on(connection, () =>
    connection.run(`COPY (SELECT * FROM ${source} LIMIT ${rows}) TO ${text(cut)} (${options})`),
  );
  return cut;
}

/** A plan: two texts, as every format can say them. */
async function explainResult(
  connection: DuckDBConnection,
  job: QueryJob,
  columns: readonly ResultColumn[],
  running: Interruptible,
  startMs: number,
): Promise<QueryOutcome> {
  const reader = await running.on(connection, () => connection.runAndReadAll(job.sql));
  const values = reader.getRowsJson().map((row) => `(${row.map((value) => text(String(value))).join(", ")})`);
  const names = columns.map((column) => `"${column.name}"`).join(", ");
  const sql = `SELECT * FROM (VALUES ${values.join(", ")}) AS plan(${names})`;
  const outcome = await runQuery(connection, { ...job, sql, parameters: [] }, running);
  return { ...outcome, elapsedMs: performance.now() - startMs };
}
