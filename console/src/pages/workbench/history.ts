import { useSyncExternalStore } from "react";

export interface Ran {
  readonly sql: string;
  readonly atMs: number;
  readonly elapsedMs: number;
  readonly state: "done" | "failed" | "cancelled";
  readonly rows: number | null;
}

const keyOf = (): string => `millrace.workbench.history ${owner}`;
const mostKept = 300;
const mostSqlLength = 4_000;

let owner = "";
let kept: readonly Ran[] | null = null;
const listeners = new Set<() => void>();

/** What was kept, newest first; nothing where it cannot be read. */
export function readHistory(text: string | null): Ran[] {
  try {
    const list: unknown = JSON.parse(text ?? "[]");
    return Array.isArray(list) ? list.filter(isRan).slice(0, mostKept) : [];
  } catch {
    return [];
  }
}

function isRan(value: unknown): value is Ran {
  const { sql, atMs, elapsedMs, state, rows } = (value ?? {}) as Record<string, unknown>;
  return (
    typeof sql === "string" &&
    typeof atMs === "number" &&
    typeof elapsedMs === "number" &&
    (rows === null || typeof rows === "number") &&
    (state === "done" || state === "failed" || state === "cancelled")
  );
}

/** With one more; the same statement run again moves to the front. */
export function withRan(history: readonly Ran[], ran: Ran): Ran[] {
  const short = { ...ran, sql: ran.sql.slice(0, mostSqlLength) };
  return [short, ...history.filter(({ sql }) => sql !== short.sql)].slice(0, mostKept);
}

/** The server tells a run some seconds after it ended. */
const toldWithinMs = 60_000;

/** What ran everywhere, with what ran here lately and is not told there yet; newest first. */
export function withHere(everywhere: readonly Ran[], here: readonly Ran[], nowMs: number): Ran[] {
  const isTold = ({ sql, atMs }: Ran) =>
    everywhere.some((one) => one.sql.startsWith(sql) && Math.abs(one.atMs - atMs) < toldWithinMs);
  const untold = here.filter((ran) => nowMs - ran.atMs < toldWithinMs && !isTold(ran));
  return [...untold, ...everywhere].sort((a, b) => b.atMs - a.atMs);
}

/** Whose history it is. */
export function historyBelongsTo(person: string): void {
  if (person === owner) return;
  owner = person;
  kept = null;
}

const history = (): readonly Ran[] => {
  kept ??= readHistory(localStorage.getItem(keyOf()));
  return kept;
};

function set(now: readonly Ran[]): void {
  kept = now;
  for (const listener of listeners) listener();
  try {
    localStorage.setItem(keyOf(), JSON.stringify(now));
  } catch {
    // No room left in the browser: the list lives until the page goes.
  }
}

export const addToHistory = (ran: Ran): void => set(withRan(history(), ran));

export const clearHistory = (): void => set([]);

export const useHistory = (): readonly Ran[] =>
  useSyncExternalStore((listener) => {
    listeners.add(listener);
    return () => listeners.delete(listener);
  }, history);
