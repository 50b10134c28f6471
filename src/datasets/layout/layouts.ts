import { type Clock, type DatasetId, type Disk, type Logger, MillraceError, type Random } from "../../base/index.ts";
import type { ObjectStore } from "../../storage/index.ts";
import type { Chains } from "../chain/chains.ts";
import type { OpenObjects } from "../open-objects.ts";
import { type Broken, BrokenParts } from "./broken-parts.ts";
import { type CollectionReport, collect } from "./collect.ts";
import { type CompactionReport, compact } from "./compact.ts";
import { type ExpiryReport, expire, type Retention } from "./expire.ts";
import { LayoutKeys } from "./layout-keys.ts";
import { deleteOutdated, type OutdatedReport } from "./outdated.ts";
import type { Regions } from "./region.ts";
import { brokenLayout } from "./soundness.ts";
import { type SupersedeReport, supersede } from "./supersede.ts";
import type { CopyWorker, LaidOut, LayoutProgress, LayoutTools } from "./work.ts";

/** With what copies are made. */
export interface CopyOptions {
  readonly worker: CopyWorker;
  readonly disk: Disk;
  /** Where copies are written before they are stored. */
  readonly directory: string;
  /** Files of this size and more are never rewritten; default 128 MiB. */
  readonly targetBytes?: number;
  /** How long what a copy has replaced stays for readers that began before; default 10 minutes. */
  readonly graceMs?: number;
}

const defaultTargetBytes = 128 << 20;
const defaultGraceMs = 600_000;

export interface LayoutsOptions {
  readonly store: ObjectStore;
  readonly chains: Chains;
  readonly open: OpenObjects;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly regions: Regions;
  readonly copies: CopyOptions | null;
  /** Told of a dataset whose rows are read from other files now. */
  readonly compacted: (id: DatasetId) => void;
}

/** The work on datasets' layouts; each piece may be cut off anywhere, be done twice, and be done by many servers at once. */
export class Layouts {
  readonly #options: LayoutsOptions;

  constructor(options: LayoutsOptions) {
    this.#options = options;
  }

  /** Whether a block is the last one of a region, so that there is something to compact. */
  endsRegion(seq: number): boolean {
    return this.#options.regions.endsAt(seq);
  }

  async compact(id: DatasetId, signal: AbortSignal, progress: LayoutProgress): Promise<CompactionReport> {
    const report = await compact(this.#tools(), await this.#dataset(id, signal), signal, progress);
    this.#options.compacted(id);
    return report;
  }

  async supersede(
    id: DatasetId,
    keepingTimeMs: number,
    signal: AbortSignal,
    progress: LayoutProgress,
  ): Promise<SupersedeReport> {
    const committedBefore = this.#options.clock.now() - keepingTimeMs;
    return await supersede(this.#tools(), await this.#dataset(id, signal), committedBefore, signal, progress);
  }

  async deleteOutdated(id: DatasetId, signal: AbortSignal): Promise<OutdatedReport> {
    return await deleteOutdated(this.#tools(), await this.#dataset(id, signal), signal);
  }

  async expire(
    id: DatasetId,
    retention: Retention,
    signal: AbortSignal,
    progress: LayoutProgress,
  ): Promise<ExpiryReport> {
    // A manifest that cannot be read is told by compaction and superseding; what is known of the rest may expire.
    await new BrokenParts().attempt(() => this.#options.chains.refresh(id, signal));
    return await expire(this.#tools(), await this.#dataset(id, signal), retention, signal, progress);
  }

  async collect(
    id: DatasetId,
    ageMs: number,
    signal: AbortSignal,
    progress: LayoutProgress,
  ): Promise<CollectionReport> {
    return await collect(this.#tools(), { ageMs, open: () => this.#dataset(id, signal) }, signal, progress);
  }

  /** Manifests and copies that are missing or changed. See `brokenLayout`. */
  async broken(id: DatasetId, reads: boolean, signal: AbortSignal): Promise<readonly Broken[]> {
    const { store, regions } = this.#options;
    return await brokenLayout(store, new LayoutKeys(id), regions, reads, signal);
  }

  /** The dataset with every block that is committed now. */
  async #dataset(id: DatasetId, signal: AbortSignal): Promise<LaidOut> {
    const { chains, open } = this.#options;
    const chain = await chains.current(id, signal);
    const log = chains.log(id);
    await log.checkFormat(); // what a newer version names, this one would take for what nobody names
    return {
      id,
      newest: chain.seq,
      schemas: chain.schemas,
      slices: chain.slices,
      blocks: (from, to, abort) => log.read(from, to, abort),
      replaced: (files) => chains.replaced(id, files),
      expired: (offset) => chains.expired(id, offset),
      isOpen: ({ key }) => open.has(key),
    };
  }

  #tools(): LayoutTools {
    const { store, clock, random, log, regions, copies } = this.#options;
    if (copies === null) throw new MillraceError("unavailable", "No copies are made here.");
    const { worker, disk, directory, targetBytes = defaultTargetBytes, graceMs = defaultGraceMs } = copies;
    return { store, worker, disk, directory, clock, random, log, regions, targetBytes, graceMs };
  }
}
