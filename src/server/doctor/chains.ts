import { type DatasetId, formatDatasetPath } from "../../base/index.ts";
import { type Datasets, type StoredDataset, storedDatasets, type VerifyLevel } from "../../datasets/index.ts";
import type { ObjectStore } from "../../storage/index.ts";
import { counted, type Finding, failed, finding } from "./finding.ts";

const mostTold = 20;
const reindex = "Stop the server, then: millrace reindex";

export interface ChainChecks {
  readonly store: ObjectStore;
  readonly datasets: Datasets;
  /** The same without an index, which reading a chain would carry on. */
  readonly withoutIndex: Datasets;
  /** null: chains are not read. */
  readonly level: VerifyLevel | null;
  readonly hasIndex: boolean;
}

/** Every dataset of the store: its chain, its objects, and what the index says of it. */
export async function* chainFindings(checks: ChainChecks, signal: AbortSignal): AsyncIterable<Finding> {
  const { store, datasets, hasIndex } = checks;
  const stored: StoredDataset[] = [];
  let problems = 0;
  try {
    for await (const one of storedDatasets(store, signal)) {
      stored.push(one);
      if (one.path === null || one.isDeleted) continue;
      const found = await problemOf(checks, one.id, signal);
      if (found === null) continue;
      problems++;
      if (problems <= mostTold)
        yield finding(`dataset ${formatDatasetPath(one.path)}`, "problem", found.text, found.advice);
    }
  } catch (error) {
    signal.throwIfAborted();
    yield failed("datasets", error);
    return;
  }
  const living = stored.filter((one) => one.path !== null && !one.isDeleted);
  if (problems > 0) yield finding("datasets", "problem", `${problems} of ${living.length} datasets have problems.`);
  else yield finding("datasets", "ok", `${counted(living.length, "dataset")}: ${told(checks)}.`);
  const unfinished = stored.filter((one) => one.path === null && !one.isDeleted).length;
  if (unfinished > 0)
    yield finding(
      "datasets",
      "note",
      `${counted(unfinished, "folder")} of datasets that were never finished; nothing was acknowledged in them.`,
    );
  if (hasIndex) yield await namesFinding(datasets, store, living, signal);
  if (checks.level === "physical") yield await orphanFinding(checks.withoutIndex, living, signal);
}

async function orphanFinding(
  datasets: Datasets,
  living: readonly StoredDataset[],
  signal: AbortSignal,
): Promise<Finding> {
  const check = "orphans";
  let objects = 0;
  let bytes = 0;
  for (const { id } of living) {
    signal.throwIfAborted();
    const found = await datasets.transfer.unnamed(id, signal).catch(() => null); // a broken one was told already
    objects += found?.objects ?? 0;
    bytes += found?.bytes ?? 0;
  }
  if (objects === 0) return finding(check, "ok", "Every object of the datasets is named by their chains.");
  const text = `${counted(objects, "object")} (${bytes} bytes) that no chain names: commits that were lost or cut off left them.`;
  return finding(check, "note", text, "They do no harm. A running server collects what is old.");
}

function told({ level, hasIndex }: ChainChecks): string {
  const chains =
    level === null
      ? "their folders are there"
      : level === "chain"
        ? "their chains are whole"
        : "their chains and the bytes of their objects are whole";
  return hasIndex ? `${chains}, and the index agrees` : chains;
}

async function problemOf(
  { datasets, level, hasIndex }: ChainChecks,
  id: DatasetId,
  signal: AbortSignal,
): Promise<{ text: string; advice: string } | null> {
  try {
    if (level !== null) {
      const { broken } = await datasets.verify(id, { level, signal });
      if (broken !== null)
        return {
          text: `${broken.object}: ${broken.reason}.`,
          advice: "Put the object back from a backup or another copy; millrace verify tells more.",
        };
      const [first, ...others] = await datasets.layouts.broken(id, level !== "chain", signal);
      if (first !== undefined)
        return {
          text: `${first.object}: ${first.reason}${others.length === 0 ? "" : `, and ${others.length} more`}. What it stands for is not superseded.`,
          advice:
            "Put the object back from a backup. While millrace verify still passes, its slices are there: then delete the manifest of its region (layout/regions/), and it is made anew.",
        };
    }
    const index = hasIndex ? await datasets.indexProblem(id, signal) : null;
    return index === null ? null : { text: `The index is wrong: ${index}.`, advice: reindex };
  } catch (error) {
    signal.throwIfAborted();
    const { text, advice } = failed("", error);
    return { text, advice: advice ?? "millrace verify tells more." };
  }
}

/** Names lead from the index to folders, and each folder is found by its name. */
async function namesFinding(
  datasets: Datasets,
  store: ObjectStore,
  living: readonly StoredDataset[],
  signal: AbortSignal,
): Promise<Finding> {
  const check = "index of names";
  try {
    const indexed = new Map((await datasets.list()).map((ref) => [ref.id, formatDatasetPath(ref.path)]));
    const stored = new Map(living.map(({ id, path }) => [id, path === null ? "" : formatDatasetPath(path)]));
    const unknown = [...stored].filter(([id, name]) => indexed.get(id) !== name).map(([, name]) => name);
    let lost = [...indexed].filter(([id]) => !stored.has(id));
    if (lost.length > 0) {
      // Beside a running server some may have been made since.
      const now = new Set((await Array.fromAsync(storedDatasets(store, signal))).map(({ id }) => id));
      lost = lost.filter(([id]) => !now.has(id));
    }
    if (unknown.length > 0)
      return finding(
        check,
        "problem",
        `PostgreSQL does not know ${unknown.length} datasets of the store, as ${unknown[0]}.`,
        reindex,
      );
    if (lost.length > 0)
      return finding(
        check,
        "problem",
        `PostgreSQL knows ${lost.length} datasets that the store does not have, as ${lost[0]?.[1]}.`,
        `Was objectStore changed? Else: ${reindex}`,
      );
    return finding(check, "ok", "Index and store know the same datasets by the same names.");
  } catch (error) {
    return failed(check, error);
  }
}
