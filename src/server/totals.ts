import { type DatasetId, type DatasetPath, MillraceError } from "../base/index.ts";
import type { Datasets } from "../datasets/index.ts";

/** Datasets looked at together, at the start. */
const atOnce = 16;

interface Total {
  readonly path: DatasetPath;
  /** What it held at the start; later commits are added. */
  readonly fromSeq: number;
  rows: number;
  bytes: number;
  slices: number;
}

export type DatasetTotal = Pick<Total, "path" | "rows" | "bytes" | "slices">;

export interface Commit {
  readonly datasetId: string;
  readonly path: DatasetPath;
  readonly seq: number;
  readonly rows: number;
  readonly bytes: number;
}

/** Figures of all datasets in memory: as the index has them at the start, and what was committed since, once each. */
export class Totals {
  readonly #totals = new Map<string, Total>();
  #rows = 0;
  #bytes = 0;

  /** Begins with what is there. */
  async begin(datasets: Datasets): Promise<void> {
    const waiting = (await datasets.list()).values();
    const work = async () => {
      for (const { id, path } of waiting) await this.refresh(datasets, id, path);
    };
    await Promise.all(Array.from({ length: atOnce }, work));
  }

  /** Looks at a dataset of which no commit is announced. */
  async refresh(datasets: Datasets, id: DatasetId, path: DatasetPath): Promise<void> {
    try {
      const { seq, rows, bytes, slices } = await datasets.figures(id);
      this.#forget(id);
      this.#put(id, { path, fromSeq: seq, rows, bytes, slices });
    } catch (error) {
      // One that is broken, or was being deleted when the process ended, must not stop the start.
      if (!(error instanceof MillraceError)) throw error;
    }
  }

  add({ datasetId, path, seq, rows, bytes }: Commit): void {
    const known = this.#totals.get(datasetId);
    if (known === undefined) {
      this.#put(datasetId, { path, fromSeq: -1, rows, bytes, slices: rows > 0 ? 1 : 0 });
      return;
    }
    if (seq <= known.fromSeq) return;
    known.rows += rows;
    known.bytes += bytes;
    known.slices += rows > 0 ? 1 : 0;
    this.#rows += rows;
    this.#bytes += bytes;
  }

  /** The dataset of this name was deleted; one made anew under it has another id. */
  remove({ project, dataset }: { readonly project: string; readonly dataset: string }): void {
    for (const [id, { path }] of this.#totals) {
      if (path.project === project && path.dataset === dataset) this.#forget(id);
    }
  }

  list(): readonly DatasetTotal[] {
    return [...this.#totals.values()];
  }

  get figures(): { readonly datasets: number; readonly rows: number; readonly bytes: number } {
    return { datasets: this.#totals.size, rows: this.#rows, bytes: this.#bytes };
  }

  #put(id: string, total: Total): void {
    this.#totals.set(id, total);
    this.#rows += total.rows;
    this.#bytes += total.bytes;
  }

  #forget(id: string): void {
    const known = this.#totals.get(id);
    if (known === undefined) return;
    this.#totals.delete(id);
    this.#rows -= known.rows;
    this.#bytes -= known.bytes;
  }
}
