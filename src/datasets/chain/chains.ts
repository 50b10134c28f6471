import { abortable, type Clock, type DatasetId, deadlineSignal, type Logger, Mutex } from "../../base/index.ts";
import type { ObjectStore } from "../../storage/index.ts";
import { type ChainIndex, type IndexedBlock, statisticsShape } from "../chain-index/chain-index.ts";
import type { ColumnStatistics } from "../layout/live-slices.ts";
import { Recent } from "../recent.ts";
import type { Tip } from "../rules/index.ts";
import { Chain } from "./chain.ts";
import { DatasetKeys } from "./keys.ts";
import { brokenObject, newestSeq, readBlock, readEntry, readHint, readLog, type StoredBlock } from "./log.ts";

/** Chains kept in memory, by number and by weight; the least lately used one goes first. */
const mostChains = 2_000;
const defaultCacheBytes = 128 << 20;
/** Blocks read at once from the object store. */
const readAhead = 32;

/** How long a commit or a reader waits for the index to take blocks; they are durable without it. */
const indexWaitMs = 2_000;

export interface ChainsOptions {
  readonly store: ObjectStore;
  readonly index: ChainIndex;
  readonly clock: Clock;
  readonly log: Logger;
  readonly cacheBytes: number | undefined;
}

interface Entry {
  chain: Chain;
  readonly keys: DatasetKeys;
  readonly mutex: Mutex;
  /** What of the chain's weight the cache has counted. */
  weighedBytes: number;
}

/**
 * The chains as this process knows them. `current` brings one up to date with the log: one look at the next log entry
 * when nothing has changed, the index for what it has, the object store for the rest. The log decides: an index that says
 * something else is dropped, unless `refs/head` bears it out, for then the log has lost what was committed.
 */
export class Chains {
  readonly #store: ObjectStore;
  readonly #index: ChainIndex;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #cacheBytes: number;
  readonly #entries = new Recent<DatasetId, Entry>(Number.POSITIVE_INFINITY);
  #weightBytes = 0;

  constructor({ store, index, clock, log, cacheBytes = defaultCacheBytes }: ChainsOptions) {
    this.#store = store;
    this.#index = index;
    this.#clock = clock;
    this.#log = log;
    this.#cacheBytes = cacheBytes;
  }

  /** The chain with everything that was committed before the call. @throws chain_broken, dataset_not_found */
  async current(id: DatasetId, signal?: AbortSignal): Promise<Chain> {
    const entry = this.#entry(id);
    const { chain, keys } = entry;
    if (chain.seq >= 0 && (await this.#store.stat(keys.log(chain.seq + 1))) === null) return chain;
    try {
      await entry.mutex.run(() => this.#catchUp(id, entry, signal), signal);
    } finally {
      this.#weigh(id, entry);
    }
    return entry.chain;
  }

  /** Adds a block that this process has just committed, unless a reader was faster. */
  async committed(id: DatasetId, stored: StoredBlock, statistics: readonly ColumnStatistics[] | null): Promise<void> {
    const entry = this.#entry(id);
    await entry.mutex.run(async () => {
      if (entry.chain.seq === stored.seq - 1) entry.chain.append(stored.hash, stored.block, statistics);
    });
    this.#weigh(id, entry);
    await this.#addToIndex(id, [{ ...stored, statistics }]);
  }

  forget(id: DatasetId): void {
    const entry = this.#entries.get(id);
    if (entry !== undefined) this.#weightBytes -= entry.weighedBytes;
    this.#entries.delete(id);
  }

  /**
   * The first log entry that is gone though it was committed: the index and the hint, which are written after the entry,
   * both know of a later block. Null where nothing speaks against the log.
   */
  async lostEntry(id: DatasetId, newest: number, signal?: AbortSignal): Promise<string | null> {
    const keys = new DatasetKeys(id);
    const hinted = await readHint(this.#store, keys, signal);
    if (hinted === null || hinted.seq <= newest) return null;
    return (await this.#indexedHash(id, hinted.seq)) === hinted.hash ? keys.log(newest + 1) : null;
  }

  #entry(id: DatasetId): Entry {
    const known = this.#entries.get(id);
    if (known !== undefined) return known;
    const entry = { chain: new Chain(id), keys: new DatasetKeys(id), mutex: new Mutex(), weighedBytes: 0 };
    this.#entries.set(id, entry);
    return entry;
  }

  #weigh(id: DatasetId, entry: Entry): void {
    if (this.#entries.get(id) !== entry) return; // dropped meanwhile
    this.#weightBytes += entry.chain.weightBytes - entry.weighedBytes;
    entry.weighedBytes = entry.chain.weightBytes;
    while (this.#entries.size > 1 && (this.#entries.size > mostChains || this.#weightBytes > this.#cacheBytes))
      this.#weightBytes -= this.#entries.dropOldest()?.weighedBytes ?? 0;
  }

  async #catchUp(id: DatasetId, entry: Entry, signal?: AbortSignal): Promise<void> {
    const { keys } = entry;
    if (entry.chain.seq < 0) entry.chain = (await this.#readIndex(id, keys, signal)) ?? entry.chain;
    const { chain } = entry;
    const known = chain.seq < 0 ? await this.#hintedSeq(keys, signal) : chain.seq;
    const newest = await newestSeq(this.#store, keys, known, signal);
    while (chain.seq < newest) {
      const from = chain.seq + 1;
      const count = Math.min(readAhead, newest - chain.seq);
      const read = await Promise.all(Array.from({ length: count }, (_, i) => this.#read(keys, from + i, signal)));
      for (const { hash, block, statistics } of read) chain.append(hash, block, statistics);
      await this.#addToIndex(id, read);
    }
  }

  /** What the index has of a chain. A broken index must not stop a reader: the rest is read from the store. */
  async #readIndex(id: DatasetId, keys: DatasetKeys, signal?: AbortSignal): Promise<Chain | null> {
    const chain = new Chain(id);
    try {
      for await (const { hash, block, statistics } of this.#index.blocks(id, -1)) chain.append(hash, block, statistics);
    } catch (error) {
      this.#log.warn("the index of a chain cannot be read; reading the object store", { datasetId: id, error });
    }
    return chain.seq >= 0 && (await this.#agrees(id, chain.tip, keys, signal)) ? chain : null;
  }

  /** Each block names the one before it: where the last agrees with the log, all do. */
  async #agrees(id: DatasetId, { seq, head }: Tip, keys: DatasetKeys, signal?: AbortSignal): Promise<boolean> {
    const entry = await readLog(this.#store, keys, seq, signal);
    if (entry === head) return true;
    const newest = await newestSeq(this.#store, keys, -1, signal);
    const lost = await this.lostEntry(id, newest, signal);
    if (lost !== null) throw brokenObject(lost, "it is missing, though later blocks were committed");
    this.#log.error("the index of a chain is not the object store's; dropping it", { datasetId: id, seq, head, entry });
    await this.#index.removeBlocks(id);
    return false;
  }

  /** A sequence number to look from: the hint's, where the log bears it out. */
  async #hintedSeq(keys: DatasetKeys, signal?: AbortSignal): Promise<number> {
    const hinted = await readHint(this.#store, keys, signal);
    if (hinted === null || (await readLog(this.#store, keys, hinted.seq, signal)) !== hinted.hash) return -1;
    return hinted.seq;
  }

  async #indexedHash(id: DatasetId, seq: number): Promise<string | null> {
    try {
      return await this.#index.hashAt(id, seq);
    } catch {
      return null; // no index, no witness
    }
  }

  async #read(keys: DatasetKeys, seq: number, signal?: AbortSignal): Promise<IndexedBlock> {
    const hash = await readEntry(this.#store, keys, seq, signal);
    const stored = await readBlock(this.#store, keys, seq, hash, signal);
    return { ...stored, statistics: await this.#readStatistics(keys, stored, signal) };
  }

  /** Derived, so that what is missing or damaged is no more than unknown. */
  async #readStatistics(
    keys: DatasetKeys,
    { block: { event } }: StoredBlock,
    signal?: AbortSignal,
  ): Promise<readonly ColumnStatistics[] | null> {
    if ((event.kind !== "AddData" && event.kind !== "ExecuteTransform") || event.newData === undefined) return null;
    const bytes = await this.#store.get(keys.statistics(event.newData.physicalHash), signal ? { signal } : {});
    if (bytes === null) return null;
    const parsed = statisticsShape.safeParse(parseJson(new TextDecoder().decode(bytes)));
    return parsed.success ? parsed.data : null;
  }

  async #addToIndex(id: DatasetId, blocks: readonly IndexedBlock[]): Promise<void> {
    try {
      using deadline = deadlineSignal(this.#clock, indexWaitMs, () => new Error("the index does not answer"));
      await abortable(this.#index.addBlocks(id, blocks), deadline.signal);
    } catch (error) {
      const seq = blocks[0]?.seq;
      this.#log.warn("blocks were not indexed; readers find them in the object store", { datasetId: id, seq, error });
    }
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
