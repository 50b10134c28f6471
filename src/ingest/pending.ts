import { type DatasetId, MillraceError } from "../base/index.ts";

/**
 * Bytes that were acknowledged and are not committed: bounded, and at most half of the bound for one dataset, so that the
 * backlog of one leaves room for the others.
 */
export class PendingBytes {
  readonly #limit: number;
  readonly #held = new Map<DatasetId, number>();
  #total = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  get total(): number {
    return this.#total;
  }

  /** @throws too_many_requests */
  admit(dataset: DatasetId): void {
    const own = this.#held.get(dataset) ?? 0;
    if (this.#total <= this.#limit && own <= this.#limit / 2) return;
    throw new MillraceError("too_many_requests", "Too many acknowledged rows wait for their commit.", {
      retryAfterS: 1,
      hint: "Slow down, or wait for ack=committed.",
    });
  }

  hold(dataset: DatasetId, bytes: number): void {
    this.#total += bytes;
    this.#held.set(dataset, (this.#held.get(dataset) ?? 0) + bytes);
  }

  release(dataset: DatasetId, bytes: number): void {
    this.#total -= bytes;
    const left = (this.#held.get(dataset) ?? 0) - bytes;
    if (left > 0) this.#held.set(dataset, left);
    else this.#held.delete(dataset);
  }
}
