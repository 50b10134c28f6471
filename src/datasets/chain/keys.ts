import type { DatasetId } from "../../base/index.ts";
import type { Multihash } from "../../slices/index.ts";

export const datasetsPrefix = "datasets/";

/** Where a dataset's objects lie: `blocks/ data/ checkpoints/ refs/ info/` as ODF has them, and beside it ours. */
export class DatasetKeys {
  readonly #root: string;

  constructor(id: DatasetId) {
    this.#root = `${datasetsPrefix}${id.slice("did:odf:".length)}/`;
  }

  /** The commit log: whose entry is made, has won the sequence number. */
  log(seq: number): string {
    return `${this.logFolder}${String(seq).padStart(12, "0")}`;
  }

  get logFolder(): string {
    return `${this.#root}log/`;
  }

  /** Of the objects that blocks name. */
  folder(part: "data" | "checkpoints" | "quarantine"): string {
    return `${this.#root}${part}/`;
  }

  block(hash: Multihash): string {
    return `${this.#root}blocks/${hash}`;
  }

  data(hash: Multihash): string {
    return `${this.#root}data/${hash}`;
  }

  checkpoint(hash: Multihash): string {
    return `${this.#root}checkpoints/${hash}`;
  }

  quarantine(hash: Multihash): string {
    return `${this.#root}quarantine/${hash}`;
  }

  /** A hint: the newest block that somebody has seen, never ahead of the log. */
  get head(): string {
    return `${this.#root}refs/head`;
  }

  /** `project.name`, so that names can be rebuilt from the store. */
  get alias(): string {
    return `${this.#root}info/alias`;
  }

  /** Present from the first on where the dataset is a read-only copy: says where it comes from. */
  get replica(): string {
    return `${this.#root}info/replica`;
  }

  /** Present once the dataset was deleted. */
  get tombstone(): string {
    return `${this.#root}info/deleted`;
  }

  /** Derived from the slice; it can be rebuilt. */
  statistics(hash: Multihash): string {
    return `${this.#root}layout/statistics/${hash}`;
  }
}
