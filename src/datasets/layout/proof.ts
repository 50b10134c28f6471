import { MillraceError } from "../../base/index.ts";
import { copyColumns } from "../../slices/index.ts";
import type { LiveSlice } from "./live-slices.ts";
import type { Original } from "./originals.ts";
import type { CopyWorker, LaidOut } from "./work.ts";

/** Originals whose hashes are recomputed in one pass over a copy. */
const mostAtOnce = 1_024;

/**
 * Why a copy does not stand for these originals, or null: the logical hash of each, recomputed from the copy's rows of its offsets,
 * must be the one that its block says. `path` is a file with the copy's bytes.
 * @throws the signal's reason; errors of the worker that say nothing of the copy
 */
export async function proofProblem(
  worker: CopyWorker,
  schemas: LaidOut["schemas"],
  copy: { readonly file: Pick<LiveSlice, "firstOffset" | "lastOffset" | "schemaVersion">; readonly path: string },
  originals: readonly Original[],
  signal: AbortSignal,
): Promise<string | null> {
  const { file, path } = copy;
  const columns = columnsOf(schemas, file.schemaVersion);
  for (const { seq, firstOffset, lastOffset, schemaVersion } of originals) {
    if (schemaVersion !== file.schemaVersion) return `it is of another schema than block ${seq}`;
    if (firstOffset < file.firstOffset || lastOffset > file.lastOffset)
      return `it does not hold the rows of block ${seq}`;
  }
  for (let at = 0; at < originals.length; at += mostAtOnce) {
    const part = originals.slice(at, at + mostAtOnce);
    const found = await hashesOf(worker, { path, columns, ranges: part }, signal);
    if (typeof found === "string") return found;
    const wrong = part.find((original, index) => found[index] !== original.logicalHash);
    if (wrong !== undefined) return `its rows are not those of the logical hash in block ${wrong.seq}`;
  }
  return null;
}

export function columnsOf(schemas: LaidOut["schemas"], version: number) {
  return copyColumns(schemas.slice(0, version).map(({ schema }) => schema));
}

/** The hashes, or why the file has none. */
async function hashesOf(
  worker: CopyWorker,
  order: Parameters<CopyWorker["rangeHashes"]>[0],
  signal: AbortSignal,
): Promise<readonly string[] | string> {
  try {
    return await worker.rangeHashes(order, signal);
  } catch (error) {
    if (saysOfTheFile(error)) return `its rows cannot be read: ${error.message}`;
    throw error;
  }
}

/** Whether a worker's error is the file's fault, so that another try would meet it too. */
export function saysOfTheFile(error: unknown): error is MillraceError {
  return error instanceof MillraceError && (error.code === "bad_input" || error.code === "sql_runtime");
}
