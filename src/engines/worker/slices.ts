import type { DuckDBConnection, DuckDBMaterializedResult } from "@duckdb/node-api";
import type { ColumnStatistics, EngineRow, ScriptStatement, SliceOffsets } from "../contract.ts";
import { jsonRows } from "./encode/lines.ts";
import { failureOf, JobFailure } from "./failure.ts";
import type { Interruptible } from "./interruptible.ts";
import { literal, uniqueNames } from "./names.ts";
import { bindParameters } from "./parameters.ts";

const mostRows = 100_000;

/** Of each top-level column, from the file's metadata: null counts added up, least and greatest over the row groups. */
export async function columnStatistics(
  connection: DuckDBConnection,
  path: string,
  running: Interruptible,
): Promise<ColumnStatistics[]> {
  const source = `read_parquet(${literal(path)})`;
  return await running.on(connection, async () => {
    const described = (await connection.runAndReadAll(`DESCRIBE SELECT * FROM ${source}`)).getRowsJson();
    const found = await connection.runAndReadAll(`
      SELECT path_in_schema, sum(stats_null_count)::BIGINT::VARCHAR FROM parquet_metadata(${literal(path)}) GROUP BY path_in_schema`);
    const nulls = new Map(
      found.getRowsJson().map(([column, count]) => [String(column), count === null ? null : Number(count)] as const),
    );
    const bounds = await readBounds(
      connection,
      path,
      described.map((row) => [String(row[0]), String(row[1])] as const),
    );
    return described.map((row) => {
      const column = String(row[0]);
      return {
        column,
        type: String(row[1]),
        nullCount: nulls.get(column) ?? null,
        min: bounds.get(column)?.min ?? null,
        max: bounds.get(column)?.max ?? null,
      };
    });
  });
}

/** Least and greatest over the row groups, compared as the column's type. Text bounds may be cut, so they are left out. */
async function readBounds(connection: DuckDBConnection, path: string, columns: readonly (readonly [string, string])[]) {
  const comparable = columns.filter(([, type]) =>
    /^(U?(TINY|SMALL|BIG)?INT(EGER)?|FLOAT|DOUBLE|DATE|TIMESTAMP.*|DECIMAL.*)$/.test(type),
  );
  const bounds = new Map<string, { min: string; max: string }>();
  if (comparable.length === 0) return bounds;
  const selects = comparable.map(
    ([
      column,
      type,
    ]) => `SELECT ${literal(column)} AS c, min(TRY_CAST(stats_min_value AS ${type}))::VARCHAR AS lo, max(TRY_CAST(stats_max_value AS ${type}))::VARCHAR AS hi,
      bool_and(stats_null_count = num_values OR (TRY_CAST(stats_min_value AS ${type}) IS NOT NULL AND TRY_CAST(stats_max_value AS ${type}) IS NOT NULL)) AS known
      FROM m WHERE path_in_schema = ${literal(column)}`,
  );
  const sql = `WITH m AS (SELECT path_in_schema, stats_min_value, stats_max_value, stats_null_count, num_values FROM parquet_metadata(${literal(path)})) ${selects.join(" UNION ALL ")}`;
  for (const [column, lo, hi, known] of (await connection.runAndReadAll(sql)).getRowsJson()) {
    if (known === true && typeof lo === "string" && typeof hi === "string")
      bounds.set(String(column), { min: lo, max: hi });
  }
  return bounds;
}

export async function readOffsets(
  connection: DuckDBConnection,
  path: string,
  running: Interruptible,
): Promise<SliceOffsets> {
  const read = await running.on(connection, () =>
    connection.runAndReadAll(`
      SELECT count(*), min(start), max(start), count(start) = count(*)
      FROM (SELECT "offset"::BIGINT - file_row_number AS start FROM read_parquet(${literal(path)}, file_row_number = true))`),
  );
  const [rows, least, greatest, allThere] = read.getRowsJson()[0] ?? [];
  const first = least === null || least === undefined ? null : Number(least);
  return { rows: Number(rows ?? 0), first, gapFree: least === greatest && allThere === true };
}

/** Trusted statements in order. @throws JobFailure with the first failing statement's own error */
export async function runScript(
  connection: DuckDBConnection,
  statements: readonly ScriptStatement[],
  running: Interruptible,
): Promise<EngineRow[][]> {
  const results: EngineRow[][] = [];
  for (const { sql, parameters, rows } of statements) {
    try {
      results.push(
        await running.on(connection, async () => {
          const prepared = await connection.prepare(sql);
          try {
            if (parameters !== undefined) await bindParameters(connection, prepared, parameters);
            if (rows !== true) {
              await prepared.run();
              return [];
            }
            return rowsOf(await prepared.run());
          } finally {
            prepared.destroySync();
          }
        }),
      );
    } catch (error) {
      throw new JobFailure(failureOf(error, sql));
    }
  }
  return results;
}

/** Rows as values, by way of the same text that the `json` format has. */
function rowsOf(result: DuckDBMaterializedResult): EngineRow[] {
  if (result.rowCount > mostRows)
    throw new JobFailure({ code: "result_too_large", message: "A script's rows are too many." });
  const types = result.columnTypes();
  const columns = uniqueNames(result.columnNames()).map((name, i) => ({
    name,
    type: types[i] ?? result.columnType(0),
  }));
  const rows: EngineRow[] = [];
  for (let index = 0; index < result.chunkCount; index++) {
    const chunk = result.getChunk(index);
    const read: EngineRow[] = JSON.parse(`[${jsonRows(chunk, chunk.rowCount, columns, ",")}]`);
    rows.push(...read);
  }
  return rows;
}
