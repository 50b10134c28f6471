import {
  type DuckDBConnection,
  type DuckDBExtractedStatements,
  type DuckDBMaterializedResult,
  type DuckDBPreparedStatement,
  StatementType,
} from "@duckdb/node-api";
import type { ResultColumn } from "../contract.ts";
import type { TextQuery } from "../protocol/index.ts";
import { typeName } from "./encode/lines.ts";
import { failureOf, JobFailure } from "./failure.ts";
import { uniqueNames } from "./names.ts";
import { bindParameters } from "./parameters.ts";

/**
 * Prepares a caller's statement inside text of ours: `before` + statement + `after`. What is not one statement that reads
 * cannot stand inside a subquery, so the wrapping refuses it; the statement alone then tells why.
 * @throws JobFailure sql_syntax, sql_binding, sql_refused, sql_unsupported
 */
export async function prepareWrapped(
  connection: DuckDBConnection,
  sql: string,
  before: string,
  after: string,
): Promise<DuckDBPreparedStatement> {
  return await wrapped(connection, sql, before, after, (statements) => statements.prepare(0));
}

/**
 * Runs a caller's statement inside text of ours to its end, as `prepareWrapped` would prepare it. Without parameters it is
 * planned once; a prepared statement is planned when it is prepared, and again when it runs, which for a short query over
 * files is most of its time. @throws JobFailure
 */
export async function runWrapped(
  connection: DuckDBConnection,
  job: Pick<TextQuery, "sql" | "parameters" | "isOneStatement">,
  before: string,
  after: string,
): Promise<DuckDBMaterializedResult> {
  if (Object.keys(job.parameters).length === 0) {
    if (job.isOneStatement) return await runAlone(connection, job.sql, before, after);
    return await wrapped(connection, job.sql, before, after, (_, text) => connection.run(text));
  }
  const prepared = await prepareWrapped(connection, job.sql, before, after);
  try {
    await bindParameters(connection, prepared, job.parameters);
    return await prepared.run();
  } catch (error) {
    throw new JobFailure(failureOf(error, job.sql, before));
  } finally {
    prepared.destroySync();
  }
}

async function runAlone(connection: DuckDBConnection, sql: string, before: string, after: string) {
  try {
    return await connection.run(`${before}${sql}\n${after}`);
  } catch (error) {
    throw new JobFailure(failureOf(error, sql, before));
  }
}

async function wrapped<Result>(
  connection: DuckDBConnection,
  sql: string,
  before: string,
  after: string,
  use: (statements: DuckDBExtractedStatements, text: string) => Promise<Result>,
): Promise<Result> {
  // The line break ends a comment that the statement may end in.
  const text = `${before}${withoutEnd(sql)}\n${after}`;
  const statements = await connection.extractStatements(text).catch(() => null);
  if (statements?.count === 1) {
    try {
      return await use(statements, text);
    } catch (error) {
      throw new JobFailure(failureOf(error, sql, before));
    }
  }
  const prepared = await prepareReading(connection, sql);
  prepared.destroySync();
  throw new JobFailure({ code: "sql_unsupported", message: "This statement cannot be run here." });
}

/** Without the semicolons and blanks at its end. (A pattern would try every blank of the text as the first of the last.) */
function withoutEnd(sql: string): string {
  let end = sql.length;
  while (end > 0 && /[;\s]/.test(sql[end - 1] ?? "")) end--;
  return sql.slice(0, end);
}

/** The statement alone. @throws JobFailure as above */
export async function prepareReading(connection: DuckDBConnection, sql: string): Promise<DuckDBPreparedStatement> {
  try {
    const statements = await connection.extractStatements(sql);
    if (statements.count !== 1) throw new JobFailure({ code: "sql_refused", message: "One statement at a time." });
    const prepared = await statements.prepare(0);
    const type = prepared.statementType;
    if (type === StatementType.SELECT || type === StatementType.EXPLAIN) return prepared;
    prepared.destroySync();
  } catch (error) {
    throw new JobFailure(failureOf(error, sql));
  }
  throw new JobFailure({ code: "sql_refused", message: "Only statements that read are run here." });
}

/** Columns of a statement that reads. */
export async function describeStatement(connection: DuckDBConnection, sql: string): Promise<ResultColumn[]> {
  const prepared = await prepareReading(connection, sql);
  try {
    const names = uniqueNames(Array.from({ length: prepared.columnCount }, (_, i) => prepared.columnName(i)));
    return names.map((name, i) => ({ name, type: columnType(prepared, i) }));
  } finally {
    prepared.destroySync();
  }
}

/** A column that is a bare parameter has no type before its value is bound. */
function columnType(prepared: DuckDBPreparedStatement, index: number): string {
  try {
    return typeName(prepared.columnType(index));
  } catch {
    return "UNKNOWN";
  }
}
