import { type Clock, type DatasetId, delay, type Logger } from "../base/index.ts";
import type { Sql } from "../storage/index.ts";
import { claimLease, endLeases, forgetLease, renewLeases } from "./sql/leases.ts";

/**
 * Which of several servers runs a transform. It is an economy and nothing else: who runs one without a lease makes the same block of the same
 * decision, and the chain takes it once.
 */
export interface RunLeases {
  /** For how long another server is known to have it; 0 where none is. */
  elsewhereMs(id: DatasetId): number;
  /** For the time of a run; null where another server has it. */
  take(id: DatasetId): Promise<Disposable | null>;
  /** Takes it from whoever has it. */
  seize(id: DatasetId): Promise<void>;
  /** Of a derivative that is deleted. */
  forget(id: DatasetId): Promise<void>;
  /** Gives all back. */
  stop(): Promise<void>;
}

export interface PostgresLeasesOptions {
  readonly sql: Sql;
  readonly clock: Clock;
  readonly log: Logger;
  /** Names this server, also when it is started anew: what it had is its own still. */
  readonly holder: string;
  readonly leaseMs?: number;
}

const defaultLeaseMs = 15_000;
/** A database that does not answer keeps no transform from running. */
const patienceMs = 2_000;
const withoutDatabaseMs = 10_000;

interface Held {
  /** Of the monotonic clock. */
  untilMs: number;
  running: number;
  /** Since it was taken or renewed. */
  wasUsed: boolean;
}

/** In PostgreSQL. A lease lasts while runs come: one statement renews all that were used, and who runs nothing asks for nothing. */
export class PostgresLeases implements RunLeases {
  readonly #options: PostgresLeasesOptions;
  readonly #leaseMs: number;
  readonly #held = new Map<DatasetId, Held>();
  readonly #elsewhere = new Map<DatasetId, number>();
  #askAgainAtMs = Number.NEGATIVE_INFINITY;
  #forgetRenewal: (() => void) | null = null;
  #renewing: Promise<void> = Promise.resolve();
  #isStopped = false;

  constructor(options: PostgresLeasesOptions) {
    this.#options = options;
    this.#leaseMs = options.leaseMs ?? defaultLeaseMs;
  }

  elsewhereMs(id: DatasetId): number {
    const untilMs = this.#elsewhere.get(id);
    if (untilMs === undefined) return 0;
    const leftMs = untilMs - this.#options.clock.monotonicMs();
    if (leftMs <= 0) this.#elsewhere.delete(id);
    return Math.max(0, leftMs);
  }

  async take(id: DatasetId): Promise<Disposable | null> {
    const held = this.#held.get(id);
    const isHeld = held !== undefined && held.untilMs > this.#options.clock.monotonicMs();
    if (!isHeld && (await this.#claim(id, false)) === "elsewhere") return null;
    return this.#use(id);
  }

  async seize(id: DatasetId): Promise<void> {
    await this.#claim(id, true);
  }

  async forget(id: DatasetId): Promise<void> {
    this.#held.delete(id);
    this.#elsewhere.delete(id);
    const { sql, log } = this.#options;
    await this.#answered(forgetLease(sql, id)).catch((error: unknown) =>
      log.warn("the lease of a transform that is deleted was not forgotten", { datasetId: id, error }),
    );
  }

  async stop(): Promise<void> {
    const { sql, holder, log } = this.#options;
    this.#isStopped = true;
    this.#forgetRenewal?.();
    await this.#renewing;
    if (this.#held.size === 0) return;
    this.#held.clear();
    await this.#answered(endLeases(sql, holder)).catch((error: unknown) =>
      log.warn("the leases of transforms were not given back; they end by themselves", { error }),
    );
  }

  async #claim(id: DatasetId, isSeized: boolean): Promise<"mine" | "elsewhere" | "unknown"> {
    const { sql, clock, holder, log } = this.#options;
    const askedMs = clock.monotonicMs();
    if (askedMs < this.#askAgainAtMs) return "unknown";
    try {
      const claim = claimLease(sql, { id, holder, seconds: this.#leaseMs / 1_000, isSeized });
      const [answer] = await this.#answered(claim);
      if (answer?.is_mine === true) {
        this.#elsewhere.delete(id);
        this.#held.set(id, { untilMs: askedMs + this.#leaseMs, running: 0, wasUsed: false });
        return "mine";
      }
      this.#elsewhere.set(id, clock.monotonicMs() + (answer?.left_ms ?? this.#leaseMs));
      return "elsewhere";
    } catch (error) {
      this.#askAgainAtMs = clock.monotonicMs() + withoutDatabaseMs;
      log.warn("nobody can say which server runs a transform; this one does", { datasetId: id, error });
      return "unknown";
    }
  }

  #use(id: DatasetId): Disposable {
    const held = this.#held.get(id);
    if (held !== undefined) {
      held.running++;
      held.wasUsed = true;
      this.#renewLater();
    }
    return {
      [Symbol.dispose]() {
        if (held !== undefined) held.running--;
      },
    };
  }

  #renewLater(): void {
    if (this.#isStopped) return;
    this.#forgetRenewal ??= this.#options.clock.timer(this.#leaseMs / 3, () => {
      this.#forgetRenewal = null;
      this.#renewing = this.#renew().catch((error: unknown) =>
        this.#options.log.warn("the leases of transforms were not renewed", { error }),
      );
    });
  }

  /** Those that were used; the others end. */
  async #renew(): Promise<void> {
    const { sql, clock, holder } = this.#options;
    const askedMs = clock.monotonicMs();
    for (const [id, { untilMs, running }] of this.#held) if (untilMs <= askedMs && running === 0) this.#held.delete(id);
    const used = [...this.#held].filter(([, { running, wasUsed }]) => running > 0 || wasUsed);
    if (used.length === 0) return;
    for (const [, held] of used) held.wasUsed = false;
    this.#renewLater();
    const ids = used.map(([id]) => id);
    const renewed = await this.#answered(renewLeases(sql, holder, ids, this.#leaseMs / 1_000));
    const mine = new Set(renewed.map(({ dataset_id }) => dataset_id));
    for (const [id, held] of used) {
      if (mine.has(id)) held.untilMs = askedMs + this.#leaseMs;
      else this.#held.delete(id);
    }
  }

  /** @throws where the database does not answer soon */
  async #answered<Answer>(answer: Promise<Answer>): Promise<Answer> {
    const over = new AbortController();
    const late = delay(this.#options.clock, patienceMs, over.signal).then(() => {
      throw new Error("the database does not answer");
    });
    try {
      return await Promise.race([answer, late]);
    } finally {
      over.abort();
      late.catch(() => {});
      answer.catch(() => {});
    }
  }
}
