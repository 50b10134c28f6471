import { formatBytes, formatCount, formatDuration } from "./figures.ts";

/** A progress line on standard error: redrawn on a terminal, silent elsewhere. */
export class Progress implements Disposable {
  readonly #label: string;
  readonly #totalBytes: number;
  readonly #startedMs = performance.now();
  readonly #resumedBytes: number;
  readonly #timer: NodeJS.Timeout | null;
  #bytes: number;
  #rows = 0;

  constructor(label: string, totalBytes: number, resumedBytes = 0) {
    this.#label = label;
    this.#totalBytes = totalBytes;
    this.#resumedBytes = resumedBytes;
    this.#bytes = resumedBytes;
    this.#timer = process.stderr.isTTY ? setInterval(() => this.#draw(), 100).unref() : null;
  }

  addBytes(bytes: number): void {
    this.#bytes += bytes;
  }

  addRows(rows: number): void {
    this.#rows += rows;
  }

  [Symbol.dispose](): void {
    if (this.#timer === null) return;
    clearInterval(this.#timer);
    process.stderr.write("\r\x1b[K");
  }

  #draw(): void {
    const seconds = (performance.now() - this.#startedMs) / 1000;
    const rate = (this.#bytes - this.#resumedBytes) / Math.max(seconds, 0.001);
    const share = this.#totalBytes === 0 ? 1 : Math.min(1, this.#bytes / this.#totalBytes);
    const left = rate > 0 ? (this.#totalBytes - this.#bytes) / rate : 0;
    const filled = Math.round(share * 24);
    const bar = "█".repeat(filled) + "░".repeat(24 - filled);
    const figures = [
      `${Math.floor(share * 100)}%`.padStart(4),
      `${formatCount(this.#rows)} rows`,
      `${formatBytes(this.#bytes)} of ${formatBytes(this.#totalBytes)}`,
      `${formatBytes(rate)}/s`,
      `${formatDuration(Math.max(0, left))} left`,
    ];
    const width = (process.stderr.columns ?? 80) - 1;
    process.stderr.write(`\r\x1b[K${`${this.#label} ${bar} ${figures.join(" · ")}`.slice(0, width)}`);
  }
}
