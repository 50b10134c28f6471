import { type DatasetId, type DatasetPath, MillraceError } from "../base/index.ts";
import type { DatasetRef, Datasets } from "../datasets/index.ts";
import { readSoFar } from "./progress.ts";

/** How far a derivative has read one input. */
export interface InputProgress {
  readonly dataset: DatasetPath;
  /** Rows below this offset have been read. */
  readonly readOffset: number;
  /** Rows of the input that have not been. */
  readonly behindRows: number;
  /** Since the first commit with a row that has not been read; 0 where there is none. */
  readonly behindMs: number;
}

/** How far the chain of a derivative has read each of its inputs, against what they have now. */
export async function inputProgress(
  datasets: Datasets,
  id: DatasetId,
  { inputs, driving }: { readonly inputs: readonly DatasetRef[]; readonly driving: ReadonlySet<DatasetId> },
  nowMs: number,
  signal: AbortSignal,
): Promise<readonly InputProgress[]> {
  const head = await datasets.head(id, signal);
  const read = await readSoFar(datasets, id, head.seq, signal);
  const one = async (input: DatasetRef): Promise<InputProgress> => {
    const readOffset = read.get(input.id)?.nextOffset ?? 0;
    // What is looked up is seen as it is: no row of it waits.
    if (!driving.has(input.id)) return { dataset: input.path, readOffset, behindRows: 0, behindMs: 0 };
    const newest = await datasets.snapshot(input.id, undefined, signal);
    const from = Math.max(readOffset, newest.expiredBefore);
    const behindRows = Math.max(0, newest.rows - from);
    const behindMs = behindRows === 0 ? 0 : Math.max(0, nowMs - (await committedAt(datasets, input.id, from, signal)));
    return { dataset: input.path, readOffset, behindRows, behindMs };
  };
  return await Promise.all(inputs.map(one));
}

/** When the row of an offset was committed. */
async function committedAt(datasets: Datasets, id: DatasetId, offset: number, signal: AbortSignal): Promise<number> {
  try {
    return (await datasets.snapshot(id, { kind: "offset", offset }, signal)).systemTime;
  } catch (error) {
    // It has expired meanwhile: the oldest that is left is what waits.
    if (!(error instanceof MillraceError) || error.code !== "data_expired") throw error;
    return (await datasets.snapshot(id, undefined, signal)).systemTime;
  }
}
