import {
  abortable,
  type Clock,
  type DatasetId,
  deadlineSignal,
  type Logger,
  MillraceError,
  Mutex,
} from "../../base/index.ts";
import type { ObjectStore } from "../../storage/index.ts";
import type { ChainIndex } from "../chain-index/chain-index.ts";
import { KeptFigures } from "../figures.ts";
import { readCheckpoint } from "../layout/checkpoint-store.ts";
import { LayoutKeys } from "../layout/layout-keys.ts";
import type { ColumnStatistics, LiveSlice } from "../layout/live-slices.ts";
import { refresh } from "../layout/refresh.ts";
import type { Regions } from "../layout/region.ts";
import { PackCache } from "../packs/pack-cache.ts";
import { Recent } from "../recent.ts";
import type { Tip } from "../rules/index.ts";
import { Chain, type ChainState } from "./chain.ts";
import { DatasetKeys } from "./keys.ts";
import { DatasetLog } from "./log.ts";
import { StatisticsReader } from "./statistics.ts";
import { brokenObject, type StoredBlock } from "./stored-block.ts";

/** Chains kept in memory, by number and by weight; the least lately used one goes first. */
const mostChains = 2_000;
const defaultCacheBytes = 128 << 20;
/** Blocks whose statistics are read at once. */
const readAhead = 32;
/** Blocks read on a way forward that are indexed one by one; behind more of them, the index takes the chain's state. */
const mostRows = 64;

/** How long a commit or a reader waits for the index to take blocks; they are durable without it. */
const indexWaitMs = 2_000;

export interface ChainsOptions {
  readonly store: ObjectStore;
  readonly index: ChainIndex;
  readonly clock: Clock;
  readonly log: Logger;
  readonly cacheBytes: number | undefined;
  /** How many blocks a pack holds. */
  readonly packBlocks: number;
  readonly regions: Regions;
  /** See `DatasetLog`. */
  readonly checkFormat: (() => Promise<void>) | undefined;
}

/** A dataset as this process knows it. */
export interface KnownChain {
  readonly chain: Chain;
  readonly log: DatasetLog;
}

interface Entry extends KnownChain {
  chain: Chain;
  readonly mutex: Mutex;
  /** What of the chain's weight the cache has counted. */
  weighedBytes: number;
  /** A look at the log that has not begun. */
  nextLook: Promise<Chain | null> | null;
}

/**
 * The chains as this process knows them. `current` brings one up to date with the log: two looks when nothing has changed;
 * else the index for what it has, or a checkpoint, and packs and log for the rest. The log decides: an index or a checkpoint
 * that says something else is not used, unless the store itself bears it out, for then the log has lost what was committed.
 */
export class Chains {
  readonly #store: ObjectStore;
  readonly #index: ChainIndex;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #cacheBytes: number;
  readonly #packBlocks: number;
  readonly #regions: Regions;
  readonly #checkFormat: (() => Promise<void>) | undefined;
  readonly #packCache = new PackCache();
  readonly figures = new KeptFigures();
  readonly #entries = new Recent<DatasetId, Entry>(Number.POSITIVE_INFINITY);
  #weightBytes = 0;

  constructor({ cacheBytes = defaultCacheBytes, ...options }: ChainsOptions) {
    const { store, index, clock, log, packBlocks, regions, checkFormat } = options;
    this.#store = store;
    this.#index = index;
    this.#clock = clock;
    this.#log = log;
    this.#cacheBytes = cacheBytes;
    this.#packBlocks = packBlocks;
    this.#regions = regions;
    this.#checkFormat = checkFormat;
  }

  /** The chain with everything that was committed before the call. @throws chain_broken, dataset_not_found */
  async current(id: DatasetId, signal?: AbortSignal): Promise<Chain> {
    const entry = this.#entry(id);
    const newest = entry.chain.seq >= 0 ? await newestOf(entry) : null;
    if (newest !== null) return newest;
    try {
      await entry.mutex.run(() => this.#catchUp(id, entry, signal), signal);
    } finally {
      this.#weigh(id, entry);
    }
    return entry.chain;
  }

  /** Whether the chain is in memory, as far as it was read. */
  isOpen(id: DatasetId): boolean {
    return this.#entries.has(id);
  }

  /** Packs and log of a dataset. */
  log(id: DatasetId): DatasetLog {
    return this.#entry(id).log;
  }

  /** One that believes nothing that was read before. */
  freshLog(id: DatasetId): DatasetLog {
    return this.#logOf(id, new PackCache());
  }

  /** As far as it is in memory, not brought up to date. */
  known(id: DatasetId): KnownChain {
    return this.#entry(id);
  }

  /** Adds a block that this process has just committed, unless a reader was faster. */
  async committed(id: DatasetId, stored: StoredBlock, statistics: readonly ColumnStatistics[] | null): Promise<void> {
    const entry = this.#entry(id);
    await entry.mutex.run(async () => {
      if (entry.chain.seq === stored.seq - 1) entry.chain.append(stored.hash, stored.block, statistics);
    });
    this.#weigh(id, entry);
    await this.#tellIndex(id, stored.seq, () => this.#index.addBlocks(id, [{ ...stored, statistics }]));
  }

  /**
   * Looks up which files hold the rows now, and which have expired: what others compacted, superseded and let expire.
   * @throws chain_broken, dataset_not_found, the store's errors
   */
  async refresh(id: DatasetId, signal?: AbortSignal): Promise<void> {
    await this.current(id, signal);
    const entry = this.#entry(id);
    await entry.mutex.run(() => this.#refresh(id, entry, true, signal), signal);
    this.#weigh(id, entry);
  }

  /** Rows are read from these files from now on, where the chain is in memory. */
  replaced(id: DatasetId, files: readonly LiveSlice[]): void {
    this.figures.drop(id);
    const entry = this.#entries.get(id);
    if (entry === undefined) return;
    entry.chain.replaceSlices(files);
    this.#weigh(id, entry);
  }

  /** Rows below the offset are read no more. */
  expired(id: DatasetId, offset: number): void {
    this.figures.drop(id);
    this.#entries.get(id)?.chain.expire(offset);
  }

  forget(id: DatasetId): void {
    this.figures.drop(id);
    const entry = this.#entries.get(id);
    if (entry !== undefined) this.#weightBytes -= entry.weighedBytes;
    this.#entries.delete(id);
  }

  /**
   * The first log entry that is gone though it was committed: a checkpoint, or index and hint together, which are all written
   * after the entry, know of a later block. Null where nothing speaks against the log.
   */
  async lostEntry(id: DatasetId, newest: number, signal?: AbortSignal): Promise<string | null> {
    const { log } = this.#entry(id);
    const checkpoint = await this.#readCheckpoint(id, signal);
    if (checkpoint !== null && checkpoint.tip.seq > newest) return log.keys.log(newest + 1);
    const hinted = await log.hinted(signal);
    if (hinted === null || hinted.seq <= newest) return null;
    return (await this.#indexedHash(id, hinted.seq)) === hinted.hash ? log.keys.log(newest + 1) : null;
  }

  #entry(id: DatasetId): Entry {
    const known = this.#entries.get(id);
    if (known !== undefined) return known;
    const log = this.#logOf(id, this.#packCache);
    const entry = { chain: new Chain(id), log, mutex: new Mutex(), weighedBytes: 0, nextLook: null };
    this.#entries.set(id, entry);
    return entry;
  }

  #logOf(id: DatasetId, packCache: PackCache): DatasetLog {
    const [store, packBlocks, checkFormat] = [this.#store, this.#packBlocks, this.#checkFormat];
    const keys = new DatasetKeys(id);
    return new DatasetLog({ store, keys, packCache, packBlocks, ...(checkFormat ? { checkFormat } : {}) });
  }

  #weigh(id: DatasetId, entry: Entry): void {
    if (this.#entries.get(id) !== entry) return; // dropped meanwhile
    const { weightBytes } = entry.chain;
    this.#weightBytes += weightBytes - entry.weighedBytes;
    entry.weighedBytes = weightBytes;
    while (this.#entries.size > 1 && (this.#entries.size > mostChains || this.#weightBytes > this.#cacheBytes))
      this.#weightBytes -= this.#entries.dropOldest()?.weighedBytes ?? 0;
  }

  async #catchUp(id: DatasetId, entry: Entry, signal?: AbortSignal): Promise<void> {
    const { log } = entry;
    const isOpened = entry.chain.seq < 0;
    if (isOpened)
      entry.chain =
        (await this.#fromIndex(id, log, signal)) ?? (await this.#fromCheckpoint(id, log, signal)) ?? entry.chain;
    const { chain } = entry;
    const before = chain.seq;
    const newest =
      chain.seq < 0
        ? await log.newestListed(await this.#hintedSeq(log, signal), signal)
        : await log.newest(chain.seq, signal);
    // Whoever sees a commit acts on it: acknowledges rows, deletes what was staged.
    if (newest > before) {
      await log.settle(newest);
      await log.checkFormat();
    }
    const reader = new StatisticsReader(log, newest - before > this.#packBlocks);
    const isLong = newest - before > mostRows;
    let batch: StoredBlock[] = [];
    for await (const block of log.read(before + 1, newest, signal)) {
      batch.push(block);
      if (batch.length < readAhead && block.seq < newest) continue;
      const read = await reader.addTo(batch, signal);
      for (const { hash, block, statistics } of read) chain.append(hash, block, statistics);
      if (!isLong) await this.#tellIndex(id, block.seq, () => this.#index.addBlocks(id, read));
      batch = [];
    }
    if (isOpened) await this.#refreshOpened(id, entry, signal);
    if (isLong) await this.#tellIndex(id, chain.seq, () => this.#index.setCheckpoint(id, chain.state));
  }

  /** A layout that cannot be read must not stop the chain: who meets a file that is gone hears why. */
  async #refreshOpened(id: DatasetId, entry: Entry, signal?: AbortSignal): Promise<void> {
    try {
      await this.#refresh(id, entry, false, signal);
    } catch (error) {
      signal?.throwIfAborted();
      this.#log.warn("the layout of a dataset cannot be read; reading what is known of it", { datasetId: id, error });
    }
  }

  async #refresh(id: DatasetId, { chain }: Entry, all: boolean, signal?: AbortSignal): Promise<void> {
    const keys = new LayoutKeys(id);
    const found = await refresh(this.#store, keys, this.#regions, chain.slices, all, signal);
    chain.expire(found.expiredBefore);
    for (const files of found.replacements) chain.replaceSlices(files);
    if (found.failure !== null) throw found.failure;
  }

  /** What the index has of a chain. A broken index must not stop a reader: the rest is read from the store. */
  async #fromIndex(id: DatasetId, log: DatasetLog, signal?: AbortSignal): Promise<Chain | null> {
    let chain = new Chain(id);
    try {
      const { state, blocks } = await this.#index.chain(id);
      if (state !== null) chain = Chain.restore(id, state);
      for await (const { hash, block, statistics } of blocks) chain.append(hash, block, statistics);
    } catch (error) {
      this.#log.warn("the index of a chain cannot be read; reading the object store", { datasetId: id, error });
      if (error instanceof MillraceError) await this.#index.removeChain(id); // damaged: it is written anew
      return null;
    }
    if (chain.seq < 0) return null;
    if (await this.#agrees(id, chain.tip, log, signal)) return chain;
    await this.#index.removeChain(id);
    return null;
  }

  /** The state behind the newest checkpoint of the store. */
  async #fromCheckpoint(id: DatasetId, log: DatasetLog, signal?: AbortSignal): Promise<Chain | null> {
    const state = await this.#readCheckpoint(id, signal);
    if (state === null || !(await this.#agrees(id, state.tip, log, signal))) return null;
    // The index has lost it: rows of blocks alone would not lead there from the beginning.
    await this.#tellIndex(id, state.tip.seq, () => this.#index.setCheckpoint(id, state));
    return Chain.restore(id, state);
  }

  async #readCheckpoint(id: DatasetId, signal?: AbortSignal): Promise<ChainState | null> {
    const ignored = (object: string, error: unknown) =>
      this.#log.warn("a checkpoint cannot be read; going without it", { datasetId: id, object, error });
    return await readCheckpoint(this.#store, id, ignored, signal);
  }

  /**
   * Each block names the one before it: where the last agrees with the log, all do.
   * @throws chain_broken where it does not because the log has lost it
   */
  async #agrees(id: DatasetId, { seq, head }: Tip, log: DatasetLog, signal?: AbortSignal): Promise<boolean> {
    const entry = await log.entry(seq, signal);
    if (entry === head) return true;
    const newest = await log.newest(-1, signal);
    const lost = await this.lostEntry(id, newest, signal);
    if (lost !== null) throw brokenObject(lost, "it is missing, though later blocks were committed");
    this.#log.error("the index of a chain is not the object store's; dropping it", { datasetId: id, seq, head, entry });
    return false;
  }

  /** A sequence number to look from: the hint's, where the log bears it out. */
  async #hintedSeq(log: DatasetLog, signal?: AbortSignal): Promise<number> {
    const hinted = await log.hinted(signal);
    return hinted !== null && (await log.entry(hinted.seq, signal)) === hinted.hash ? hinted.seq : -1;
  }

  async #indexedHash(id: DatasetId, seq: number): Promise<string | null> {
    try {
      return await this.#index.hashAt(id, seq);
    } catch {
      return null; // no index, no witness
    }
  }

  async #tellIndex(id: DatasetId, seq: number, work: () => Promise<void>): Promise<void> {
    try {
      using deadline = deadlineSignal(this.#clock, indexWaitMs, () => new Error("the index does not answer"));
      await abortable(work(), deadline.signal);
    } catch (error) {
      this.#log.warn("blocks were not indexed; readers find them in the object store", { datasetId: id, seq, error });
    }
  }
}

/**
 * The chain in memory, where nothing was committed behind it. One look for all who ask before it begins, as a query does that
 * names a dataset twice: it begins behind each of their calls, and finds what was committed before them.
 */
function newestOf(entry: Entry): Promise<Chain | null> {
  entry.nextLook ??= Promise.resolve().then(async () => {
    entry.nextLook = null;
    const { chain, log } = entry;
    return (await log.isNewest(chain.seq)) ? chain : null;
  });
  return entry.nextLook;
}
