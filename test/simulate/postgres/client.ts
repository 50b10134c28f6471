import { Semaphore } from "../../../src/base/index.ts";
import type { Sql } from "../../../src/storage/index.ts";
import type { Link } from "../world/link.ts";
import type { Actor, Chance, Scheduler } from "../world/scheduler.ts";
import { knowBusAndTasks } from "./bus-and-tasks.ts";
import { knowChainsAndReceipts } from "./chains-and-receipts.ts";
import type { Answer, Database } from "./database.ts";
import { knowDefinitions } from "./definitions.ts";
import { handlerOf, isTemplate, Json, Rows } from "./statements.ts";
import { PostgresError, type Transaction } from "./transaction.ts";

knowBusAndTasks();
knowChainsAndReceipts();
knowDefinitions();

export interface ClientOptions {
  readonly database: Database;
  readonly link: Link;
  readonly scheduler: Scheduler;
  readonly owner: Actor;
  readonly chance: Chance;
  readonly connections: number;
  /** How often a connection breaks, a statement: before it, or when it was run and nobody has heard of it. */
  readonly breaks: () => number;
}

/** A process's pool of connections, as much of it as the rooms use. */
export function connectSimulated(options: ClientOptions): Sql {
  const pool = new Pool(options);
  const sql = statementsIn(async (template, values) => {
    using _connection = await pool.acquire();
    const transaction = options.database.begin(options.owner);
    return await pool.run(transaction, template, values, true);
  });
  const whole = Object.assign(sql, {
    begin: <Result>(work: (transaction: unknown) => Promise<Result>) => pool.begin(work),
    listen: (channel: string, wake: (payload: string) => void) => pool.listen(channel, wake),
    end: async () => {},
  });
  // The rooms use no other member of it; one that they came to use would be missing, and the simulation would tell.
  return whole as unknown as Sql;
}

type Runner = (template: TemplateStringsArray, values: readonly unknown[]) => Promise<Answer>;

/** `sql` as a template tag and a maker of helpers. */
export function statementsIn(run: Runner) {
  const tag = (first: unknown, ...rest: unknown[]): unknown => {
    if (!isTemplate(first)) return new Rows(Array.isArray(first) ? first : [first]);
    return run(first, rest).then(({ rows, count }) => Object.assign([...rows], { count }));
  };
  return Object.assign(tag, { json: (value: unknown) => new Json(value) });
}

class Pool {
  readonly #options: ClientOptions;
  readonly #free: Semaphore;

  constructor(options: ClientOptions) {
    this.#options = options;
    this.#free = new Semaphore(options.connections);
  }

  acquire(): Promise<Disposable> {
    return this.#free.acquire();
  }

  async begin<Result>(work: (transaction: unknown) => Promise<Result>): Promise<Result> {
    const { database, owner } = this.#options;
    using _connection = await this.acquire();
    const transaction = database.beginLong(owner);
    await this.#arrive(transaction, "BEGIN");
    try {
      const sql = statementsIn((template, values) => this.run(transaction, template, values, false));
      const result = await work(sql);
      await this.#commit(transaction);
      return result;
    } catch (error) {
      if (transaction.state !== "ended") {
        await this.#arrive(transaction, "ROLLBACK").catch(() => {});
        database.rollback(transaction);
      }
      throw error;
    }
  }

  /** A statement there and its answer back. Alone it is its own transaction. */
  async run(
    transaction: Transaction,
    template: TemplateStringsArray,
    values: readonly unknown[],
    alone: boolean,
  ): Promise<Answer> {
    const { database, chance, breaks } = this.#options;
    const handler = handlerOf(template);
    await this.#arrive(transaction, "a statement");
    try {
      const answer = await database.execute(transaction, handler, values);
      if (alone) database.commit(transaction);
      if (chance.happens(breaks())) {
        database.rollback(transaction);
        throw connectionLost();
      }
      return answer;
    } catch (error) {
      if (alone) database.rollback(transaction);
      throw error;
    } finally {
      await this.#way();
    }
  }

  async #commit(transaction: Transaction): Promise<void> {
    const { database, chance, breaks } = this.#options;
    await this.#arrive(transaction, "COMMIT");
    if (transaction.state === "failed") {
      database.rollback(transaction);
      throw new PostgresError("25P02", "current transaction is aborted");
    }
    database.commit(transaction);
    await this.#way();
    if (chance.happens(breaks())) throw connectionLost();
  }

  async listen(channel: string, wake: (payload: string) => void): Promise<{ unlisten: () => Promise<void> }> {
    const { database, link, scheduler, owner } = this.#options;
    await this.#way();
    if (link.isDown) throw connectionLost();
    const forget = database.listen(channel, (payload) => {
      // A notification that finds no way is lost.
      if (!link.isDown) scheduler.after(link.wayMs(), owner, () => wake(payload));
    });
    return { unlisten: async () => forget() };
  }

  /** The way to the server. @throws the connection's error where there is none, and the transaction is undone */
  async #arrive(transaction: Transaction, what: string): Promise<void> {
    const { database, link, chance, breaks, scheduler, owner } = this.#options;
    await this.#way();
    if (owner.state === "dead" || link.isDown || transaction.state === "ended" || chance.happens(breaks())) {
      database.rollback(transaction);
      await scheduler.sleep(chance.skewed(1, 2_000), owner);
      throw link.unknown(what);
    }
  }

  #way(): Promise<void> {
    const { scheduler, link, owner } = this.#options;
    return scheduler.sleep(link.wayMs(), owner);
  }
}

export function connectionLost(): Error {
  return new PostgresError("CONNECTION_LOST", "The connection to PostgreSQL is gone: simulated.");
}
