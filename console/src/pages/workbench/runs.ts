import { useSyncExternalStore } from "react";
import { ApiError } from "../../api/client.ts";
import { addToHistory } from "./history.ts";
import { fetchResult, type Result, randomHex } from "./result/fetch.ts";
import type { Statement } from "./statements.ts";

/**
 *     waiting --> running --> done
 *        |           +------> failed      the statements behind it are not run
 *        +-----------+------> cancelled
 */
export type OutcomeState =
  | { readonly kind: "waiting" | "cancelled" }
  | {
      readonly kind: "running";
      readonly startedAtMs: number;
      readonly receivedBytes: number;
      /** By which the live stream tells of it. */
      readonly traceId: string;
    }
  | { readonly kind: "done"; readonly elapsedMs: number; readonly result: Result }
  | { readonly kind: "failed"; readonly elapsedMs: number; readonly error: unknown };

export interface Outcome {
  readonly statement: Statement;
  readonly state: OutcomeState;
}

export interface Run {
  readonly outcomes: readonly Outcome[];
  readonly shown: number;
}

export const isUnderWay = (run: Run | undefined): boolean =>
  run?.outcomes.some(({ state }) => state.kind === "running" || state.kind === "waiting") ?? false;

/** What the tabs have run. Results live as long as their tab, or until it runs again. */
class Runs {
  readonly #runs = new Map<string, Run>();
  readonly #stops = new Map<string, AbortController>();
  readonly #listeners = new Set<() => void>();

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  readonly of = (tab: string): Run | undefined => this.#runs.get(tab);

  /** One statement after the other; the first that fails is the last. */
  async start(tab: string, statements: readonly Statement[], rowLimit: number): Promise<void> {
    this.cancel(tab);
    const stop = new AbortController();
    this.#stops.set(tab, stop);
    const outcomes = statements.map((statement): Outcome => ({ statement, state: { kind: "waiting" } }));
    this.#set(tab, { outcomes, shown: 0 });
    for (const [at, statement] of statements.entries()) {
      const isOver = !(await this.#runOne(tab, at, statement, rowLimit, stop));
      if (isOver) break;
    }
    if (this.#stops.get(tab) === stop) this.#stops.delete(tab);
  }

  /** The server stops a query whose client goes away. */
  cancel(tab: string): void {
    this.#stops.get(tab)?.abort();
    this.#stops.delete(tab);
    const run = this.#runs.get(tab);
    if (run === undefined || !isUnderWay(run)) return;
    const outcomes = run.outcomes.map((outcome): Outcome => {
      const { kind } = outcome.state;
      return kind === "running" || kind === "waiting" ? { ...outcome, state: { kind: "cancelled" } } : outcome;
    });
    this.#set(tab, { ...run, outcomes });
  }

  show(tab: string, shown: number): void {
    const run = this.#runs.get(tab);
    if (run !== undefined) this.#set(tab, { ...run, shown });
  }

  dropAll(): void {
    for (const tab of [...this.#runs.keys()]) this.drop(tab);
  }

  drop(tab: string): void {
    this.cancel(tab);
    this.#runs.delete(tab);
    this.#tell();
  }

  /** Whether the next statement may run. */
  async #runOne(
    tab: string,
    at: number,
    statement: Statement,
    rowLimit: number,
    { signal }: AbortController,
  ): Promise<boolean> {
    const startedAtMs = Date.now();
    const began = performance.now();
    const now = (state: OutcomeState) => {
      if (!signal.aborted) this.#change(tab, at, { statement, state });
    };
    const remember = (state: "done" | "failed" | "cancelled", rows: number | null) =>
      addToHistory({ sql: statement.sql, atMs: startedAtMs, elapsedMs: performance.now() - began, state, rows });
    const traceId = randomHex(16);
    now({ kind: "running", startedAtMs, receivedBytes: 0, traceId });
    try {
      const onBytes = (receivedBytes: number) => now({ kind: "running", startedAtMs, receivedBytes, traceId });
      const result = await fetchResult({ sql: statement.sql, rowLimit, traceId }, signal, onBytes);
      if (signal.aborted) return false;
      now({ kind: "done", elapsedMs: performance.now() - began, result });
      remember("done", result.rows);
      return true;
    } catch (error) {
      now({ kind: "failed", elapsedMs: performance.now() - began, error });
      remember(signal.aborted ? "cancelled" : "failed", null);
      return false;
    }
  }

  #change(tab: string, at: number, outcome: Outcome): void {
    const run = this.#runs.get(tab);
    if (run === undefined) return;
    const isNew = run.outcomes[at]?.state.kind === "waiting";
    this.#set(tab, { outcomes: run.outcomes.with(at, outcome), shown: isNew ? at : run.shown });
  }

  #set(tab: string, run: Run): void {
    this.#runs.set(tab, run);
    this.#tell();
  }

  #tell(): void {
    for (const listener of this.#listeners) listener();
  }
}

export const runs = new Runs();

export const useRun = (tab: string): Run | undefined => useSyncExternalStore(runs.subscribe, () => runs.of(tab));

export interface Mark {
  readonly from: number;
  readonly to: number;
  readonly message: string;
}

/** Where in the whole text the run's failure is: at the server's position, else the whole statement. */
export function markOf(run: Run | undefined): Mark | null {
  const failed = run?.outcomes.find(({ state }) => state.kind === "failed");
  if (failed === undefined || failed.state.kind !== "failed" || !(failed.state.error instanceof ApiError)) return null;
  const { statement } = failed;
  const { position, message, hint } = failed.state.error;
  const told = hint === null ? message : `${message}\n${hint}`;
  if (position === null) return { from: statement.from, to: statement.to, message: told };
  const at = Math.min(position.offset, statement.sql.length);
  const word = /^[\w"]+|^[^\s]/.exec(statement.sql.slice(at))?.[0].length ?? 0;
  return { from: statement.from + at, to: statement.from + at + word, message: told };
}
