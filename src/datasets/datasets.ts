import { type DatasetId, type DatasetPath, formatDatasetPath, MillraceError } from "../base/index.ts";
import type { DataSchema, Multihash } from "../slices/index.ts";
import type { QuarantineRef } from "./chain/chain.ts";
import { Chains } from "./chain/chains.ts";
import type { Change, ExecutedRun } from "./chain/commit.ts";
import { DatasetKeys } from "./chain/keys.ts";
import type { StoredBlock } from "./chain/stored-block.ts";
import { type CommitOutcome, Writer } from "./chain/writer.ts";
import { ChainIndex, type DatasetPage, type DatasetRef } from "./chain-index/chain-index.ts";
import { currentFigures, type HeadFigures } from "./figures.ts";
import { type Head, headOf } from "./head.ts";
import { type AsOf, milestoneAt, quarantinesUpTo } from "./history.ts";
import { collectDeleted, type DeletedReport } from "./layout/collect-deleted.ts";
import { Layouts } from "./layout/layouts.ts";
import type { SliceObject } from "./layout/live-slices.ts";
import { Regions } from "./layout/region.ts";
import { Names } from "./names.ts";
import { newDatasetId, type SetTransform } from "./odf/index.ts";
import { OpenObjects } from "./open-objects.ts";
import { hasGone, type OpenSlices, openSlices } from "./open-slices.ts";
import { type DatasetsOptions, layoutSizes } from "./options.ts";
import type { PackReport } from "./packs/packer.ts";
import { type ReindexReport, reindex } from "./reindex.ts";
import { type Snapshot, snapshotOf } from "./snapshot.ts";
import { TransferObjects } from "./transfer/objects.ts";
import { Replicas } from "./transfer/replica.ts";
import { Upkeep } from "./upkeep.ts";
import { type VerifyOptions, type VerifyReport, verifyChain } from "./verify/verify.ts";

export interface NewDataset {
  readonly description?: string;
  readonly keywords?: readonly string[];
  readonly schema?: DataSchema;
  readonly transform?: Omit<SetTransform, "kind">;
}

/** Datasets: chains over an object store, and their index. */
export class Datasets implements AsyncDisposable {
  readonly #options: DatasetsOptions;
  readonly #index: ChainIndex;
  readonly #chains: Chains;
  readonly #writer: Writer;
  readonly #names: Names;
  readonly #upkeep: Upkeep;
  readonly #regions: Regions;
  readonly #open = new OpenObjects();
  /** Compaction, superseding, expiry and collection. */
  readonly layouts: Layouts;
  /** Objects of a dataset, for who copies it. */
  readonly transfer: TransferObjects;
  /** Read-only copies of datasets elsewhere. */
  readonly replicas: Replicas;

  constructor(options: DatasetsOptions) {
    const { store, sql, slices, clock, telemetry, cacheBytes, layout = layoutSizes, checkFormat } = options;
    this.#options = options;
    this.#index = new ChainIndex(sql);
    const { log } = telemetry;
    const regions = new Regions(layout.regions);
    this.#regions = regions;
    this.#chains = new Chains({ store, index: this.#index, clock, log, cacheBytes, ...layout, regions, checkFormat });
    this.#names = new Names(this.#index, clock);
    this.transfer = new TransferObjects({
      store,
      chains: this.#chains,
      regions,
      blocks: (id, range, signal) => this.blocks(id, range, signal),
    });
    this.#upkeep = new Upkeep({ store, chains: this.#chains, index: this.#index, log, ...layout });
    const { random, copies = null } = options;
    const [chains, open] = [this.#chains, this.#open];
    const compacted = (id: DatasetId) => this.#keepUp(id);
    this.layouts = new Layouts({ store, chains, open, clock, random, log, regions, copies, compacted });
    const announce = (id: DatasetId, stored: StoredBlock) => this.#announce(id, stored);
    this.#writer = new Writer({ store, chains: this.#chains, clock, telemetry, announce });
    this.replicas = new Replicas({
      store,
      chains: this.#chains,
      writer: this.#writer,
      regions,
      worker: copies?.worker ?? null,
      reader: slices,
      columnStatistics: async (path, signal) => (await slices.columnStatistics?.(path, signal)) ?? null,
    });
  }

  /** Makes a dataset with its first blocks: a root one, or, with a transform, a derivative. @throws already_exists */
  async create(path: DatasetPath, by: NewDataset = {}): Promise<DatasetRef> {
    const { store, clock, random } = this.#options;
    const taken = await this.#index.find(path);
    if (taken !== null && !(await this.#writer.hasEnded(taken.id))) throw nameTaken(path);
    if (taken !== null) await this.delete(taken); // its deletion was cut off
    const id = newDatasetId(random);
    const keys = new DatasetKeys(id);
    const ref: DatasetRef = { id, path, createdAt: clock.now() };
    const { schema, transform, ...info } = by;
    const datasetKind = transform === undefined ? "Root" : "Derivative";
    await this.#writer.describe(id, { kind: "Seed", datasetId: id, datasetKind });
    if (transform !== undefined) await this.#writer.describe(id, { kind: "SetTransform", ...transform });
    if (info.description !== undefined || info.keywords !== undefined)
      await this.#writer.describe(id, { kind: "SetInfo", ...info });
    if (schema !== undefined) await this.#writer.describe(id, { kind: "SetDataSchema", schema });
    // The alias comes last: a dataset without one was never finished, and no name leads to it.
    await store.put(keys.alias, new TextEncoder().encode(formatDatasetPath(path)));
    if (!(await this.#index.add(ref))) {
      await store.put(keys.tombstone, new TextEncoder().encode("name taken"));
      this.#chains.forget(id);
      throw nameTaken(path);
    }
    this.#names.remember(ref);
    return ref;
  }

  /**
   * Has a derivative be the result of this transform from now on, as the block behind `expectedSeq` where that is given.
   * @throws chain_broken for a root dataset; conflict where another writer was first
   */
  async setTransform(id: DatasetId, transform: Omit<SetTransform, "kind">, expectedSeq?: number): Promise<void> {
    await this.#writer.describe(id, { kind: "SetTransform", ...transform }, expectedSeq);
  }

  /** Gives a copy that was begun its name. Repeating it does nothing. @throws already_exists */
  async nameReplica(id: DatasetId, path: DatasetPath): Promise<DatasetRef> {
    const { store, clock } = this.#options;
    const there = await this.#index.find(path);
    if (there !== null && there.id !== id) throw nameTaken(path);
    const ref: DatasetRef = there ?? { id, path, createdAt: clock.now() };
    await store.put(new DatasetKeys(id).alias, new TextEncoder().encode(formatDatasetPath(path)));
    if (there === null && !(await this.#index.add(ref))) throw nameTaken(path);
    this.#names.remember(ref);
    return ref;
  }

  find(path: DatasetPath): Promise<DatasetRef | null> {
    return this.#names.find(path);
  }

  /** @throws dataset_not_found */
  async get(path: DatasetPath): Promise<DatasetRef> {
    const ref = await this.find(path);
    if (ref !== null) return ref;
    throw new MillraceError("dataset_not_found", `There is no dataset ${formatDatasetPath(path)}.`);
  }

  /** In order of their names by code point; all of them, or a page. */
  list(project: string | null = null, page: DatasetPage = {}): Promise<DatasetRef[]> {
    return this.#index.list(project, page);
  }

  /**
   * Deletes a dataset. The end of its log is the deletion: from then on no server commits to it or reads its head, whatever
   * names and chains it remembers. Cut off behind that, repeating it finishes. The objects stay until they are collected,
   * so that what is being read can be read to its end.
   */
  async delete(ref: DatasetRef): Promise<void> {
    await this.#writer.end(ref.id);
    await this.#options.store.put(new DatasetKeys(ref.id).tombstone, new TextEncoder().encode("deleted"));
    await this.#index.remove(ref.id);
    this.#names.forget(ref.path);
  }

  /** Deletes the objects of a deleted dataset; one that has not ended is left alone. Repeating it finishes. */
  async collectDeleted(id: DatasetId, signal: AbortSignal): Promise<DeletedReport | null> {
    if (!(await this.#writer.hasEnded(id))) return null;
    this.#chains.forget(id);
    return await collectDeleted(this.#chains.freshLog(id), signal);
  }

  /** @throws dataset_not_found, chain_broken */
  async head(id: DatasetId, signal?: AbortSignal): Promise<Head> {
    return headOf(await this.#chains.current(id, signal));
  }

  /** The head's figures; for lists: they are kept of many more datasets than whole chains are. @throws as `head` */
  figures(id: DatasetId, signal?: AbortSignal): Promise<HeadFigures> {
    return currentFigures(this.#chains, id, signal);
  }

  /** The head that this process has in memory, without a look at the store; null where it has none. */
  knownHead(id: DatasetId): Head | null {
    const { chain } = this.#chains.known(id);
    return chain.seq < 0 ? null : headOf(chain);
  }

  /** The dataset now, or as it was. @throws version_not_found, dataset_not_found, chain_broken */
  async snapshot(id: DatasetId, asOf?: AsOf, signal?: AbortSignal): Promise<Snapshot> {
    const chain = await this.#chains.current(id, signal);
    if (asOf === undefined) return snapshotOf(chain, chain.milestone);
    return snapshotOf(chain, await milestoneAt(this.#chains.log(id), chain, asOf, signal));
  }

  /** Where the quarantined rows of a dataset lie, up to a version of it. */
  async quarantines(id: DatasetId, seq: number, signal?: AbortSignal): Promise<readonly QuarantineRef[]> {
    const chain = await this.#chains.current(id, signal);
    return await quarantinesUpTo(this.#chains.log(id), chain, seq, signal);
  }

  /**
   * Commits rows (and a schema before them where it changed). Durable when it returns `committed`. The signal is heeded
   * until the writing begins.
   * @throws chain_broken where the change breaks a rule of chains, and nothing was written; dataset_not_found;
   * dataset_read_only for a copy; errors of the store, after which the change may be committed: the head's source state tells
   */
  async commit(id: DatasetId, change: Change, signal?: AbortSignal): Promise<CommitOutcome> {
    await this.replicas.refuseRows(id);
    return await this.#writer.commit(id, change, signal);
  }

  /** Commits what a run of a derivative's transform has made. As `commit`; the inputs of the head's last run tell. */
  async execute(id: DatasetId, run: ExecutedRun, signal?: AbortSignal): Promise<CommitOutcome> {
    await this.replicas.refuseRows(id);
    return await this.#writer.execute(id, run, signal);
  }

  /** An original slice by its hash. */
  original(id: DatasetId, hash: Multihash): SliceObject {
    return { hash, key: new DatasetKeys(id).data(hash) };
  }

  /** Whether one of these files is gone. */
  hasGone(slices: readonly SliceObject[]): Promise<boolean> {
    return hasGone(this.#options.store, slices);
  }

  /** Looks up which files hold the rows now, after one was found to be gone. */
  async refresh(id: DatasetId, signal?: AbortSignal): Promise<void> {
    await this.#chains.refresh(id, signal);
  }

  /** Local files of slices or quarantined rows, held until disposed. @throws data_expired where an object is gone */
  openSlices(id: DatasetId, slices: readonly SliceObject[], signal?: AbortSignal): Promise<OpenSlices> {
    return openSlices({ store: this.#options.store, open: this.#open, id }, slices, signal);
  }

  /** Blocks from newest to oldest, or in order. */
  async *blocks(
    id: DatasetId,
    range: { readonly from: number; readonly to: number; readonly newestFirst: boolean },
    signal?: AbortSignal,
  ): AsyncIterable<StoredBlock> {
    const { seq } = await this.#chains.current(id, signal);
    const [from, to] = [Math.max(0, range.from), Math.min(range.to, seq)];
    const log = this.#chains.log(id);
    yield* range.newestFirst ? log.readBack(from, to, signal) : log.read(from, to, signal);
  }

  /** The block that a commit made, by its number; for receipts. */
  async block(id: DatasetId, seq: number, signal?: AbortSignal): Promise<StoredBlock | null> {
    const { seq: newest } = await this.#chains.current(id, signal);
    return seq >= 0 && seq <= newest ? await this.#chains.log(id).at(seq, signal) : null;
  }

  /** A committed block by its hash, wherever it lies; null where the chain has none. @throws as `head` */
  async blockByHash(id: DatasetId, hash: Multihash, signal?: AbortSignal): Promise<StoredBlock | null> {
    const { seq: newest } = await this.#chains.current(id, signal);
    const log = this.#chains.log(id);
    const seq = await log.seqOf(hash, newest, signal);
    return seq === null ? null : await log.at(seq, signal);
  }

  /** Why the index is not the object store's for a dataset, or null; nothing is changed. One that is behind is right. */
  async indexProblem(id: DatasetId, signal?: AbortSignal): Promise<string | null> {
    for (const { seq, hash } of await this.#index.ends(id)) {
      const stored = await this.block(id, seq, signal);
      if (stored?.hash !== hash) return `its block ${seq} is not the one of the log`;
    }
    return null;
  }

  /** Proves a dataset from the object store. @throws dataset_not_found where it was deleted */
  verify(id: DatasetId, options: VerifyOptions): Promise<VerifyReport> {
    const lostEntry = (newest: number) => this.#chains.lostEntry(id, newest, options.signal);
    const [log, regions] = [this.#chains.freshLog(id), this.#regions];
    const worker = this.#options.copies?.worker ?? null;
    return verifyChain({ log, reader: this.#options.slices, regions, worker, lostEntry }, id, options);
  }

  /** Drops the index and rebuilds it from the object store alone. */
  async reindex(signal?: AbortSignal): Promise<ReindexReport> {
    this.#names.clear();
    return await reindex({ ...this.#options, index: this.#index, chains: this.#chains }, signal);
  }

  /** Writes the checkpoint and the packs that are due, to the end. @throws chain_broken, the signal's reason */
  upkeep(id: DatasetId, signal: AbortSignal): Promise<PackReport> {
    return this.#upkeep.run(id, signal);
  }

  /** Ends what is done behind commits. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#upkeep[Symbol.asyncDispose]();
  }

  #keepUp(id: DatasetId): void {
    if (this.#options.keepsUp !== false) this.#upkeep.look(id);
  }

  async #announce(id: DatasetId, { seq, hash, block: { event } }: StoredBlock): Promise<void> {
    this.#keepUp(id);
    const data = event.kind === "AddData" || event.kind === "ExecuteTransform" ? event.newData : undefined;
    await this.#options.announce({
      datasetId: id,
      path: this.#names.pathOf(id),
      seq,
      block: hash,
      kind: event.kind,
      rows: data === undefined ? 0 : data.offsetInterval.end - data.offsetInterval.start + 1,
      bytes: data?.size ?? 0,
    });
  }
}

function nameTaken(path: DatasetPath): MillraceError {
  return new MillraceError("already_exists", `The dataset ${formatDatasetPath(path)} exists already.`);
}
