import type { DataSlice } from "../odf/index.ts";

/** Reads slices; the engines fit it. */
export interface SliceReader {
  /** The logical hash of a Parquet file's rows. @throws on a file that cannot be read */
  logicalHash(path: string, signal: AbortSignal): Promise<string>;
  /** The column `offset`: its first number (null without rows), and whether the others follow it one by one. */
  offsets(
    path: string,
    signal: AbortSignal,
  ): Promise<{ readonly rows: number; readonly first: number | null; readonly gapFree: boolean }>;
}

/** Why a file's rows are not those that a block says of its slice, or null. @throws on a file that cannot be read */
export async function logicalProblem(
  reader: SliceReader,
  path: string,
  { offsetInterval: { start, end }, logicalHash }: Pick<DataSlice, "offsetInterval" | "logicalHash">,
  signal: AbortSignal,
): Promise<string | null> {
  const { rows, first, gapFree } = await reader.offsets(path, signal);
  const wanted = end - start + 1;
  if (rows !== wanted) return `it has ${rows} rows, and its block says ${wanted}`;
  if (first !== start) return `its offsets begin at ${first}, and its block says ${start}`;
  if (!gapFree) return "its offsets do not follow each other";
  const logical = await reader.logicalHash(path, signal);
  return logical === logicalHash ? null : "its rows are not those that its logical hash says";
}
