import { type Clock, delay, type Instant, instant, type Logger, type Service } from "../base/index.ts";
import type { JSONValue, Sql, Statements } from "../storage/index.ts";
import { EventSweep } from "./event-sweep.ts";
import { type EventRow, insertEvent, lockEvents, selectEvents, selectEventsBack, selectNewest } from "./sql/events.ts";
import { insertSubscription, selectSubscription, updateSubscription } from "./sql/subscriptions.ts";

export interface NewEvent {
  readonly type: string;
  readonly subject: string;
  readonly project?: string | null;
  readonly data: JSONValue;
}

export interface BusEvent {
  /** Grows; gaps are possible, disorder is not. */
  readonly position: number;
  readonly id: string;
  readonly at: Instant;
  readonly type: string;
  readonly subject: string;
  readonly project: string | null;
  readonly data: unknown;
}

export interface Subscription {
  /** Ends when the handler that runs has ended. */
  stop(): Promise<void>;
}

export type EventHandler = (events: readonly BusEvent[], signal: AbortSignal) => Promise<void>;

/**
 * Ordered events to whoever asks.
 * - A position is given under a lock that is held to the end of the transaction, so the order of positions is the order
 *   of commits: a reader behind position n never misses one before it.
 * - A durable subscriber is handed events at least once, in order; its cursor moves when the handler has resolved.
 */
export interface EventBus {
  /** Position of the newest event; 0 where there is none. */
  newest(): Promise<number>;
  append(event: NewEvent, transaction?: Statements): Promise<number>;
  read(options: { after: number; limit: number; types?: readonly string[] }): Promise<BusEvent[]>;
  /** From the newest back, those before a position. */
  readBack(options: { before: number; limit: number; types?: readonly string[] }): Promise<BusEvent[]>;
  subscribe(
    options: { name: string; from: "start" | "now"; types?: readonly string[] },
    handler: EventHandler,
  ): Subscription;
  /** From `after`, or from now on; ends when the signal aborts. */
  tail(options: { after?: number; types?: readonly string[]; signal: AbortSignal }): AsyncIterable<BusEvent>;
}

/** A lost notification costs at most this. */
const pollMs = 2_000;
const batch = 500;
const mostBackoffMs = 30_000;

/** The bus over PostgreSQL: the `events` table, woken by LISTEN/NOTIFY. */
export class PostgresEventBus implements EventBus, Service {
  readonly name = "bus";
  readonly #sql: Sql;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #wakes = new Set<() => void>();
  readonly #stopping = new AbortController();
  readonly #subscriptions = new Set<Promise<void>>();
  readonly #sweep: EventSweep | null;
  #unlisten: (() => Promise<void>) | null = null;

  /** `keptMs`: how long events are kept; for ever where it is not said. */
  constructor(options: { sql: Sql; clock: Clock; log: Logger; keptMs?: number }) {
    const { sql, clock, log, keptMs } = options;
    this.#sql = sql;
    this.#clock = clock;
    this.#log = log;
    const stopping = this.#stopping.signal;
    this.#sweep = keptMs === undefined ? null : new EventSweep({ sql, clock, log, keptMs, stopping });
  }

  async start(): Promise<void> {
    const { unlisten } = await this.#sql.listen("events", () => this.#wakeAll());
    this.#unlisten = unlisten;
    this.#sweep?.start();
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#wakeAll();
    await Promise.all([...this.#subscriptions, this.#sweep?.stop()]);
    await this.#unlisten?.();
    this.#unlisten = null;
  }

  async append(event: NewEvent, transaction?: Statements): Promise<number> {
    const values = { type: event.type, subject: event.subject, project: event.project ?? null, data: event.data };
    if (transaction !== undefined) return await appendIn(transaction, values);
    return await this.#sql.begin((own) => appendIn(own, values));
  }

  async read(options: { after: number; limit: number; types?: readonly string[] }): Promise<BusEvent[]> {
    return (await selectEvents(this.#sql, options.after, options.limit, options.types ?? null)).map(eventOf);
  }

  async readBack(options: { before: number; limit: number; types?: readonly string[] }): Promise<BusEvent[]> {
    return (await selectEventsBack(this.#sql, options.before, options.limit, options.types ?? null)).map(eventOf);
  }

  subscribe(
    options: { name: string; from: "start" | "now"; types?: readonly string[] },
    handler: EventHandler,
  ): Subscription {
    const controller = new AbortController();
    const signal = AbortSignal.any([controller.signal, this.#stopping.signal]);
    const running = this.#deliver(options, handler, signal).finally(() => this.#subscriptions.delete(running));
    this.#subscriptions.add(running);
    return {
      stop: async () => {
        controller.abort();
        this.#wakeAll();
        await running;
      },
    };
  }

  async *tail(options: { after?: number; types?: readonly string[]; signal: AbortSignal }): AsyncIterable<BusEvent> {
    const signal = AbortSignal.any([options.signal, this.#stopping.signal]);
    let after = options.after ?? (await this.newest());
    while (!signal.aborted) {
      const woken = this.#wake(signal);
      const events = await this.read({ after, limit: batch, ...(options.types ? { types: options.types } : {}) });
      for (const event of events) {
        if (signal.aborted) return;
        yield event;
        after = event.position;
      }
      if (events.length < batch) await woken;
    }
  }

  async #deliver(
    options: { name: string; from: "start" | "now"; types?: readonly string[] },
    handler: EventHandler,
    signal: AbortSignal,
  ): Promise<void> {
    let failures = 0;
    while (!signal.aborted) {
      const woken = this.#wake(signal);
      try {
        const delivered = await this.#deliverBatch(options, handler, signal);
        failures = 0;
        if (delivered < batch) await woken;
      } catch (error) {
        if (signal.aborted) return;
        failures++;
        this.#log.warn("a subscriber failed; it is handed the same events again", {
          subscription: options.name,
          failures,
          error,
        });
        await delay(this.#clock, Math.min(mostBackoffMs, 100 * 2 ** failures), signal).catch(() => {});
      }
    }
  }

  async #deliverBatch(
    options: { name: string; from: "start" | "now"; types?: readonly string[] },
    handler: EventHandler,
    signal: AbortSignal,
  ): Promise<number> {
    const after = await this.#cursor(options.name, options.from);
    const events = await this.read({ after, limit: batch, ...(options.types ? { types: options.types } : {}) });
    const last = events.at(-1);
    if (last === undefined || signal.aborted) return 0;
    await handler(events, signal);
    await updateSubscription(this.#sql, options.name, last.position);
    return events.length;
  }

  async #cursor(name: string, from: "start" | "now"): Promise<number> {
    const [known] = await selectSubscription(this.#sql, name);
    if (known !== undefined) return Number(known.position);
    await insertSubscription(this.#sql, name, from === "start" ? 0 : await this.newest());
    const [made] = await selectSubscription(this.#sql, name);
    return Number(made?.position ?? 0);
  }

  async newest(): Promise<number> {
    const [row] = await selectNewest(this.#sql);
    return Number(row?.position ?? 0);
  }

  /** Resolves at the next notification, poll or abort. Taken before reading, so that nothing falls between. */
  #wake(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        this.#wakes.delete(done);
        signal.removeEventListener("abort", done);
        forget();
        resolve();
      };
      const forget = this.#clock.timer(pollMs, done);
      signal.addEventListener("abort", done, { once: true });
      this.#wakes.add(done);
      if (signal.aborted) done();
    });
  }

  #wakeAll(): void {
    for (const wake of [...this.#wakes]) wake();
  }
}

async function appendIn(
  transaction: Statements,
  event: { type: string; subject: string; project: string | null; data: JSONValue },
): Promise<number> {
  await lockEvents(transaction);
  const [row] = await insertEvent(transaction, event);
  return Number(row?.position);
}

function eventOf(row: EventRow): BusEvent {
  return {
    position: Number(row.position),
    id: row.id,
    at: instant(row.at.getTime()),
    type: row.type,
    subject: row.subject,
    project: row.project,
    data: row.data,
  };
}
