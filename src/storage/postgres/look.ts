import { readFile } from "node:fs/promises";
import path from "node:path";
import { MillraceError } from "../../base/index.ts";
import { runningEmbedded, startEmbedded } from "./embedded.ts";
import { compareMigrations } from "./migrate.ts";
import type { PostgresOptions } from "./open.ts";
import { connect } from "./pool.ts";
import type { Sql } from "./sql.ts";

/** A database as it stands: nothing was made, and no migration applied. */
export interface DatabaseView extends AsyncDisposable {
  readonly sql: Sql;
  /** Migrations of this version that it lacks: a start applies them. */
  readonly lacking: readonly string[];
  /** Those that this version does not know, or knows with another text. */
  readonly foreign: readonly string[];
}

/**
 * Looks at a database without changing it; null where our own one was never made, or its folder is gone.
 * @param beside another process of ours runs on the folder: its server is asked, and neither started nor stopped
 * @throws unavailable
 */
export async function lookAtPostgres(options: PostgresOptions, beside: boolean): Promise<DatabaseView | null> {
  await using held = new AsyncDisposableStack();
  const url = await reach(options, beside, held);
  if (url === null) return null;
  const sql = connect(url, 2, options.clock);
  held.defer(() => sql.end({ timeoutMs: 1_000 }));
  try {
    const compared = await compareMigrations(sql);
    const opened = held.move();
    return { sql, ...compared, [Symbol.asyncDispose]: () => opened.disposeAsync() };
  } catch (cause) {
    throw new MillraceError("unavailable", "The PostgreSQL server does not answer.", { cause });
  }
}

async function reach(
  { server, clock, random, log, signal }: PostgresOptions,
  beside: boolean,
  held: AsyncDisposableStack,
): Promise<string | null> {
  if (server.kind === "external") return server.url;
  const { directory } = server;
  if ((await readFile(path.join(directory, "initialised"), "utf8").catch(() => null)) === null) return null;
  if (!beside)
    return held.use(await startEmbedded({ directory, clock, random, log, ...(signal ? { signal } : {}) })).url;
  const url = await runningEmbedded(directory);
  if (url !== null) return url;
  throw new MillraceError("unavailable", "The server's own PostgreSQL does not run.");
}
