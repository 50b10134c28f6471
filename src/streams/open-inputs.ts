import { type DatasetId, formatDatasetPath, MillraceError } from "../base/index.ts";
import {
  changesOf,
  type DatasetRef,
  type Datasets,
  type LiveSlice,
  type RelationFiles,
  relationOf,
  type Snapshot,
} from "../datasets/index.ts";
import { systemFields, userColumns } from "../slices/index.ts";
import type { DecidedInput, Decision } from "./decision.ts";
import type { Relation } from "./select.ts";

/** One input as a run was decided to see it. */
export interface SeenInput {
  readonly ref: DatasetRef;
  readonly decided: DecidedInput;
  readonly snapshot: Snapshot;
}

/** The inputs at the versions that a run was decided over. @throws conflict where one is not read by the transform */
export async function seeInputs(
  datasets: Datasets,
  inputs: readonly DatasetRef[],
  decision: Decision,
  signal: AbortSignal,
): Promise<readonly SeenInput[]> {
  return await Promise.all(
    decision.inputs.map(async (decided) => {
      const ref = inputs.find(({ id }) => id === decided.datasetId);
      if (ref === undefined)
        throw new MillraceError("conflict", "A run was decided over a dataset that the transform does not read.");
      const snapshot = await datasets.snapshot(ref.id, { kind: "version", seq: decided.seq }, signal);
      return { ref, decided, snapshot };
    }),
  );
}

/** SQL of the rows that no run has read yet, as they stand in their slices; held open. */
export async function newRows(
  datasets: Datasets,
  {
    ref,
    decided,
    snapshot,
  }: Pick<SeenInput, "snapshot"> & {
    readonly ref: Pick<DatasetRef, "id" | "path">;
    readonly decided: Pick<DecidedInput, "fromOffset" | "belowOffset">;
  },
  held: AsyncDisposableStack,
  signal: AbortSignal,
): Promise<string> {
  const { belowOffset } = decided;
  const fromOf = ({ expiredBefore }: Snapshot) => Math.max(decided.fromOffset, expiredBefore);
  const isNew = (seen: Snapshot) => (slice: LiveSlice) =>
    slice.lastOffset >= fromOf(seen) && slice.firstOffset < belowOffset;
  const opened = await open(datasets, ref, snapshot, isNew, held, signal);
  return changesOf(ref.path, opened.snapshot, opened.files, { fromOffset: fromOf(opened.snapshot), belowOffset });
}

/** SQL of the rows that runs have read already, as they stand in their slices; held open. @param isNeeded of the slices these */
export async function oldRows(
  datasets: Datasets,
  { ref, decided, snapshot }: SeenInput,
  held: AsyncDisposableStack,
  signal: AbortSignal,
  isNeeded: (slice: LiveSlice) => boolean,
): Promise<string> {
  const { fromOffset: belowOffset } = decided;
  const isOld = () => (slice: LiveSlice) => slice.firstOffset < belowOffset && isNeeded(slice);
  const opened = await open(datasets, ref, snapshot, isOld, held, signal);
  return changesOf(ref.path, opened.snapshot, opened.files, { fromOffset: opened.snapshot.expiredBefore, belowOffset });
}

/** SQL of all rows that hold; held open. @param isNeeded of its slices these */
export async function allRows(
  datasets: Datasets,
  { ref, snapshot }: Pick<SeenInput, "snapshot"> & { readonly ref: Pick<DatasetRef, "id" | "path"> },
  held: AsyncDisposableStack,
  signal: AbortSignal,
  isNeeded: (slice: LiveSlice) => boolean = () => true,
): Promise<string> {
  const opened = await open(datasets, ref, snapshot, () => isNeeded, held, signal);
  return relationOf(ref.path, opened.snapshot, opened.files);
}

/** The columns of a snapshot's rows without any row. */
export function noRows({ ref, snapshot }: Pick<SeenInput, "ref" | "snapshot">): string {
  return relationOf(ref.path, snapshot, { slices: [], paths: [] });
}

/** Names of the columns that a SELECT sees. */
export function columnsOf({ snapshot }: Pick<SeenInput, "snapshot">): readonly string[] {
  return snapshot.schema === null ? [] : [...systemFields, ...userColumns(snapshot.schema)].map(({ name }) => name);
}

/** A relation for each input, by its name. */
export function byName(
  inputs: readonly Pick<SeenInput, "ref" | "snapshot">[],
  relations: readonly string[],
): (path: DatasetRef["path"]) => Relation {
  const known = new Map(
    inputs.map((input, at) => [
      formatDatasetPath(input.ref.path),
      { sql: relations[at] ?? "", columns: columnsOf(input) },
    ]),
  );
  return (path) => {
    const found = known.get(formatDatasetPath(path));
    if (found === undefined) throw new Error(`a run does not read ${formatDatasetPath(path)}`);
    return found;
  };
}

async function open(
  datasets: Datasets,
  { id }: { readonly id: DatasetId },
  first: Snapshot,
  isNeeded: (snapshot: Snapshot) => (slice: LiveSlice) => boolean,
  held: AsyncDisposableStack,
  signal: AbortSignal,
): Promise<{ readonly snapshot: Snapshot; readonly files: RelationFiles }> {
  for (let snapshot = first, isRefreshed = false; ; isRefreshed = true) {
    const slices = snapshot.slices.filter(isNeeded(snapshot));
    try {
      const { paths } = held.use(await datasets.openSlices(id, slices, signal));
      return { snapshot, files: { slices, paths } };
    } catch (error) {
      // Compacted meanwhile: the same rows are in other files.
      const isGone = error instanceof MillraceError && error.code === "data_expired";
      if (isRefreshed || !isGone) throw error;
      await datasets.refresh(id, signal);
      snapshot = await datasets.snapshot(id, { kind: "version", seq: first.seq }, signal);
    }
  }
}
