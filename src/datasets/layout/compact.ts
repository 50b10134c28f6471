import path from "node:path";
import { multihash } from "../../slices/index.ts";
import { brokenObject } from "../chain/stored-block.ts";
import { type Broken, BrokenParts } from "./broken-parts.ts";
import { expiredBefore } from "./expiry.ts";
import { LayoutKeys } from "./layout-keys.ts";
import type { LiveSlice } from "./live-slices.ts";
import type { RegionManifest } from "./manifest.ts";
import { type Original, originalOf, originals } from "./originals.ts";
import { columnsOf, proofProblem, saysOfTheFile } from "./proof.ts";
import { pendingRegions, type Region, regionName } from "./region.ts";
import { RegionStore } from "./region-store.ts";
import type { LaidOut, LayoutProgress, LayoutTools } from "./work.ts";

export interface CompactionReport {
  /** Regions that this run published. */
  readonly regions: number;
  /** Copies that it wrote, and the bytes of them. */
  readonly copies: number;
  readonly bytes: number;
  /** Files that could not be copied so that their originals' hashes come back; they stay as they are. */
  readonly unproven: number;
  /** Slices, copies and manifests that are missing or changed: their regions are left as they are. */
  readonly broken: readonly Broken[];
}

/**
 * Compacts every closed region that has no manifest, from small ones to large ones: each manifest is a step that stays when the
 * run is cut off. Others may do the same beside it; one manifest wins, and the others' copies are orphans.
 * @throws the signal's reason; the store's and the worker's errors
 */
export async function compact(
  tools: LayoutTools,
  dataset: LaidOut,
  signal: AbortSignal,
  progress: LayoutProgress,
): Promise<CompactionReport> {
  const compactor = new Compactor(tools, dataset, signal);
  const broken = new BrokenParts();
  const pending = await compactor.pending();
  for (const [done, region] of pending.entries()) {
    await progress(done, pending.length, `region ${regionName(region)}`);
    await broken.attempt(() => compactor.region(region));
  }
  return { ...compactor.report, broken: broken.all };
}

/** Files that follow each other; those of more than one are merged. */
type Group = readonly LiveSlice[];

class Compactor {
  readonly #tools: LayoutTools;
  readonly #dataset: LaidOut;
  readonly #keys: LayoutKeys;
  readonly #store: RegionStore;
  readonly #signal: AbortSignal;
  #report: Omit<CompactionReport, "broken"> = { regions: 0, copies: 0, bytes: 0, unproven: 0 };

  constructor(tools: LayoutTools, dataset: LaidOut, signal: AbortSignal) {
    this.#tools = tools;
    this.#dataset = dataset;
    this.#keys = new LayoutKeys(dataset.id);
    this.#store = new RegionStore(tools.store, this.#keys, tools.regions);
    this.#signal = signal;
  }

  get report(): Omit<CompactionReport, "broken"> {
    return this.#report;
  }

  /** Closed regions that neither have a manifest nor are held by one that has; those of low levels first. */
  async pending(): Promise<Region[]> {
    return pendingRegions(this.#tools.regions, await this.#store.list(this.#signal), this.#dataset.newest);
  }

  async region(region: Region): Promise<void> {
    this.#signal.throwIfAborted();
    const source = await this.#source(region);
    if (source === null) return;
    const files: LiveSlice[] = [];
    for (const group of groupsOf(source.files, this.#tools.targetBytes))
      files.push(...(await this.#merged(region, group)));
    const manifest = { ...source, files };
    const isOurs = await this.#store.publish(manifest);
    const published = isOurs ? manifest : await this.#store.read(region, this.#signal);
    if (isOurs) this.#report = { ...this.#report, regions: this.#report.regions + 1 };
    if (published !== null) this.#dataset.replaced(published.files);
  }

  /**
   * The region as it is before: the slices of its blocks, or the files of the regions that it is made of; null where one of those
   * has no manifest.
   */
  async #source(region: Region): Promise<RegionManifest | null> {
    const source = region.level === 1 ? await this.#ofBlocks(region) : await this.#ofChildren(region);
    if (source === null) return null;
    const expired = await expiredBefore(this.#tools.store, this.#keys, this.#signal);
    return { ...source, files: source.files.filter((file) => file.lastOffset >= expired) };
  }

  async #ofBlocks(region: Region): Promise<RegionManifest> {
    const { regions } = this.#tools;
    const [firstSeq, lastSeq] = [regions.firstSeq(region), regions.lastSeq(region)];
    const files: LiveSlice[] = [];
    let last: Pick<RegionManifest, "head" | "systemTime"> | null = null;
    for await (const stored of this.#dataset.blocks(firstSeq, lastSeq, this.#signal)) {
      last = { head: stored.hash, systemTime: stored.block.systemTime };
      const original = originalOf(stored, this.#dataset.schemas);
      if (original === null) continue;
      files.push(this.#live(original));
    }
    if (last === null) throw brokenObject(this.#keys.log(firstSeq), "it is missing");
    const firstOffset = files[0]?.firstOffset ?? 0;
    return {
      ...region,
      firstSeq,
      lastSeq,
      ...last,
      firstOffset,
      nextOffset: (files.at(-1)?.lastOffset ?? -1) + 1,
      files,
    };
  }

  async #ofChildren(region: Region): Promise<RegionManifest | null> {
    const { regions } = this.#tools;
    const children: RegionManifest[] = [];
    for (const child of regions.children(region)) {
      const manifest = await this.#store.read(child, this.#signal);
      // Lower manifests are deleted where a higher one holds: then another server was faster. Else the child could not be made.
      if (manifest === null) return null;
      children.push(manifest);
    }
    const last = children.at(-1);
    if (last === undefined) throw new Error("a region is made of no regions");
    const withRows = children.filter((child) => child.nextOffset > child.firstOffset);
    return {
      ...region,
      firstSeq: regions.firstSeq(region),
      lastSeq: regions.lastSeq(region),
      head: last.head,
      systemTime: last.systemTime,
      firstOffset: withRows[0]?.firstOffset ?? 0,
      nextOffset: withRows.at(-1)?.nextOffset ?? 0,
      files: children.flatMap((child) => child.files),
    };
  }

  /** One copy of a group's files; the files themselves where it is one file, or where no copy proves. */
  async #merged(region: Region, group: Group): Promise<Group> {
    const [first, last] = [group[0], group.at(-1)];
    if (first === undefined || last === undefined || group.length === 1) return group;
    const { disk, directory, random, log } = this.#tools;
    const output = path.join(directory, `copy-${Buffer.from(random.bytes(12)).toString("hex")}.parquet`);
    try {
      const copy = await this.#written(region, group, { first, last, output });
      if (copy !== null) return [copy];
    } catch (error) {
      if (!saysOfTheFile(error)) throw error;
      log.error("slices cannot be copied; they stay", { ...this.#about(region, first, last), error });
    } finally {
      await disk.remove(output);
    }
    this.#report = { ...this.#report, unproven: this.#report.unproven + group.length };
    return group;
  }

  /** A copy in the store, proven; null where it does not prove. */
  async #written(
    region: Region,
    group: Group,
    { first, last, output }: { readonly first: LiveSlice; readonly last: LiveSlice; readonly output: string },
  ): Promise<LiveSlice | null> {
    const { store, worker, log } = this.#tools;
    const { schemas } = this.#dataset;
    const range = { firstOffset: first.firstOffset, lastOffset: last.lastOffset };
    const { schemaVersion } = first;
    await using held = new AsyncDisposableStack();
    const inputs = [];
    for (const { key, firstOffset, lastOffset } of group) {
      const file = await store.local(key, this.#signal);
      if (file === null) throw brokenObject(key, "it is missing");
      inputs.push({ path: held.use(file).path, firstOffset, lastOffset });
    }
    const columns = columnsOf(schemas, schemaVersion);
    const written = await worker.writeCopy({ ...range, inputs, columns, output }, this.#signal);
    const proven: Original[] = [];
    for await (const original of originals(this.#dataset, first.firstSeq, last.lastSeq, this.#signal))
      proven.push(original);
    const file = { ...range, schemaVersion };
    const problem = await proofProblem(worker, schemas, { file, path: output }, proven, this.#signal);
    if (problem !== null) {
      log.error("a copy does not prove its slices; they stay", { ...this.#about(region, first, last), problem });
      return null;
    }
    const hash = multihash(written.physicalHash);
    const key = this.#keys.copy(region, hash);
    this.#signal.throwIfAborted();
    await store.adopt(key, output);
    const { copies, bytes } = this.#report;
    this.#report = { ...this.#report, copies: copies + 1, bytes: bytes + written.sizeBytes };
    return {
      kind: "copy",
      hash,
      key,
      ...range,
      firstSeq: first.firstSeq,
      lastSeq: last.lastSeq,
      sizeBytes: written.sizeBytes,
      systemTime: last.systemTime,
      statistics: written.statistics,
      schemaVersion,
    };
  }

  #live({ seq, logicalHash: _, ...rest }: Original): LiveSlice {
    const { slices } = this.#dataset;
    const known = slices.all[slices.indexOf(rest.firstOffset)];
    const statistics = known?.hash === rest.hash ? known.statistics : null;
    return { ...rest, kind: "data", key: this.#keys.data(rest.hash), firstSeq: seq, lastSeq: seq, statistics };
  }

  #about(region: Region, first: LiveSlice, last: LiveSlice) {
    const { id } = this.#dataset;
    return { datasetId: id, region: regionName(region), firstOffset: first.firstOffset, lastOffset: last.lastOffset };
  }
}

/** Files of one schema that follow each other, as many as stay below the target together. */
function groupsOf(files: readonly LiveSlice[], targetBytes: number): Group[] {
  const groups: LiveSlice[][] = [];
  let bytes = 0;
  for (const file of files) {
    const group = groups.at(-1);
    const isFit = bytes + file.sizeBytes <= targetBytes && group?.at(-1)?.schemaVersion === file.schemaVersion;
    if (isFit && group !== undefined) group.push(file);
    else groups.push([file]);
    bytes = isFit ? bytes + file.sizeBytes : file.sizeBytes;
  }
  return groups;
}
