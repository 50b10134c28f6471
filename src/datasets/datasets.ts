import {
  type Clock,
  type DatasetId,
  type DatasetPath,
  datasetPath,
  formatDatasetPath,
  type Instant,
  MillraceError,
  Mutex,
  type Random,
  type Telemetry,
} from "../base/index.ts";
import type { DataSchema, Multihash } from "../slices/index.ts";
import type { ObjectStore, Sql } from "../storage/index.ts";
import type { Chain } from "./chain/chain.ts";
import { Chains } from "./chain/chains.ts";
import { addDataEvent, adoptObjects, type Change, commitEvent } from "./chain/commit.ts";
import { DatasetKeys, datasetsPrefix } from "./chain/keys.ts";
import { readBlock, readLog, type StoredBlock } from "./chain/log.ts";
import { ChainIndex, type DatasetRef } from "./chain-index/chain-index.ts";
import { datasetId, type MetadataEvent, newDatasetId, type SourceState } from "./odf/index.ts";
import { type AsOf, type Snapshot, snapshotOf } from "./snapshot.ts";
import { type SliceReader, type VerifyOptions, type VerifyReport, verifyChain } from "./verify/verify.ts";

export interface DatasetsOptions {
  readonly store: ObjectStore;
  readonly sql: Sql;
  readonly slices: SliceReader;
  readonly clock: Clock;
  readonly random: Random;
  readonly telemetry: Telemetry;
  /** Told of every commit of this process, after it; the bus fits it. A failure is logged and loses no data. */
  readonly announce: (commit: CommitNews) => Promise<void>;
}

export interface CommitNews {
  readonly datasetId: DatasetId;
  readonly path: DatasetPath | null;
  readonly seq: number;
  readonly block: Multihash;
  readonly kind: MetadataEvent["kind"];
  readonly rows: number;
  readonly bytes: number;
}

/** A dataset's newest state. */
export interface Head {
  readonly seq: number;
  readonly block: Multihash | null;
  readonly systemTime: Instant | null;
  readonly nextOffset: number;
  readonly schema: DataSchema | null;
  readonly watermark: Instant | null;
  readonly rows: number;
  readonly bytes: number;
  readonly slices: number;
  readonly quarantined: number;
  sourceState(name: string): SourceState | null;
}

export type CommitOutcome =
  | {
      readonly outcome: "committed";
      readonly seq: number;
      readonly block: Multihash;
      readonly firstOffset: number | null;
      readonly lastOffset: number | null;
    }
  /** Another writer was first: the caller looks at the head again and writes its offsets anew. */
  | { readonly outcome: "lost" };

/** Names found lately; another server may delete or make one, so an answer is old after this. */
const nameAgeMs = 1_000;
const cachedNames = 10_000;

/** Datasets: chains over an object store, and their index. */
export class Datasets {
  readonly #options: DatasetsOptions;
  readonly #index: ChainIndex;
  readonly #chains: Chains;
  readonly #writing = new Map<DatasetId, Mutex>();
  readonly #names = new Map<string, { ref: DatasetRef; atMs: number }>();
  readonly #paths = new Map<DatasetId, DatasetPath>();

  constructor(options: DatasetsOptions) {
    this.#options = options;
    this.#index = new ChainIndex(options.sql);
    this.#chains = new Chains(options.store, this.#index, options.telemetry.log);
  }

  /** Makes a root dataset with its first blocks. @throws already_exists */
  async create(
    path: DatasetPath,
    by: { readonly description?: string; readonly keywords?: readonly string[] } = {},
  ): Promise<DatasetRef> {
    const { store, clock, random } = this.#options;
    const id = await newDatasetId(random);
    const keys = new DatasetKeys(id);
    const ref: DatasetRef = { id, path, createdAt: clock.now() };
    await this.#commit(id, { kind: "Seed", datasetId: id, datasetKind: "Root" });
    if (by.description !== undefined || by.keywords !== undefined) {
      const keywords = by.keywords === undefined ? {} : { keywords: by.keywords };
      await this.#commit(id, {
        kind: "SetInfo",
        ...(by.description === undefined ? {} : { description: by.description }),
        ...keywords,
      });
    }
    // The alias comes last: a dataset without one was never finished, and no name leads to it.
    await store.put(keys.alias, new TextEncoder().encode(formatDatasetPath(path)));
    if (!(await this.#index.add(ref))) {
      await store.put(keys.tombstone, new TextEncoder().encode("name taken"));
      this.#chains.forget(id);
      throw new MillraceError("already_exists", `The dataset ${formatDatasetPath(path)} exists already.`);
    }
    this.#remember(path, ref);
    return ref;
  }

  async find(path: DatasetPath): Promise<DatasetRef | null> {
    const name = formatDatasetPath(path);
    const known = this.#names.get(name);
    if (known !== undefined && this.#options.clock.monotonicMs() - known.atMs < nameAgeMs) return known.ref;
    const ref = await this.#index.find(path);
    // What is absent is not remembered: it may be made the next moment.
    if (ref !== null) this.#remember(path, ref);
    return ref;
  }

  /** @throws dataset_not_found */
  async get(path: DatasetPath): Promise<DatasetRef> {
    const ref = await this.find(path);
    if (ref !== null) return ref;
    throw new MillraceError("dataset_not_found", `There is no dataset ${formatDatasetPath(path)}.`);
  }

  list(project: string | null = null): Promise<DatasetRef[]> {
    return this.#index.list(project);
  }

  /** Takes the name away. The objects stay until they are collected. */
  async delete(ref: DatasetRef): Promise<void> {
    await this.#options.store.put(new DatasetKeys(ref.id).tombstone, new TextEncoder().encode("deleted"));
    await this.#index.remove(ref.id);
    this.#chains.forget(ref.id);
    this.#names.delete(formatDatasetPath(ref.path));
  }

  async head(id: DatasetId, signal?: AbortSignal): Promise<Head> {
    const chain = await this.#chains.current(id, signal);
    return {
      seq: chain.seq,
      block: chain.head,
      systemTime: chain.systemTime,
      nextOffset: chain.nextOffset,
      schema: chain.schema,
      watermark: chain.watermark,
      rows: chain.nextOffset,
      bytes: chain.bytes,
      slices: chain.slices.length,
      quarantined: chain.quarantined,
      sourceState: (name) => chain.sourceState(name),
    };
  }

  /** @throws version_not_found, chain_broken */
  async snapshot(id: DatasetId, asOf?: AsOf, signal?: AbortSignal): Promise<Snapshot> {
    return snapshotOf(await this.#chains.current(id, signal), asOf);
  }

  /**
   * Commits rows (and a schema before them where it changed). Durable when it returns `committed`.
   * @throws chain_broken where the change breaks a rule of chains; disk errors of the store
   */
  async commit(id: DatasetId, change: Change): Promise<CommitOutcome> {
    const { store } = this.#options;
    return await this.#mutex(id).run(async () => {
      let chain = await this.#chains.current(id);
      if (chain.seq !== change.expectedSeq) return { outcome: "lost" };
      await adoptObjects(store, new DatasetKeys(id), change);
      if (change.schema !== undefined) {
        const set = await this.#commitBehind(
          id,
          chain,
          { kind: "SetDataSchema", schema: change.schema },
          change.systemTime,
        );
        if (set === null) return { outcome: "lost" };
        chain = await this.#chains.current(id);
      }
      const firstOffset = chain.nextOffset;
      const stored = await this.#commitBehind(
        id,
        chain,
        addDataEvent(chain, change),
        change.systemTime,
        change.data?.statistics,
      );
      if (stored === null) return { outcome: "lost" };
      const rows = change.data?.rows ?? 0;
      const offsets =
        rows === 0 ? { firstOffset: null, lastOffset: null } : { firstOffset, lastOffset: firstOffset + rows - 1 };
      return { outcome: "committed", seq: stored.seq, block: stored.hash, ...offsets };
    });
  }

  /** Local files of slices, held until disposed. @throws data_expired where an object is gone */
  async openSlices(
    id: DatasetId,
    hashes: readonly Multihash[],
    part: "data" | "quarantine",
    signal?: AbortSignal,
  ): Promise<OpenSlices> {
    const keys = new DatasetKeys(id);
    const held = new AsyncDisposableStack();
    try {
      const paths: string[] = [];
      for (const hash of hashes) {
        const file = await this.#options.store.local(part === "data" ? keys.data(hash) : keys.quarantine(hash), signal);
        if (file === null)
          throw new MillraceError("data_expired", `The data object ${hash} is gone.`, {
            hint: "`millrace verify` tells more.",
          });
        held.use(file);
        paths.push(file.path);
      }
      return { paths, [Symbol.asyncDispose]: () => held.disposeAsync() };
    } catch (error) {
      await held.disposeAsync();
      throw error;
    }
  }

  /** Blocks from newest to oldest, or in order. */
  async *blocks(
    id: DatasetId,
    range: { readonly from: number; readonly to: number; readonly newestFirst: boolean },
    signal?: AbortSignal,
  ): AsyncIterable<StoredBlock> {
    const keys = new DatasetKeys(id);
    const step = range.newestFirst ? -1 : 1;
    const chain = await this.#chains.current(id, signal);
    const last = Math.min(range.to, chain.seq);
    for (let seq = range.newestFirst ? last : range.from; seq >= range.from && seq <= last && seq >= 0; seq += step) {
      const hash = chain.links[seq]?.hash;
      if (hash !== undefined) yield await readBlock(this.#options.store, keys, seq, hash, signal);
    }
  }

  /** The block that a commit made, by its number; for receipts. */
  async block(id: DatasetId, seq: number, signal?: AbortSignal): Promise<StoredBlock | null> {
    const keys = new DatasetKeys(id);
    const hash = await readLog(this.#options.store, keys, seq, signal);
    return hash === null ? null : await readBlock(this.#options.store, keys, seq, hash, signal);
  }

  verify(id: DatasetId, options: VerifyOptions): Promise<VerifyReport> {
    return verifyChain(this.#options.store, this.#options.slices, id, options);
  }

  /** Drops the index and rebuilds it from the object store alone. */
  async reindex(signal?: AbortSignal): Promise<{ datasets: number; blocks: number }> {
    const { store, clock } = this.#options;
    await this.#index.clear();
    this.#names.clear();
    let datasets = 0;
    let blocks = 0;
    for await (const id of this.#storedIds(signal)) {
      const keys = new DatasetKeys(id);
      const alias = await store.get(keys.alias);
      this.#chains.forget(id);
      if (alias === null || (await store.stat(keys.tombstone)) !== null) continue;
      const path = datasetPath(new TextDecoder().decode(alias));
      const first = await this.block(id, 0, signal);
      await this.#index.add({ id, path, createdAt: first?.block.systemTime ?? clock.now() });
      const chain = await this.#chains.current(id, signal);
      datasets++;
      blocks += chain.seq + 1;
    }
    return { datasets, blocks };
  }

  /** Ids by their folders, skipping over each folder's objects. */
  async *#storedIds(signal?: AbortSignal): AsyncIterable<DatasetId> {
    let after = datasetsPrefix;
    for (;;) {
      let folder: string | null = null;
      for await (const { key } of this.#options.store.list(datasetsPrefix, {
        after,
        limit: 1,
        ...(signal ? { signal } : {}),
      })) {
        folder = key.slice(datasetsPrefix.length).split("/")[0] ?? null;
      }
      if (folder === null) return;
      yield datasetId(`did:odf:${folder}`);
      after = `${datasetsPrefix}${folder}0`; // "0" comes right after "/"
    }
  }

  async #commit(id: DatasetId, event: MetadataEvent): Promise<void> {
    const chain = await this.#chains.current(id);
    await this.#commitBehind(id, chain, event, this.#options.clock.now());
  }

  async #commitBehind(
    id: DatasetId,
    chain: Chain,
    event: MetadataEvent,
    now: Instant,
    statistics?: Parameters<Chains["committed"]>[2],
  ): Promise<StoredBlock | null> {
    const stored = await commitEvent(this.#options.store, new DatasetKeys(id), chain, event, now);
    if (stored === null) return null;
    await this.#chains.committed(id, stored, statistics ?? null);
    await this.#announce(id, stored);
    return stored;
  }

  async #announce(id: DatasetId, { seq, hash, block }: StoredBlock): Promise<void> {
    const data = block.event.kind === "AddData" ? block.event.newData : undefined;
    const rows = data === undefined ? 0 : data.offsetInterval.end - data.offsetInterval.start + 1;
    try {
      await this.#options.announce({
        datasetId: id,
        path: this.#paths.get(id) ?? null,
        seq,
        block: hash,
        kind: block.event.kind,
        rows,
        bytes: data?.size ?? 0,
      });
    } catch (error) {
      this.#options.telemetry.log.warn("a commit was not announced", { datasetId: id, seq, error });
    }
  }

  #mutex(id: DatasetId): Mutex {
    const known = this.#writing.get(id);
    if (known !== undefined) return known;
    const mutex = new Mutex();
    this.#writing.set(id, mutex);
    return mutex;
  }

  #remember(path: DatasetPath, ref: DatasetRef): void {
    if (this.#names.size >= cachedNames) this.#names.clear();
    this.#paths.set(ref.id, ref.path);
    this.#names.set(formatDatasetPath(path), { ref, atMs: this.#options.clock.monotonicMs() });
  }
}

export interface OpenSlices extends AsyncDisposable {
  readonly paths: readonly string[];
}
