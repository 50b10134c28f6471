import type { DatasetId } from "../../base/index.ts";
import type { Batch, ConvertContext, Converted, Detected } from "../convert/batch.ts";
import { detectColumns } from "../convert/exact.ts";

const mostDatasets = 10_000;
/** After a batch of which numbers could not be read by type, so many are read as text straight away. */
const batchesAsText = 16;

interface Hint {
  readonly emptyKeys: readonly string[];
  readonly asText: number;
}

/** What the last batches of a dataset have told about the next one. It keeps batches on the faster paths, nothing more. */
export class Hints {
  readonly #hints = new Map<DatasetId, Hint>();
  /** Columns of datasets that have none yet: found once for all batches that wait for their first commit. */
  readonly #detected = new Map<DatasetId, Promise<Detected>>();

  of(id: DatasetId): { readonly emptyKeys: readonly string[]; readonly asText: boolean } {
    const { emptyKeys, asText } = this.#hints.get(id) ?? { emptyKeys: [], asText: 0 };
    return { emptyKeys, asText: asText > 0 };
  }

  learn(id: DatasetId, { emptyKeys, byType }: Converted): void {
    if (this.#hints.size > mostDatasets) this.#hints.clear();
    const before = this.#hints.get(id)?.asText ?? 0;
    const asText = byType === false ? batchesAsText : byType === true ? 0 : Math.max(0, before - 1);
    this.#hints.set(id, { emptyKeys, asText });
  }

  /** Detects through the first who asks; the others wait for it. Where it fails, each is left to itself. */
  detect(id: DatasetId): NonNullable<ConvertContext["detect"]> {
    return async (batch: Batch, context: ConvertContext) => {
      const found = await this.#detected.get(id)?.catch(() => null);
      if (found) return found;
      const detecting = detectColumns(batch, context);
      detecting.catch(() => this.#detected.delete(id));
      if (this.#detected.size > mostDatasets) this.#detected.clear();
      this.#detected.set(id, detecting);
      return await detecting;
    };
  }

  /** The dataset has columns of its own by now. */
  settled(id: DatasetId): void {
    this.#detected.delete(id);
  }
}
