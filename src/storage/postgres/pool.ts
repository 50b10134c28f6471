import { Socket } from "node:net";
import pg from "pg";
import { type Clock, systemClock } from "../../base/index.ts";
import { Listener } from "./listener.ts";
import { type Execute, type ReservedSql, type Sql, type Statements, statementsOver } from "./sql.ts";

/** A connection that is gone, or that could not be had. Whether its last statement was run is not known. */
class ConnectionLost extends Error {
  readonly code = "CONNECTION_LOST";
}

/**
 * A server that was frozen in the middle of a transaction would hold its locks for as long, the order of all events among
 * them, and every other server would stand still. Behind this its transaction is undone; transactions here never wait so long.
 */
const idleInTransactionMs = 20_000;

/** A connection is made, or becomes free, within this, or who waits for it is told. */
const mostWaitMs = 30_000;

/**
 * A pool of connections to a database. node-postgres, because a connection of it that has died stays dead, and says so to
 * each statement: postgres.js (3.4.9) connects it again beneath a transaction that still runs, and throws where nobody can
 * catch it when one writes before that (porsager/postgres #1208).
 */
export function connect(url: string, maxConnections: number, clock: Clock = systemClock): Sql {
  const pool = new ConnectionPool(url, maxConnections, clock);
  return Object.assign(
    statementsOver((query) => pool.execute(query)),
    {
      begin: <Result>(work: (transaction: Statements) => Promise<Result>) => pool.begin(work),
      reserve: () => pool.reserve(),
      listen: (channel: string, notified: () => void) => pool.listen(channel, notified),
      end: (options?: { readonly timeoutMs?: number }) => pool.end(options?.timeoutMs ?? 5_000),
    },
  );
}

class ConnectionPool {
  readonly #clock: Clock;
  readonly #config: pg.PoolConfig;
  readonly #pool: pg.Pool;
  readonly #sockets = new Set<Socket>();
  /** Who waits for a connection; told when the pool ends. */
  readonly #waiting = new Set<(reason: Error) => void>();
  readonly #listeners = new Set<Listener>();
  #ended: Promise<void> | null = null;

  constructor(url: string, maxConnections: number, clock: Clock) {
    this.#clock = clock;
    this.#config = {
      connectionString: withSettings(url),
      application_name: "millrace",
      connectionTimeoutMillis: mostWaitMs,
      keepAlive: true,
      stream: () => this.#socket(),
    };
    this.#pool = new pg.Pool({ ...this.#config, max: maxConnections, idleTimeoutMillis: 60_000 });
    // What happens to a connection is told to the statement that uses it; one that nobody uses is simply gone.
    this.#pool.on("error", () => {});
    this.#pool.on("connect", (client) => client.on("error", () => {}));
  }

  async execute(query: Parameters<Execute>[0]): ReturnType<Execute> {
    const client = await this.#take();
    try {
      return await run(client, query);
    } finally {
      client.release();
    }
  }

  async begin<Result>(work: (transaction: Statements) => Promise<Result>): Promise<Result> {
    const client = await this.#take();
    const transaction = new Transaction((query) => run(client, query));
    try {
      await run(client, "BEGIN");
      const result = await transaction.done(work);
      await run(client, "COMMIT");
      client.release();
      return result;
    } catch (error) {
      const isUndone = await run(client, "ROLLBACK").then(
        () => true,
        () => false,
      );
      // The server undoes what a closed connection has left.
      client.release(!isUndone);
      throw error;
    }
  }

  async reserve(): Promise<ReservedSql> {
    const client = await this.#take();
    return Object.assign(
      statementsOver((query) => run(client, query)),
      { release: () => client.release() },
    );
  }

  async listen(channel: string, notified: () => void): Promise<{ unlisten(): Promise<void> }> {
    const listener = new Listener({ config: this.#config, channel, notified, clock: this.#clock });
    this.#listeners.add(listener);
    const unlisten = async () => {
      this.#listeners.delete(listener);
      await listener[Symbol.asyncDispose]();
    };
    try {
      await listener.start();
    } catch (error) {
      await unlisten();
      throw told(error);
    }
    return { unlisten };
  }

  end(timeoutMs: number): Promise<void> {
    this.#ended ??= this.#end(timeoutMs);
    return this.#ended;
  }

  async #end(timeoutMs: number): Promise<void> {
    for (const reject of this.#waiting) reject(new ConnectionLost("The pool of connections has been closed."));
    this.#waiting.clear();
    const stop = this.#clock.timer(timeoutMs, () => {
      for (const socket of this.#sockets) socket.destroy();
    });
    await Promise.all([...this.#listeners].map((listener) => listener[Symbol.asyncDispose]()));
    await this.#pool.end();
    await Promise.all([...this.#sockets].map((socket) => new Promise((resolve) => socket.once("close", resolve))));
    stop();
  }

  #take(): Promise<pg.PoolClient> {
    return new Promise((resolve, reject) => {
      this.#waiting.add(reject);
      this.#pool.connect().then(
        (client) => (this.#waiting.delete(reject) ? resolve(client) : client.release()),
        (error: unknown) => {
          this.#waiting.delete(reject);
          reject(told(error));
        },
      );
    });
  }

  /** Each connection's socket is known, so that the end of the pool can wait for it, and can cut it. */
  #socket(): Socket {
    const socket = new Socket();
    this.#sockets.add(socket);
    return socket.once("close", () => this.#sockets.delete(socket));
  }
}

/** Statements run one behind the other. A failed one is remembered: the server has undone all, and COMMIT would not tell. */
class Transaction {
  readonly #execute: Execute;
  #last: Promise<unknown> = Promise.resolve();
  #failure: { readonly error: unknown } | null = null;
  #hasEnded = false;

  constructor(execute: Execute) {
    this.#execute = execute;
  }

  async done<Result>(work: (transaction: Statements) => Promise<Result>): Promise<Result> {
    try {
      const result = await work(statementsOver((query) => this.#next(query)));
      this.#hasEnded = true;
      await this.#last;
      if (this.#failure !== null) throw this.#failure.error;
      return result;
    } finally {
      this.#hasEnded = true;
      await this.#last;
    }
  }

  #next(query: Parameters<Execute>[0]): ReturnType<Execute> {
    if (this.#hasEnded) return Promise.reject(new Error("A statement came after the end of its transaction."));
    const answer = this.#last.then(() => {
      if (this.#failure !== null) throw this.#failure.error;
      return this.#execute(query);
    });
    this.#last = answer.catch((error: unknown) => {
      this.#failure ??= { error };
    });
    return answer;
  }
}

async function run(client: pg.PoolClient, query: Parameters<Execute>[0]): ReturnType<Execute> {
  try {
    return await client.query(query);
  } catch (error) {
    throw told(error);
  }
}

/** An error of the server and one of the system's have codes. The client's own have none: they tell of lost connections. */
function told(error: unknown): unknown {
  const isClients = error instanceof Error && error.constructor === Error && !("code" in error);
  return isClients
    ? new ConnectionLost(`The connection to PostgreSQL is gone: ${error.message}.`, { cause: error })
    : error;
}

/**
 * An address with the settings of every session of ours, behind those that stand in it. What `sslmode` says means what libpq
 * means by it ("SSL Support" of its documentation): `require` encrypts, `verify-full` also proves who answers.
 */
function withSettings(address: string): string {
  const url = new URL(address);
  if (url.searchParams.has("sslmode")) url.searchParams.set("uselibpqcompat", "true");
  const ours = `-c TimeZone=UTC -c idle_in_transaction_session_timeout=${idleInTransactionMs}`;
  url.searchParams.set("options", [url.searchParams.get("options"), ours].filter((part) => part !== null).join(" "));
  return url.href;
}
