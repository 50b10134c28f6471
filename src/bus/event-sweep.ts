import type { Clock, Logger } from "../base/index.ts";
import type { Sql } from "../storage/index.ts";
import { deleteOldEvents } from "./sql/events.ts";

const longestPauseMs = 10 * 60_000;
/** Deleted at once: a statement that holds few rows for a short time. */
const rowsAtOnce = 2_000;

export interface EventSweepOptions {
  readonly sql: Sql;
  readonly clock: Clock;
  readonly log: Logger;
  /** How long events are kept. */
  readonly keptMs: number;
  readonly stopping: AbortSignal;
}

/** Deletes events that are older than they are kept, now and again and again, a few rows a statement. */
export class EventSweep {
  readonly #options: EventSweepOptions;
  #running: Promise<void> = Promise.resolve();
  #forget: () => void = () => {};

  constructor(options: EventSweepOptions) {
    this.#options = options;
  }

  start(): void {
    const { clock, keptMs, stopping } = this.#options;
    this.#running = this.#sweep().finally(() => {
      if (!stopping.aborted) this.#forget = clock.timer(Math.min(longestPauseMs, keptMs / 4), () => this.start());
    });
  }

  async stop(): Promise<void> {
    this.#forget();
    await this.#running;
  }

  async #sweep(): Promise<void> {
    const { sql, clock, keptMs, log, stopping } = this.#options;
    try {
      const before = new Date(clock.now() - keptMs);
      for (let deleted = rowsAtOnce; deleted === rowsAtOnce && !stopping.aborted; ) {
        deleted = (await deleteOldEvents(sql, before, rowsAtOnce)).count;
      }
    } catch (error) {
      log.warn("old events could not be deleted; it is tried again", { error });
    }
  }
}
