import { asMillraceError, type Clock, delay, type Logger, MillraceError, type Random } from "../../base/index.ts";
import { type EmbeddedServer, startEmbedded } from "./embedded.ts";
import { migrate } from "./migrate.ts";
import { connect } from "./pool.ts";
import type { Sql } from "./sql.ts";

export interface Postgres extends AsyncDisposable {
  readonly sql: Sql;
  readonly url: string;
  readonly kind: "embedded" | "external";
}

export interface PostgresOptions {
  /** A server of the user's own, or the folder of ours (absolute). */
  readonly server:
    | { readonly kind: "external"; readonly url: string }
    | { readonly kind: "embedded"; readonly directory: string };
  readonly maxConnections?: number;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly signal?: AbortSignal;
}

const patienceMs = 60_000;

/** Connects, starting our own server where none is given, and migrates. @throws unavailable, unsupported_version */
export async function openPostgres(options: PostgresOptions): Promise<Postgres> {
  const { server, clock, random, log, signal } = options;
  const embedded: EmbeddedServer | null =
    server.kind === "embedded"
      ? await startEmbedded({ directory: server.directory, clock, random, log, ...(signal ? { signal } : {}) })
      : null;
  const url = embedded?.url ?? (server.kind === "external" ? server.url : "");
  const sql = connect(url, options.maxConnections ?? 12, clock);
  try {
    if (embedded === null) await migrate(sql, log);
    else await migrateOnceThere(sql, options);
  } catch (error) {
    await sql.end({ timeoutMs: 1_000 });
    await embedded?.[Symbol.asyncDispose]();
    throw error instanceof MillraceError
      ? error
      : new MillraceError("unavailable", "The PostgreSQL server cannot be used.", {
          hint: "Is the setting `postgres.url` right, and may its user create tables?",
          cause: error,
        });
  }
  return {
    sql,
    url,
    kind: server.kind,
    async [Symbol.asyncDispose]() {
      await sql.end({ timeoutMs: 5_000 });
      await embedded?.[Symbol.asyncDispose]();
    },
  };
}

/** One that was adopted may be about to end, and is started again by its keeper: that is waited for. */
async function migrateOnceThere(sql: Sql, { clock, log, signal }: PostgresOptions): Promise<void> {
  const untilMs = clock.monotonicMs() + patienceMs;
  for (;;) {
    try {
      return await migrate(sql, log);
    } catch (error) {
      if (asMillraceError(error).code !== "unavailable" || clock.monotonicMs() > untilMs) throw error;
      log.warn("PostgreSQL does not answer yet; it is tried again", { error });
      await delay(clock, 250, signal);
    }
  }
}
