import type { Multihash } from "../../slices/index.ts";
import type { ObjectStore } from "../../storage/index.ts";
import type { IndexedBlock } from "../chain-index/chain-index.ts";
import { type ColumnStatistics, statisticsShape } from "../layout/live-slices.ts";
import type { DatasetKeys } from "./keys.ts";
import type { DatasetLog } from "./log.ts";
import type { StoredBlock } from "./stored-block.ts";

/** The statistics of slices, beside the blocks that name them. Derived: what is missing or damaged is no more than unknown. */
export class StatisticsReader {
  readonly #log: DatasetLog;
  /** The objects that there are; null to ask for each. */
  #there: Set<string> | null = null;
  readonly #listFirst: boolean;

  /** @param listFirst where most of many slices may have been dropped, with their statistics */
  constructor(log: DatasetLog, listFirst: boolean) {
    this.#log = log;
    this.#listFirst = listFirst;
  }

  async addTo(blocks: readonly StoredBlock[], signal?: AbortSignal): Promise<readonly IndexedBlock[]> {
    if (this.#listFirst && this.#there === null) this.#there = await this.#list(signal);
    return await Promise.all(
      blocks.map(async (stored) => ({ ...stored, statistics: await this.#read(stored, signal) })),
    );
  }

  async #list(signal?: AbortSignal): Promise<Set<string>> {
    const { store, keys } = this.#log;
    const there = new Set<string>();
    for await (const { key } of store.list(keys.statisticsFolder, signal ? { signal } : {})) there.add(key);
    return there;
  }

  async #read({ block: { event } }: StoredBlock, signal?: AbortSignal): Promise<readonly ColumnStatistics[] | null> {
    if ((event.kind !== "AddData" && event.kind !== "ExecuteTransform") || event.newData === undefined) return null;
    const { store, keys } = this.#log;
    const { physicalHash } = event.newData;
    if (this.#there?.has(keys.statistics(physicalHash)) === false) return null;
    return await readStatistics(store, keys, physicalHash, signal);
  }
}

/** Those of one slice; null where they are not known. */
export async function readStatistics(
  store: ObjectStore,
  keys: DatasetKeys,
  hash: Multihash,
  signal?: AbortSignal,
): Promise<readonly ColumnStatistics[] | null> {
  const bytes = await store.get(keys.statistics(hash), signal ? { signal } : {});
  if (bytes === null) return null;
  const parsed = statisticsShape.safeParse(parseJson(new TextDecoder().decode(bytes)));
  return parsed.success ? parsed.data : null;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
