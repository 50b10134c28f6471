import type { Chance, Scheduler } from "../world/scheduler.ts";
import { Blocked, conflicts, type LockMode, PostgresError, type Row, Transaction } from "./transaction.ts";
import { View } from "./view.ts";

/** What a statement answers, rows and their number. */
export interface Answer {
  readonly rows: readonly Row[];
  readonly count: number;
}
export type Handler = (view: View, values: readonly unknown[]) => Answer;

/** As `connect` sets it. */
const idleInTransactionMs = 20_000;

/**
 * PostgreSQL as the rooms use it: tables, transactions at READ COMMITTED, row and advisory locks, deadlock detection,
 * sequences, notifications. Each statement is a function over a view (`statements/`); the suite in conformance.test.ts runs
 * the same histories against the real server and this one.
 */
export class Database {
  #tables = new Map<string, Map<string, Row>>();
  readonly sequences = new Map<string, number>();
  readonly #locks = new Map<string, Set<Transaction>>();
  readonly #listeners = new Set<{ readonly channel: string; readonly wake: (payload: string) => void }>();
  readonly #open = new Set<Transaction>();
  readonly #scheduler: Scheduler;
  readonly #chance: Chance;
  isAway = false;

  constructor(scheduler: Scheduler, chance: Chance) {
    this.#scheduler = scheduler;
    this.#chance = chance;
  }

  get nowMs(): number {
    return Date.parse("2030-01-01T00:00:00Z") + Math.floor(this.#scheduler.nowMs);
  }

  committed(table: string): Map<string, Row> {
    const known = this.#tables.get(table);
    if (known !== undefined) return known;
    const made = new Map<string, Row>();
    this.#tables.set(table, made);
    return made;
  }

  next(sequence: string): number {
    const value = (this.sequences.get(sequence) ?? 0) + 1;
    this.sequences.set(sequence, value);
    return value;
  }

  /** The transaction that holds what stands against a lock. */
  holder(name: string, mode: LockMode, asking: Transaction): Transaction | null {
    for (const other of this.#locks.get(name) ?? []) {
      const held = other.locks.get(name);
      if (other !== asking && held !== undefined && conflicts(held, mode)) return other;
    }
    return null;
  }

  /** Another transaction that has changed a row and not ended. */
  writer(table: string, key: string, asking: Transaction): Transaction | null {
    for (const other of this.#open) if (other !== asking && other.writes.get(table)?.has(key) === true) return other;
    return null;
  }

  begin(owner: unknown): Transaction {
    const transaction = new Transaction(owner);
    this.#open.add(transaction);
    return transaction;
  }

  /** A transaction of several statements, which is undone when its client leaves it alone (a setting of `connect`). */
  beginLong(owner: unknown): Transaction {
    const transaction = this.begin(owner);
    this.#watchIdle(transaction);
    return transaction;
  }

  #watchIdle(transaction: Transaction): void {
    transaction.activeMs = this.#scheduler.nowMs;
    transaction.forgetIdle();
    if (transaction.mayIdle) return;
    transaction.forgetIdle = this.#scheduler.after(idleInTransactionMs, null, () => this.rollback(transaction));
  }

  /** Runs a statement in a transaction, waiting for locks. @throws PostgresError, which fails the transaction */
  async execute(transaction: Transaction, handler: Handler, values: readonly unknown[]): Promise<Answer> {
    for (;;) {
      if (transaction.state === "failed") throw new PostgresError("25P02", "current transaction is aborted");
      if (transaction.state === "ended") throw new PostgresError("57P01", "the connection is gone");
      const view = new View(this, transaction);
      try {
        const answer = handler(view, values);
        this.#keep(transaction, view);
        if (transaction.activeMs > 0) this.#watchIdle(transaction);
        return answer;
      } catch (error) {
        if (!(error instanceof Blocked)) {
          transaction.state = "failed";
          throw error;
        }
        // Locks that the statement took before it met another's stay taken, as they do there.
        this.#lock(transaction, view.taken);
        transaction.forgetIdle(); // who waits for a lock is not idle
        await this.#wait(transaction, error.by);
      }
    }
  }

  commit(transaction: Transaction): void {
    if (transaction.state !== "open") throw new PostgresError("57P01", "the connection is gone");
    for (const [table, layer] of transaction.writes) {
      const rows = this.committed(table);
      for (const [key, row] of layer) {
        if (row === null) rows.delete(key);
        else rows.set(key, row);
      }
    }
    for (const { channel, payload } of transaction.notifications) {
      for (const listener of this.#listeners) if (listener.channel === channel) listener.wake(payload);
    }
    this.#end(transaction);
  }

  rollback(transaction: Transaction): void {
    if (transaction.state !== "ended") this.#end(transaction);
  }

  listen(channel: string, wake: (payload: string) => void): () => void {
    const listener = { channel, wake };
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** The server ends: every open transaction is undone, every connection is lost. */
  goAway(): void {
    this.isAway = true;
    for (const transaction of [...this.#open]) this.rollback(transaction);
  }

  comeBack(): void {
    this.isAway = false;
  }

  /** A process is gone, and its connections with it. */
  dropConnections(owner: unknown): void {
    for (const transaction of [...this.#open]) if (transaction.owner === owner) this.rollback(transaction);
  }

  /** All that is committed now: for a backup, and to compare. */
  backup(): { tables: Map<string, Map<string, Row>>; sequences: Map<string, number> } {
    return {
      tables: new Map([...this.#tables].map(([name, rows]) => [name, new Map(rows)])),
      sequences: new Map(this.sequences),
    };
  }

  /** The server is put back to what it was; ask it while it is away. */
  restore({ tables, sequences }: ReturnType<Database["backup"]>): void {
    this.#tables = new Map([...tables].map(([name, rows]) => [name, new Map(rows)]));
    this.sequences.clear();
    for (const [name, value] of sequences) this.sequences.set(name, value);
  }

  #keep(transaction: Transaction, view: View): void {
    this.#lock(transaction, view.taken);
    for (const [table, layer] of view.writes) {
      const own = transaction.writes.get(table) ?? new Map<string, Row | null>();
      for (const [key, row] of layer) own.set(key, row);
      transaction.writes.set(table, own);
    }
    transaction.notifications.push(...view.notifications);
  }

  #lock(transaction: Transaction, taken: ReadonlyMap<string, LockMode>): void {
    for (const [name, mode] of taken) {
      const before = transaction.locks.get(name);
      if (before === undefined || before === "key share" || mode === "update") transaction.locks.set(name, mode);
      const holders = this.#locks.get(name) ?? new Set();
      holders.add(transaction);
      this.#locks.set(name, holders);
    }
  }

  async #wait(transaction: Transaction, by: Transaction): Promise<void> {
    for (let at: Transaction | null = by; at !== null; at = at.waitsFor) {
      if (at !== transaction) continue;
      transaction.state = "failed";
      throw new PostgresError("40P01", "deadlock detected");
    }
    transaction.waitsFor = by;
    await new Promise<void>((resolve) => {
      by.waiters.push(resolve);
      transaction.waiters.push(resolve); // it may be ended itself
    });
    transaction.waitsFor = null;
  }

  #end(transaction: Transaction): void {
    transaction.state = "ended";
    transaction.forgetIdle();
    this.#open.delete(transaction);
    for (const name of transaction.locks.keys()) {
      const holders = this.#locks.get(name);
      holders?.delete(transaction);
      if (holders?.size === 0) this.#locks.delete(name);
    }
    // Who waited goes on in an order that nobody chose.
    const waiters = transaction.waiters.splice(0);
    while (waiters.length > 0) {
      const [next] = waiters.splice(this.#chance.whole(0, waiters.length - 1), 1);
      next?.();
    }
  }
}
