import type { DatasetId } from "../../base/index.ts";
import type { Multihash } from "../../slices/index.ts";

export const datasetsPrefix = "datasets/";

/** Where a dataset's objects lie: `blocks/ data/ checkpoints/ refs/ info/` as ODF has them, and beside it ours. */
export class DatasetKeys {
  /** Everything of the dataset lies below it. */
  readonly root: string;

  constructor(id: DatasetId) {
    this.root = `${datasetsPrefix}${id.slice("did:odf:".length)}/`;
  }

  /** The commit log: whose entry is made, has won the sequence number. */
  log(seq: number): string {
    return `${this.logFolder}${String(seq).padStart(12, "0")}`;
  }

  /** The number of a log entry's key; null for what is none. */
  seqOf(key: string): number | null {
    const number = key.slice(this.logFolder.length);
    return key.startsWith(this.logFolder) && /^\d{12}$/.test(number) ? Number(number) : null;
  }

  get logFolder(): string {
    return `${this.root}log/`;
  }

  /** The blocks of one region of the log; once it is there, it decides what they are, and the log no more. */
  pack(region: number): string {
    return `${this.packsFolder}${String(region).padStart(12, "0")}`;
  }

  get packsFolder(): string {
    return `${this.root}packs/`;
  }

  /** Of the objects that blocks name. */
  folder(part: "data" | "checkpoints" | "quarantine"): string {
    return `${this.root}${part}/`;
  }

  block(hash: Multihash): string {
    return `${this.root}blocks/${hash}`;
  }

  data(hash: Multihash): string {
    return `${this.root}data/${hash}`;
  }

  checkpoint(hash: Multihash): string {
    return `${this.root}checkpoints/${hash}`;
  }

  quarantine(hash: Multihash): string {
    return `${this.root}quarantine/${hash}`;
  }

  /** A hint: the newest block that somebody has seen, never ahead of the log. */
  get head(): string {
    return `${this.root}refs/head`;
  }

  /** `project.name`, so that names can be rebuilt from the store. */
  get alias(): string {
    return `${this.root}info/alias`;
  }

  /** Present from the first on where the dataset is a read-only copy: says where it comes from. */
  get replica(): string {
    return `${this.root}info/replica`;
  }

  /** Present once the dataset was deleted. */
  get tombstone(): string {
    return `${this.root}info/deleted`;
  }

  /** What a collection that runs wants to delete. */
  condemned(run: string): string {
    return `${this.condemnedFolder}${run}`;
  }

  get condemnedFolder(): string {
    return `${this.root}condemned/`;
  }

  /** The state of the chain behind a block; derived. */
  layoutCheckpoint(seq: number): string {
    return `${this.layoutCheckpoints}${String(seq).padStart(12, "0")}`;
  }

  get layoutCheckpoints(): string {
    return `${this.root}layout/checkpoints/`;
  }

  /** Which checkpoint is the newest, and the hash of its bytes; derived. */
  get layoutHint(): string {
    return `${this.root}layout/hint`;
  }

  get statisticsFolder(): string {
    return `${this.root}layout/statistics/`;
  }

  /** Derived from the slice; it can be rebuilt. */
  statistics(hash: Multihash): string {
    return `${this.statisticsFolder}${hash}`;
  }
}
