import type { Clock, Logger, Metrics } from "../../base/index.ts";
import type { RowSink, SystemDataset, SystemRow } from "./rows.ts";

export interface BatcherOptions {
  readonly dataset: SystemDataset;
  readonly sink: RowSink;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: Metrics;
  /** Longest wait of a row. */
  readonly intervalMs: number;
  readonly batchRows: number;
  /** Rows that may wait; beyond it the oldest are dropped and counted, because the log must never stop the work. */
  readonly maxWaiting: number;
}

/**
 *   empty ──add──▶ waiting ──interval or batchRows──▶ writing ──done──▶ empty | waiting
 *                     ▲                                  │ failed: the rows go back to the front
 *                     └──────── after a longer wait ◀────┘
 * One write at a time, in the order of `add`. Nobody waits for it, except `close`.
 */
export class Batcher {
  readonly #options: BatcherOptions;
  #waiting: SystemRow[] = [];
  #forget: (() => void) | null = null;
  #writing: Promise<void> | null = null;
  #failures = 0;
  #closed = false;

  constructor(options: BatcherOptions) {
    this.#options = options;
  }

  add(row: SystemRow): void {
    if (this.#closed) return;
    this.#waiting.push(row);
    this.#bound();
    if (this.#writing !== null) return;
    if (this.#waiting.length >= this.#options.batchRows && this.#failures === 0) this.#write();
    else this.#arm();
  }

  get waiting(): number {
    return this.#waiting.length;
  }

  /** Writes what waits, once more even after failures, then takes no more. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#disarm();
    await this.#writing;
    while (this.#waiting.length > 0) {
      const before = this.#waiting.length;
      this.#write();
      await this.#writing;
      if (this.#waiting.length >= before) break;
    }
    this.#disarm();
    this.#drop(this.#waiting.splice(0).length);
  }

  #arm(): void {
    if (this.#forget !== null || this.#closed) return;
    const { clock, intervalMs } = this.#options;
    const waitMs = intervalMs * 2 ** Math.min(this.#failures, 5);
    this.#forget = clock.timer(waitMs, () => {
      this.#forget = null;
      this.#write();
    });
  }

  #disarm(): void {
    this.#forget?.();
    this.#forget = null;
  }

  #write(): void {
    this.#disarm();
    if (this.#writing !== null || this.#waiting.length === 0) return;
    const rows = this.#waiting.splice(0, this.#options.batchRows);
    this.#writing = this.#push(rows).finally(() => {
      this.#writing = null;
      if (this.#waiting.length > 0) this.#arm();
    });
  }

  async #push(rows: SystemRow[]): Promise<void> {
    const { sink, dataset, metrics, log } = this.#options;
    try {
      await sink.pushRows(dataset, rows);
      this.#failures = 0;
      metrics.count("telemetry_rows_total", rows.length, { dataset });
    } catch (error) {
      this.#failures++;
      if (this.#failures === 1) log.warn("rows of a system dataset could not be written", { dataset, error });
      this.#waiting.unshift(...rows);
      this.#bound();
    }
  }

  #bound(): void {
    const excess = this.#waiting.length - this.#options.maxWaiting;
    if (excess > 0) this.#drop(this.#waiting.splice(0, excess).length);
  }

  #drop(rows: number): void {
    if (rows === 0) return;
    this.#options.metrics.count("telemetry_rows_dropped_total", rows, { dataset: this.#options.dataset });
  }
}
