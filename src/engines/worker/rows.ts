import type { DuckDBConnection, DuckDBDataChunk, DuckDBMaterializedResult, DuckDBResult } from "@duckdb/node-api";
import type { TextQuery } from "../protocol/index.ts";
import { rawVector } from "./columns.ts";
import type { TypedColumn } from "./encode/lines.ts";
import { failureOf, JobFailure } from "./failure.ts";
import type { Interruptible } from "./interruptible.ts";
import { uniqueNames } from "./names.ts";
import { bindParameters } from "./parameters.ts";
import { prepareReading, prepareWrapped, runWrapped } from "./statement.ts";

/** A statement's rows in their order, each source with its own way to know that they are whole. */
export interface RowSource {
  readonly columns: readonly TypedColumn[];
  /** The first `rows` rows of each chunk are meant. Fails where rows are missing. */
  readonly batches: AsyncIterable<{ readonly chunk: DuckDBDataChunk; readonly rows: number }>;
}

/** A streamed result ended without its mark: rows are missing, or their order is not kept. */
export class UnmarkedEnd extends Error {}

/** DuckDB runs the whole statement before the first row is handed over, so an error is thrown. For few rows. */
export async function wholeRows(
  connection: DuckDBConnection,
  job: TextQuery,
  limit: number,
): Promise<RowSource & { readonly count: number }> {
  const result = await runWrapped(connection, job, "SELECT * FROM (", `) LIMIT ${limit}`);
  return { ...taken(result), count: result.rowCount };
}

/** The plan of an EXPLAIN, which cannot stand in a subquery. */
export async function planRows(connection: DuckDBConnection, job: TextQuery): Promise<RowSource> {
  const prepared = await prepareReading(connection, job.sql);
  try {
    await bindParameters(connection, prepared, job.parameters);
    return taken(await prepared.run());
  } finally {
    prepared.destroySync();
  }
}

function taken(result: DuckDBMaterializedResult): RowSource {
  async function* batches() {
    for (let index = 0; index < result.chunkCount; index++) {
      const chunk = result.getChunk(index);
      yield { chunk, rows: chunk.rowCount };
    }
  }
  return { columns: columnsOf(result), batches: batches() };
}

/**
 * Streams the rows, so that a result of any length takes little memory. DuckDB ends a streamed result without a word when
 * an error comes in its middle; so one more row stands behind the last, and an end without it is no end. BY NAME fills the
 * mark's other columns, so that the statement is bound once; one that repeats a name cannot be united so.
 */
export async function markedRows(
  connection: DuckDBConnection,
  job: TextQuery,
  limit: number | null,
  running: Interruptible,
): Promise<RowSource> {
  const cut = limit === null ? ")" : `) LIMIT ${limit}`;
  const before = `(SELECT *, false AS ${markName} FROM (`;
  const prepared = await prepareWrapped(
    connection,
    job.sql,
    before,
    `${cut}) UNION ALL BY NAME (SELECT true AS ${markName})`,
  );
  try {
    await bindParameters(connection, prepared, []);
    const result = await prepared.stream();
    const width = result.columnCount - 1;
    return { columns: columnsOf(result).slice(0, width), batches: untilMark(result, width, running) };
  } catch (error) {
    const failure = failureOf(error, job.sql, before);
    throw failure.code === "sql_binding" ? new UnmarkedEnd() : new JobFailure(failure);
  } finally {
    prepared.destroySync();
  }
}

const markName = '"millrace end"';

async function* untilMark(result: DuckDBResult, width: number, running: Interruptible) {
  let ended = false;
  for (;;) {
    const chunk = await result.fetchChunk();
    running.check();
    if (chunk === null || chunk.rowCount === 0) break;
    const at = rawVector(chunk, width, chunk.rowCount, 1).data.indexOf(1);
    if (ended || (at >= 0 && at !== chunk.rowCount - 1)) throw new UnmarkedEnd();
    ended = at >= 0;
    yield { chunk, rows: ended ? at : chunk.rowCount };
  }
  if (!ended) throw new UnmarkedEnd();
}

/** Keeps the rows in a temporary table first, which may spill: an error is thrown, and the table's count is known. */
export async function storedRows(
  connection: DuckDBConnection,
  job: TextQuery,
  limit: number | null,
  running: Interruptible,
): Promise<RowSource> {
  const cut = limit === null ? ")" : `) LIMIT ${limit}`;
  const made = await runWrapped(connection, job, "CREATE OR REPLACE TEMP TABLE stored_rows AS SELECT * FROM (", cut);
  const count = Number(made.getChunk(0).getColumnVector(0).getItem(0));
  const result = await connection.stream("FROM stored_rows");
  return { columns: columnsOf(result), batches: untilCount(result, count, running) };
}

async function* untilCount(result: DuckDBResult, count: number, running: Interruptible) {
  let rows = 0;
  for (;;) {
    const chunk = await result.fetchChunk();
    running.check();
    if (chunk === null || chunk.rowCount === 0) break;
    rows += chunk.rowCount;
    yield { chunk, rows: chunk.rowCount };
  }
  if (rows !== count) throw new JobFailure({ code: "internal", message: "The result could not be read back." });
}

function columnsOf(result: DuckDBResult): TypedColumn[] {
  const types = result.columnTypes();
  return uniqueNames(result.columnNames()).map((name, index) => ({ name, type: types[index] ?? result.columnType(0) }));
}
