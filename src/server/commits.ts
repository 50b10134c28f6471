import { formatDatasetPath } from "../base/index.ts";
import type { EventBus } from "../bus/index.ts";
import type { CommitNews } from "../datasets/index.ts";

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
