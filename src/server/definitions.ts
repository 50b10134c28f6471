import { type Clock, type DatasetPath, formatDatasetPath } from "../base/index.ts";
import type { DatasetDefinition } from "../ingest/index.ts";
import { datasetKind, type Resources } from "../resources/index.ts";

const keptMs = 1_000;
const mostKept = 10_000;

/** A transform that reads a dataset waits for its commits: rows wait no longer than this for one. */
const readIntervalMs = 200;

/**
 * What datasets' definitions say of their rows, as ingest asks for each push: of other servers' changes, at most a second old.
 * @param isRead whether a transform reads the dataset
 */
export function definitionsOf(
  resources: Resources,
  clock: Clock,
  isRead: (path: DatasetPath) => boolean = () => false,
): (path: DatasetPath) => Promise<DatasetDefinition> {
  const known = new Map<string, { definition: DatasetDefinition; atMs: number }>();
  resources.watch((changed) => {
    for (const { kind, project, name } of changed) if (kind === datasetKind.kind) known.delete(`${project}.${name}`);
  });
  const declared = async (path: DatasetPath): Promise<DatasetDefinition> => {
    const name = formatDatasetPath(path);
    const kept = known.get(name);
    if (kept !== undefined && clock.monotonicMs() - kept.atMs < keptMs) return kept.definition;
    const definition = (await resources.get(datasetKind, path.project, path.dataset))?.spec ?? {};
    if (known.size >= mostKept) known.clear();
    known.set(name, { definition, atMs: clock.monotonicMs() });
    return definition;
  };
  return async (path) => {
    const definition = await declared(path);
    if (!isRead(path)) return definition;
    const commitIntervalMs = Math.min(definition.commitIntervalMs ?? readIntervalMs, readIntervalMs);
    return { ...definition, commitIntervalMs };
  };
}
