import { type DatasetId, Semaphore } from "../../base/index.ts";

/**
 * How many conversions of one dataset may be under way at once. Workers serve who comes first: without this bound, who sends
 * a hundred parts at once would put a hundred conversions in front of everybody else's.
 */
export class DatasetSlots {
  readonly #most: number;
  readonly #datasets = new Map<DatasetId, { readonly semaphore: Semaphore; users: number }>();

  constructor(most: number) {
    this.#most = most;
  }

  /** Runs `work` when one of the dataset's slots is free, in first-come order. @throws the signal's reason while it waits */
  async run<Result>(dataset: DatasetId, work: () => Promise<Result>, signal: AbortSignal): Promise<Result> {
    const slots = this.#datasets.get(dataset) ?? { semaphore: new Semaphore(this.#most), users: 0 };
    this.#datasets.set(dataset, slots);
    slots.users++;
    try {
      using _slot = await slots.semaphore.acquire(signal);
      return await work();
    } finally {
      slots.users--;
      if (slots.users === 0) this.#datasets.delete(dataset);
    }
  }
}
