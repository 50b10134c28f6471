import postgres, { type Sql } from "postgres";
import { asMillraceError, type Clock, delay, type Logger, MillraceError, type Random } from "../../base/index.ts";
import { type EmbeddedServer, startEmbedded } from "./embedded.ts";
import { migrate } from "./migrate.ts";

/**
 * postgres.js, because it binds every parameter by construction, pipelines, and brings LISTEN and reserved connections;
 * kysely would add a builder over SQL that we keep one statement a file anyway.
 */
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
  const sql = connect(url, options.maxConnections ?? 12);
  try {
    if (embedded === null) await migrate(sql, log);
    else await migrateOnceThere(sql, options);
  } catch (error) {
    await sql.end({ timeout: 1 });
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
      await sql.end({ timeout: 5 });
      await embedded?.[Symbol.asyncDispose]();
    },
  };
}

/**
 * A server that was frozen in the middle of a transaction would hold its locks for as long, the order of all events among
 * them, and every other server would stand still. Behind this its transaction is undone; transactions here never wait so long.
 */
const idleInTransactionMs = 20_000;

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

/** A pool of connections to a database. */
export function connect(url: string, maxConnections: number): Sql {
  return postgres(url, {
    max: maxConnections,
    idle_timeout: 60,
    connect_timeout: 15,
    // Seconds between attempts while the server is away: who waits for an answer is told soon, and is served soon after.
    backoff: (attempts) => Math.min(1, 3 ** attempts / 100),
    onnotice: () => {},
    connection: {
      application_name: "millrace",
      TimeZone: "UTC",
      idle_in_transaction_session_timeout: idleInTransactionMs,
    },
  });
}
