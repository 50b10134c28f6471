import type { DuckDBConnection } from "@duckdb/node-api";

const lookMs = 500;

/**
 * DuckDB counts how far a statement is where its progress bar is on, from two seconds after its begin. The setting is one of
 * the connection, and may be made by this statement alone once the configuration is locked.
 */
export async function countProgress(connection: DuckDBConnection): Promise<DuckDBConnection> {
  await connection.run("PRAGMA enable_progress_bar; PRAGMA disable_print_progress_bar");
  return connection;
}

/** Tells how far the work is, from 0 to 1, as long as it runs. A result that is made in two passes begins once more: that is not told. */
export async function reporting<Result>(
  connection: DuckDBConnection,
  tell: (fraction: number) => void,
  work: () => Promise<Result>,
): Promise<Result> {
  let told = 0;
  const look = setInterval(() => {
    const fraction = Math.min(1, connection.progress.percentage / 100);
    if (!(fraction > told)) return; // -1 where it is not known
    told = fraction;
    tell(fraction);
  }, lookMs);
  try {
    return await work();
  } finally {
    clearInterval(look);
  }
}
