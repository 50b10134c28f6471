/** A row as the database keeps it: JSON as text, times as milliseconds. */
export type Row = Readonly<Record<string, unknown>>;

/** Row locks in the modes of PostgreSQL (documentation, "Row-Level Locks"), and advisory ones, which are `update`. */
export type LockMode = "key share" | "no key update" | "update";

/** Whether one transaction must wait for the other. */
export function conflicts(a: LockMode, b: LockMode): boolean {
  if (a === "update" || b === "update") return true;
  return a === "no key update" && b === "no key update";
}

export class PostgresError extends Error {
  readonly code: string;

  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

/** A statement met another transaction's lock: it waits for that transaction's end and is run anew. */
export class Blocked {
  readonly by: Transaction;

  constructor(by: Transaction) {
    this.by = by;
  }
}

export type Writes = Map<string, Map<string, Row | null>>;

/** What a transaction holds until it ends. */
export class Transaction {
  /** Whose connection it is. */
  readonly owner: unknown;
  readonly writes: Writes = new Map();
  readonly locks = new Map<string, LockMode>();
  readonly notifications: { readonly channel: string; readonly payload: string }[] = [];
  readonly waiters: (() => void)[] = [];
  waitsFor: Transaction | null = null;
  state: "open" | "failed" | "ended" = "open";
  /** When its last statement ended; a transaction that is left alone for too long is undone. */
  activeMs = 0;
  mayIdle = false;
  forgetIdle: () => void = () => {};

  constructor(owner: unknown) {
    this.owner = owner;
  }
}
