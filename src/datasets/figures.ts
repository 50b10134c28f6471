import type { DatasetId } from "../base/index.ts";
import type { Chains } from "./chain/chains.ts";
import { type Head, headOf } from "./head.ts";
import { Recent } from "./recent.ts";

/** A head without what only the whole chain can tell. */
export type HeadFigures = Omit<Head, "sourceState">;

/** Memory for figures: of some twenty thousand datasets with thirty columns each. */
const keptBytes = 64 << 20;
const plainBytes = 400;
const columnBytes = 90;

/**
 * The figures of heads, kept of far more datasets than whole chains are: whoever lists them asks of each whether it is still the
 * newest, and reads no chain. What changes a head without a commit (files compacted, rows expired) drops its figures.
 */
export class KeptFigures {
  readonly #kept = new Recent<DatasetId, { readonly figures: HeadFigures; readonly bytes: number }>(
    Number.POSITIVE_INFINITY,
  );
  #bytes = 0;

  get(id: DatasetId): HeadFigures | null {
    return this.#kept.get(id)?.figures ?? null;
  }

  set(id: DatasetId, figures: HeadFigures): void {
    this.drop(id);
    const bytes = plainBytes + columnBytes * (figures.schema?.fields.length ?? 0);
    this.#kept.set(id, { figures, bytes });
    this.#bytes += bytes;
    while (this.#bytes > keptBytes) this.#bytes -= this.#kept.dropOldest()?.bytes ?? 0;
  }

  drop(id: DatasetId): void {
    const known = this.#kept.get(id);
    if (known === undefined) return;
    this.#kept.delete(id);
    this.#bytes -= known.bytes;
  }
}

/** Of a dataset, with everything that was committed before the call. @throws dataset_not_found, chain_broken */
export async function currentFigures(chains: Chains, id: DatasetId, signal?: AbortSignal): Promise<HeadFigures> {
  const kept = chains.isOpen(id) ? null : chains.figures.get(id);
  if (kept !== null && (await chains.freshLog(id).isNewest(kept.seq))) return kept;
  const { sourceState: _, ...figures } = headOf(await chains.current(id, signal));
  chains.figures.set(id, figures);
  return figures;
}
