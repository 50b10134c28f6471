import { type Clock, type DatasetId, type DatasetPath, formatDatasetPath } from "../base/index.ts";
import type { ChainIndex, DatasetRef } from "./chain-index/chain-index.ts";
import { Recent } from "./recent.ts";

/** Another server may delete or make a name, so an answer is old after this. */
const nameAgeMs = 1_000;
const mostNames = 10_000;

/** Names of datasets, found lately. */
export class Names {
  readonly #index: ChainIndex;
  readonly #clock: Clock;
  readonly #found = new Recent<string, { readonly ref: DatasetRef; readonly atMs: number }>(mostNames);
  readonly #paths = new Recent<DatasetId, DatasetPath>(mostNames);

  constructor(index: ChainIndex, clock: Clock) {
    this.#index = index;
    this.#clock = clock;
  }

  async find(path: DatasetPath): Promise<DatasetRef | null> {
    const known = this.#found.get(formatDatasetPath(path));
    if (known !== undefined && this.#clock.monotonicMs() - known.atMs < nameAgeMs) return known.ref;
    const ref = await this.#index.find(path);
    // What is absent is not remembered: it may be made the next moment.
    if (ref !== null) this.remember(ref);
    return ref;
  }

  /** The name of a dataset that was used lately, for news. */
  pathOf(id: DatasetId): DatasetPath | null {
    return this.#paths.get(id) ?? null;
  }

  remember(ref: DatasetRef): void {
    this.#paths.set(ref.id, ref.path);
    this.#found.set(formatDatasetPath(ref.path), { ref, atMs: this.#clock.monotonicMs() });
  }

  forget(path: DatasetPath): void {
    this.#found.delete(formatDatasetPath(path));
  }

  clear(): void {
    this.#found.clear();
  }
}
