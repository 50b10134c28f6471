import type { DuckDBConnection, DuckDBInstance, DuckDBMaterializedResult } from "@duckdb/node-api";
import { attachedDatabase, type EngineRow, type WrittenSlice } from "../contract.ts";
import type { ScriptJob } from "../protocol/index.ts";
import { jsonRows } from "./encode/lines.ts";
import { failureOf, JobFailure } from "./failure.ts";
import type { Interruptible } from "./interruptible.ts";
import { literal, uniqueNames } from "./names.ts";
import { bindParameters } from "./parameters.ts";
import { columnStatistics } from "./slices.ts";

const mostRows = 100_000;

/** Trusted statements in order. @throws JobFailure with the first failing statement's own error */
export async function runScript(
  connection: DuckDBConnection,
  { statements, attach }: ScriptJob,
  running: Interruptible,
): Promise<EngineRow[][]> {
  if (attach === null) return await runStatements(connection, statements, running);
  await attachDatabase(connection, attach, running);
  try {
    return await runStatements(connection, statements, running);
  } finally {
    await detach(connection);
  }
}

/**
 * A script that writes a slice, and what a commit says of the slice. The database that it attached is written to its file meanwhile, which the disk takes
 * its time for.
 */
export async function writeSlice(
  instance: DuckDBInstance,
  connection: DuckDBConnection,
  { statements, attach, path }: ScriptJob & { readonly path: string },
  running: Interruptible,
): Promise<WrittenSlice> {
  using others = new DisposableStack();
  const another = async () => {
    const opened = await instance.connect();
    others.defer(() => opened.closeSync());
    return opened;
  };
  if (attach !== null) await attachDatabase(connection, attach, running);
  let detached: Promise<void> | null = null;
  try {
    const answers = await runStatements(connection, statements, running);
    if (attach !== null) detached = detach(await another());
    detached?.catch(() => {}); // told below
    const { hashFile } = await import("./hash.ts");
    const [hashes, statistics] = await Promise.all([
      hashFile(connection, path, true, running),
      columnStatistics(await another(), path, running),
    ]);
    return { answers, hashes, statistics };
  } finally {
    if (attach !== null) await (detached ?? detach(connection));
  }
}

async function attachDatabase(connection: DuckDBConnection, file: string, running: Interruptible): Promise<void> {
  const sql = `ATTACH ${literal(file)} AS "${attachedDatabase}" (BLOCK_SIZE 16384)`;
  try {
    await running.on(connection, () => connection.run(sql));
  } catch (error) {
    throw error instanceof JobFailure ? error : new JobFailure(failureOf(error, ""));
  }
}

/** The file is whole then, and free for the next worker. */
async function detach(connection: DuckDBConnection): Promise<void> {
  // Where a statement has failed, its transaction is open still.
  await connection.run("ROLLBACK").catch(() => {});
  try {
    await connection.run(`DETACH "${attachedDatabase}"`);
  } catch (error) {
    throw new JobFailure({ ...failureOf(error, ""), fatal: true });
  }
}

async function runStatements(
  connection: DuckDBConnection,
  statements: ScriptJob["statements"],
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
