import type { DuckDBConnection } from "@duckdb/node-api";
import { JobFailure } from "./failure.ts";

/** A job as it runs: it can be called off at any moment, and then fails with `interrupted`. */
export class Interruptible {
  #connection: DuckDBConnection | null = null;
  #cancelled = false;
  #failure: JobFailure | null = null;

  /** Interrupts what runs; the job ends with `failure`, or with `interrupted`. */
  cancel(failure?: JobFailure): void {
    this.#cancelled = true;
    this.#failure ??= failure ?? null;
    this.#connection?.interrupt();
  }

  /** Runs on a connection that a cancel interrupts. */
  async on<Result>(connection: DuckDBConnection, work: () => Promise<Result>): Promise<Result> {
    this.check();
    this.#connection = connection;
    // DuckDB forgets an interrupt that comes between two of its steps: it is said again until the work has ended.
    const insist = setInterval(() => {
      if (this.#cancelled) connection.interrupt();
    }, 20);
    try {
      return await work();
    } catch (error) {
      this.check();
      throw error;
    } finally {
      clearInterval(insist);
      this.#connection = null;
    }
  }

  /** @throws JobFailure once the job was called off */
  check(): void {
    if (!this.#cancelled) return;
    throw this.#failure ?? new JobFailure({ code: "interrupted", message: "The work was interrupted." });
  }
}
