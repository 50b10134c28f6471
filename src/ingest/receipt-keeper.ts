import { type Clock, type DatasetId, delay, type Telemetry } from "../base/index.ts";
import type { IngestReceipt, Receipts } from "./receipts.ts";

const aDayMs = 24 * 3_600_000;
const sweepEveryMs = 10 * 60_000;
/** Deleted at once: a statement that holds few rows for a short time. */
const sweepRows = 2_000;
const longestWaitMs = 30_000;

export interface AboutReceipt {
  readonly datasetId: DatasetId;
  readonly key: string | null;
  readonly bodyHash: string | null;
  readonly atMs: number;
}

/** Keeps receipts for a day, unless said: saves them however long the database is away, and deletes the old ones on a schedule. */
export class ReceiptKeeper {
  readonly #receipts: Receipts;
  readonly #clock: Clock;
  readonly #telemetry: Telemetry;
  readonly #stopping: AbortSignal;
  readonly #keptMs: number;
  readonly #saving = new Set<Promise<void>>();
  #sweeping: Promise<void> = Promise.resolve();
  #forgetTimer: () => void = () => {};

  constructor(options: {
    receipts: Receipts;
    clock: Clock;
    telemetry: Telemetry;
    stopping: AbortSignal;
    keptMs?: number;
  }) {
    this.#keptMs = options.keptMs ?? aDayMs;
    this.#receipts = options.receipts;
    this.#clock = options.clock;
    this.#telemetry = options.telemetry;
    this.#stopping = options.stopping;
  }

  /** Begins to delete old receipts, now and again and again. */
  start(): void {
    this.#sweeping = this.#sweep().finally(() => {
      if (this.#stopping.aborted) return;
      this.#forgetTimer = this.#clock.timer(Math.min(sweepEveryMs, this.#keptMs / 4), () => this.start());
    });
  }

  async stop(): Promise<void> {
    this.#forgetTimer();
    await Promise.allSettled([...this.#saving, this.#sweeping]);
  }

  /**
   * Saves receipts of rows that are in the chain, then calls `kept`: only with its receipt kept may an entry leave the
   * staging log. Where they cannot be saved now, it is tried again without holding up the caller; a restart before that
   * finds the shares in the chain.
   */
  async keep(
    receipts: readonly { receipt: IngestReceipt; about: AboutReceipt }[],
    kept: () => Promise<void>,
  ): Promise<void> {
    const save = () => Promise.all(receipts.map(({ receipt, about }) => this.#receipts.save(receipt, about)));
    await this.untilDone("receipts could not be kept", save, kept);
  }

  /** Does what the database must be told; where that fails, again and again without holding up the caller. */
  async untilDone(
    failure: string,
    work: () => Promise<unknown>,
    then: () => Promise<void> = async () => {},
  ): Promise<void> {
    try {
      await work();
    } catch (error) {
      this.#telemetry.log.warn(`${failure}; it is tried again`, { error });
      const later = this.#workLater(work).then(then);
      this.#saving.add(later);
      later.catch(() => {}).finally(() => this.#saving.delete(later));
      return;
    }
    await then();
  }

  async #workLater(work: () => Promise<unknown>): Promise<void> {
    for (let tries = 1; ; tries++) {
      await delay(this.#clock, Math.min(longestWaitMs, 500 * 2 ** Math.min(tries, 10)), this.#stopping);
      const saved = await work().then(
        () => true,
        () => false,
      );
      if (saved) return;
    }
  }

  /** Deletes what is older than it is kept, a few rows a statement. */
  async #sweep(): Promise<void> {
    try {
      const before = new Date(this.#clock.now() - this.#keptMs);
      for (let deleted = sweepRows; deleted === sweepRows && !this.#stopping.aborted; ) {
        deleted = await this.#receipts.deleteBefore(before, sweepRows);
      }
    } catch (error) {
      this.#telemetry.log.warn("old receipts could not be deleted; it is tried again", { error });
    }
  }
}
