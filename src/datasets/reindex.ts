import {
  type Clock,
  type DatasetId,
  datasetPath,
  formatDatasetPath,
  MillraceError,
  type Telemetry,
} from "../base/index.ts";
import type { ObjectStore } from "../storage/index.ts";
import type { Chain } from "./chain/chain.ts";
import type { Chains } from "./chain/chains.ts";
import { DatasetKeys, datasetsPrefix } from "./chain/keys.ts";
import type { ChainIndex, DatasetRef } from "./chain-index/chain-index.ts";
import { isDatasetId } from "./odf/index.ts";

export interface ReindexReport {
  readonly datasets: number;
  readonly blocks: number;
  readonly broken: readonly BrokenDataset[];
}

/** Its chain cannot be read: its name is indexed, its blocks are not. Or its name cannot: then its id stands for it. */
export interface BrokenDataset {
  readonly dataset: string;
  readonly reason: string;
}

export interface ReindexOptions {
  readonly store: ObjectStore;
  readonly index: ChainIndex;
  readonly chains: Chains;
  readonly clock: Clock;
  readonly telemetry: Telemetry;
}

/**
 * Rebuilds the index from the object store alone:
 * list the objects once ▸ names ▸ replace the index at once ▸ read each chain (which indexes its blocks) ▸ mend its hint.
 * Cut off behind the third step, the index lacks blocks, which readers find in the store.
 */
export async function reindex(options: ReindexOptions, signal?: AbortSignal): Promise<ReindexReport> {
  const { store, index, chains } = options;
  const broken: BrokenDataset[] = [];
  const refs = await namedDatasets(options, broken, signal);
  for (const { id } of refs) chains.forget(id);
  await index.replaceAll(refs);
  let blocks = 0;
  for (const { id, path } of refs) {
    signal?.throwIfAborted();
    try {
      const { tip } = await chains.current(id, signal);
      blocks += tip.seq + 1;
      if (tip.head !== null) await store.put(new DatasetKeys(id).head, new TextEncoder().encode(tip.head));
    } catch (error) {
      if (!(error instanceof MillraceError)) throw error;
      broken.push({ dataset: formatDatasetPath(path), reason: error.message });
    }
  }
  return { datasets: refs.length, blocks, broken };
}

/** Every dataset that has a name and was not deleted; of several with one name, the one that is used. */
async function namedDatasets(
  options: ReindexOptions,
  broken: BrokenDataset[],
  signal?: AbortSignal,
): Promise<DatasetRef[]> {
  const byName = new Map<string, DatasetRef>();
  for await (const id of storedIds(options, signal)) {
    const ref = await readRef(options, id, signal).catch((error: unknown) => {
      if (!(error instanceof MillraceError) || error.code !== "bad_name") throw error;
      broken.push({ dataset: id, reason: error.message });
      return null;
    });
    if (ref === null) continue;
    const name = formatDatasetPath(ref.path);
    const other = byName.get(name);
    byName.set(name, other === undefined ? ref : await usedOne(options, other, ref, signal));
  }
  return [...byName.values()];
}

/** Ids of the folders, in one pass over all objects. */
async function* storedIds({ store, telemetry }: ReindexOptions, signal?: AbortSignal): AsyncIterable<DatasetId> {
  let folder = "";
  for await (const { key } of store.list(datasetsPrefix, signal ? { signal } : {})) {
    const [found = ""] = key.slice(datasetsPrefix.length).split("/", 1);
    if (found === folder) continue;
    folder = found;
    const text = `did:odf:${folder}`;
    if (isDatasetId(text)) yield text;
    else telemetry.log.warn("what lies among the datasets is none", { key });
  }
}

async function readRef(
  { store, clock, chains }: ReindexOptions,
  id: DatasetId,
  signal?: AbortSignal,
): Promise<DatasetRef | null> {
  const keys = new DatasetKeys(id);
  const alias = await store.get(keys.alias, signal ? { signal } : {});
  if (alias === null || (await store.stat(keys.tombstone)) !== null) return null;
  const path = datasetPath(new TextDecoder().decode(alias));
  return { id, path, createdAt: (await seedTime(chains, id, signal)) ?? clock.now() };
}

async function seedTime(chains: Chains, id: DatasetId, signal?: AbortSignal) {
  try {
    return (await chains.log(id).at(0, signal)).block.systemTime;
  } catch (error) {
    if (error instanceof MillraceError) return null; // told when the chain is read
    throw error;
  }
}

/**
 * A crash between writing an alias and indexing it leaves a dataset that nobody was told of; the name was then made anew.
 * The unused one is buried, so that it cannot come back.
 */
async function usedOne(
  { store, chains, telemetry }: ReindexOptions,
  a: DatasetRef,
  b: DatasetRef,
  signal?: AbortSignal,
): Promise<DatasetRef> {
  const [first, second] = [await chainOrNull(chains, a.id, signal), await chainOrNull(chains, b.id, signal)];
  const firstIsUsed = isUsed(first);
  if (firstIsUsed === isUsed(second) && firstIsUsed) {
    throw new MillraceError("chain_broken", `Two datasets with rows are named ${formatDatasetPath(a.path)}.`, {
      data: { ids: [a.id, b.id] },
      hint: "Write another name into the info/alias of one of them.",
    });
  }
  const [used, unused] = firstIsUsed ? [a, b] : [b, a];
  telemetry.log.warn("an unfinished dataset of a taken name is dropped", { datasetId: unused.id, path: unused.path });
  await store.put(new DatasetKeys(unused.id).tombstone, new TextEncoder().encode("name taken"));
  chains.forget(unused.id);
  return used;
}

async function chainOrNull(chains: Chains, id: DatasetId, signal?: AbortSignal): Promise<Chain | null> {
  try {
    return await chains.current(id, signal);
  } catch (error) {
    if (error instanceof MillraceError) return null;
    throw error;
  }
}

/** A chain that cannot be read may hold rows. */
function isUsed(chain: Chain | null): boolean {
  return chain === null || chain.tip.nextOffset > 0 || chain.milestone.quarantined > 0;
}
