import type { Database } from "./database.ts";
import { Blocked, type LockMode, type Row, type Transaction, type Writes } from "./transaction.ts";

/** The tables as one statement sees them, READ COMMITTED: what was committed when it ran, and its transaction's own. */
export class View {
  readonly #database: Database;
  readonly #transaction: Transaction;
  readonly writes: Writes = new Map();
  readonly taken = new Map<string, LockMode>();
  readonly notifications: { channel: string; payload: string }[] = [];

  constructor(database: Database, transaction: Transaction) {
    this.#database = database;
    this.#transaction = transaction;
  }

  get nowMs(): number {
    return this.#database.nowMs;
  }

  get(table: string, key: string): Row | undefined {
    for (const layer of [this.writes, this.#transaction.writes]) {
      const written = layer.get(table)?.get(key);
      if (written !== undefined) return written ?? undefined;
    }
    return this.#database.committed(table).get(key);
  }

  /** In no order that a statement may rely on. */
  all(table: string): (readonly [string, Row])[] {
    const layers = [this.#transaction.writes.get(table), this.writes.get(table)];
    const committed = this.#database.committed(table);
    if (layers.every((layer) => layer === undefined)) return [...committed];
    const merged = new Map<string, Row | null>(committed);
    for (const layer of layers) for (const [key, row] of layer ?? []) merged.set(key, row);
    return [...merged].flatMap(([key, row]) => (row === null ? [] : [[key, row] as const]));
  }

  rows(table: string): Row[] {
    return this.all(table).map(([, row]) => row);
  }

  put(table: string, key: string, row: Row): void {
    this.lock(`${table} ${key}`, this.get(table, key) === undefined ? "update" : "no key update");
    this.#write(table, key, row);
  }

  /** Whether there was one. */
  delete(table: string, key: string): boolean {
    if (this.get(table, key) === undefined) return false;
    this.lock(`${table} ${key}`, "update");
    this.#write(table, key, null);
    return true;
  }

  lock(name: string, mode: LockMode): void {
    const holder = this.#database.holder(name, mode, this.#transaction);
    if (holder !== null) throw new Blocked(holder);
    if (this.#transaction.locks.get(name) !== "update" && this.taken.get(name) !== "update") this.taken.set(name, mode);
  }

  /** What a unique index does before it says that a row is in the way: it waits for whoever is changing that row. */
  awaitWriter(table: string, key: string): void {
    const writer = this.#database.writer(table, key, this.#transaction);
    if (writer !== null) throw new Blocked(writer);
  }

  /** SKIP LOCKED. */
  isFree(name: string, mode: LockMode): boolean {
    return this.#database.holder(name, mode, this.#transaction) === null;
  }

  /** As sequences do, it gives no number twice, whatever becomes of the transaction. */
  next(sequence: string): number {
    return this.#database.next(sequence);
  }

  setNext(sequence: string, last: number): void {
    this.#database.sequences.set(sequence, last);
  }

  lastOf(sequence: string): number {
    return this.#database.sequences.get(sequence) ?? 0;
  }

  /** This transaction is not undone for being idle. */
  neverIdle(): void {
    this.#transaction.mayIdle = true;
  }

  notify(channel: string, payload: string): void {
    this.notifications.push({ channel, payload });
  }

  #write(table: string, key: string, row: Row | null): void {
    const layer = this.writes.get(table) ?? new Map<string, Row | null>();
    layer.set(key, row);
    this.writes.set(table, layer);
  }
}
