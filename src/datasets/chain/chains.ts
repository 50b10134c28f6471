import { type DatasetId, type Logger, Mutex } from "../../base/index.ts";
import type { ObjectStore } from "../../storage/index.ts";
import { type ChainIndex, statisticsShape } from "../chain-index/chain-index.ts";
import { Chain, type ColumnStatistics } from "./chain.ts";
import { DatasetKeys } from "./keys.ts";
import { newestSeq, readBlock, readLog, type StoredBlock } from "./log.ts";

/** Chains kept in memory; the least lately used one goes first. */
const cachedChains = 2_000;
/** Blocks read at once from the object store. */
const readAhead = 16;

interface Entry {
  readonly chain: Chain;
  readonly keys: DatasetKeys;
  readonly mutex: Mutex;
}

/**
 * The chains as this process knows them. `current` brings one up to date with the log: one look at the next log entry
 * when nothing has changed, the index for what it has, the object store for the rest.
 */
export class Chains {
  readonly #store: ObjectStore;
  readonly #index: ChainIndex;
  readonly #log: Logger;
  readonly #entries = new Map<DatasetId, Entry>();

  constructor(store: ObjectStore, index: ChainIndex, log: Logger) {
    this.#store = store;
    this.#index = index;
    this.#log = log;
  }

  /** The chain with everything that was committed before the call. @throws chain_broken */
  async current(id: DatasetId, signal?: AbortSignal): Promise<Chain> {
    const entry = this.#entry(id);
    if (entry.chain.seq >= 0 && (await this.#store.stat(entry.keys.log(entry.chain.seq + 1))) === null)
      return entry.chain;
    await entry.mutex.run(() => this.#catchUp(id, entry, signal), signal);
    return entry.chain;
  }

  /** Adds a block that this process has just committed, unless a reader was faster. */
  async committed(id: DatasetId, stored: StoredBlock, statistics: readonly ColumnStatistics[] | null): Promise<void> {
    const entry = this.#entry(id);
    await entry.mutex.run(async () => {
      if (entry.chain.seq === stored.seq - 1) entry.chain.append(stored.hash, stored.block, statistics);
    });
    await this.#addToIndex(id, stored, statistics);
  }

  forget(id: DatasetId): void {
    this.#entries.delete(id);
  }

  #entry(id: DatasetId): Entry {
    const known = this.#entries.get(id);
    const entry = known ?? { chain: new Chain(), keys: new DatasetKeys(id), mutex: new Mutex() };
    this.#entries.delete(id);
    this.#entries.set(id, entry);
    if (this.#entries.size > cachedChains) {
      const [oldest] = this.#entries.keys();
      if (oldest !== undefined) this.#entries.delete(oldest);
    }
    return entry;
  }

  async #catchUp(id: DatasetId, { chain, keys }: Entry, signal?: AbortSignal): Promise<void> {
    if (chain.seq < 0) await this.#readIndex(id, chain);
    const newest = await newestSeq(this.#store, keys, chain.seq, signal);
    while (chain.seq < newest) {
      const from = chain.seq + 1;
      const count = Math.min(readAhead, newest - chain.seq);
      const read = await Promise.all(Array.from({ length: count }, (_, i) => this.#read(keys, from + i, signal)));
      for (const { stored, statistics } of read) {
        chain.append(stored.hash, stored.block, statistics);
        await this.#addToIndex(id, stored, statistics);
      }
    }
  }

  /** A broken index must not stop a reader: what it does not give is read from the store. */
  async #readIndex(id: DatasetId, chain: Chain): Promise<void> {
    try {
      for await (const { hash, block, statistics } of this.#index.blocks(id, -1)) chain.append(hash, block, statistics);
    } catch (error) {
      this.#log.warn("the index of a chain cannot be read; reading the object store", { datasetId: id, error });
    }
  }

  async #read(keys: DatasetKeys, seq: number, signal?: AbortSignal) {
    const hash = await readLog(this.#store, keys, seq, signal);
    if (hash === null) throw new Error(`log entry ${seq} vanished`);
    const stored = await readBlock(this.#store, keys, seq, hash, signal);
    return { stored, statistics: await this.#readStatistics(keys, stored) };
  }

  async #readStatistics(keys: DatasetKeys, { block }: StoredBlock): Promise<readonly ColumnStatistics[] | null> {
    if (block.event.kind !== "AddData" || block.event.newData === undefined) return null;
    const bytes = await this.#store.get(keys.statistics(block.event.newData.physicalHash));
    if (bytes === null) return null;
    const parsed = statisticsShape.safeParse(JSON.parse(new TextDecoder().decode(bytes)));
    return parsed.success ? parsed.data : null;
  }

  async #addToIndex(id: DatasetId, stored: StoredBlock, statistics: readonly ColumnStatistics[] | null): Promise<void> {
    try {
      await this.#index.addBlock(id, stored, statistics);
    } catch (error) {
      this.#log.warn("a block was not indexed; readers find it in the object store", {
        datasetId: id,
        seq: stored.seq,
        error,
      });
    }
  }
}
