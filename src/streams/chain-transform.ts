import { type DatasetId, type DatasetPath, formatDatasetPath, MillraceError } from "../base/index.ts";
import type { DatasetRef, Datasets, Head } from "../datasets/index.ts";
import type { ChainTransform } from "./contract.ts";
import type { SelectText } from "./select.ts";

/** Who runs the SQL of a transform, as Open Data Fabric names engines. */
const engine = "duckdb";

/** What a derivative's chain says of its transform. */
export function chainTransform(
  path: DatasetPath,
  { sql, key = [] }: SelectText,
  inputs: readonly DatasetRef[],
): ChainTransform {
  const temporalTables =
    key.length === 0 ? {} : { temporalTables: [{ name: formatDatasetPath(path), primaryKey: key }] };
  return {
    inputs: inputs.map(({ id, path: input }) => ({ datasetRef: id, alias: formatDatasetPath(input) })),
    transform: { kind: "Sql", engine, query: sql, ...temporalTables },
  };
}

/** The text that a chain's transform says. */
export function textOfTransform({ transform }: Pick<ChainTransform, "transform">): Required<SelectText> {
  return { sql: transform.query ?? "", key: transform.temporalTables?.[0]?.primaryKey ?? [] };
}

/** Number and text of the newest transform in a derivative's chain. */
export async function newestTransform(
  datasets: Datasets,
  id: DatasetId,
  head: Pick<Head, "seq" | "transformSeq">,
  signal: AbortSignal,
): Promise<{ readonly seq: number; readonly said: Required<SelectText> }> {
  // Where the head does not say, the chain has been opened from an older checkpoint: it then has one, near its beginning.
  const range = { from: head.transformSeq ?? 0, to: head.transformSeq ?? head.seq, newestFirst: false };
  for await (const { seq, block } of datasets.blocks(id, range, signal))
    if (block.event.kind === "SetTransform") return { seq, said: textOfTransform(block.event) };
  throw new MillraceError("chain_broken", "The chain of a derivative has no transform.");
}
