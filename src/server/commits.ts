import { formatDatasetPath, MillraceError } from "../base/index.ts";
import type { EventBus } from "../bus/index.ts";
import type { CommitNews, Datasets } from "../datasets/index.ts";

/** Figures of all datasets for the screen: as they were at the start, and what was made and committed since. */
export class Commits {
  #datasets = 0;
  #rows = 0;
  #bytes = 0;

  /** Begins with what is there. Call it before anything is committed. */
  async begin(datasets: Datasets): Promise<void> {
    const refs = await datasets.list();
    this.#datasets = refs.length;
    for (const { id } of refs) {
      try {
        const { rows, bytes } = await datasets.head(id);
        this.#rows += rows;
        this.#bytes += bytes;
      } catch (error) {
        // One that is broken, or was being deleted when the process ended, must not stop the start.
        if (!(error instanceof MillraceError)) throw error;
      }
    }
  }

  add({ kind, rows, bytes }: CommitNews): void {
    if (kind === "Seed") this.#datasets++;
    this.#rows += rows;
    this.#bytes += bytes;
  }

  get figures(): { readonly datasets: number; readonly rows: number; readonly bytes: number } {
    return { datasets: this.#datasets, rows: this.#rows, bytes: this.#bytes };
  }
}

/** Tells of a commit on the bus. Not of the system's own datasets: their commits would announce themselves for ever. */
export async function announceCommit(bus: EventBus, news: CommitNews): Promise<void> {
  const { path, datasetId, seq, block, kind, rows, bytes } = news;
  if (path?.project === "system") return;
  await bus.append({
    type: "dataset.committed",
    subject: path === null ? datasetId : formatDatasetPath(path),
    project: path?.project ?? null,
    data: { datasetId, seq, block, kind, rows, bytes },
  });
}
