import { brokenObject } from "../chain/stored-block.ts";
import { physicalProblem } from "../verify/bytes.ts";
import { type Broken, BrokenParts } from "./broken-parts.ts";
import { expiredBefore } from "./expiry.ts";
import { LayoutKeys } from "./layout-keys.ts";
import type { RegionManifest } from "./manifest.ts";
import { type Region, regionName } from "./region.ts";
import { RegionStore } from "./region-store.ts";
import type { LaidOut, LayoutTools } from "./work.ts";

export interface OutdatedReport {
  /** Manifests and copies that were deleted. */
  readonly manifests: number;
  readonly copies: number;
  readonly bytes: number;
  /** Copies and manifests that are missing or changed: nothing that they stand for was deleted. */
  readonly broken: readonly Broken[];
}

/**
 * Deletes manifests and copies that a higher region has taken the place of, copies that no manifest took in, and those whose rows
 * have all expired. Before anything goes, the copies that stand in its place are read whole: their bytes must be those that
 * proved the originals when their manifest was published. Where one is missing or changed, nothing that its region stands for is
 * deleted, and the other regions go on.
 */
export async function deleteOutdated(
  tools: LayoutTools,
  dataset: LaidOut,
  signal: AbortSignal,
): Promise<OutdatedReport> {
  return await new Outdated(tools, dataset, signal).run();
}

class Outdated {
  readonly #tools: LayoutTools;
  readonly #dataset: LaidOut;
  readonly #signal: AbortSignal;
  readonly #keys: LayoutKeys;
  readonly #store: RegionStore;
  /** Regions whose copies were found whole. */
  readonly #sound = new Map<string, boolean>();
  readonly #broken = new BrokenParts();
  #expired = 0;
  #report: Omit<OutdatedReport, "broken"> = { manifests: 0, copies: 0, bytes: 0 };

  constructor(tools: LayoutTools, dataset: LaidOut, signal: AbortSignal) {
    this.#tools = tools;
    this.#dataset = dataset;
    this.#signal = signal;
    this.#keys = new LayoutKeys(dataset.id);
    this.#store = new RegionStore(tools.store, this.#keys, tools.regions);
  }

  async run(): Promise<OutdatedReport> {
    this.#expired = await expiredBefore(this.#tools.store, this.#keys, this.#signal);
    await this.#manifests();
    await this.#copies();
    return { ...this.#report, broken: this.#broken.all };
  }

  /** First the manifests: a copy that goes is then named by none. */
  async #manifests(): Promise<void> {
    const { regions, store } = this.#tools;
    for (const region of await this.#store.list(this.#signal)) {
      const above = await this.#highest(regions.firstSeq(region), region.level + 1);
      if (above === null || !(await this.#isSound(above))) continue;
      this.#signal.throwIfAborted();
      await store.delete(this.#keys.region(region));
      this.#report = { ...this.#report, manifests: this.#report.manifests + 1 };
    }
  }

  async #copies(): Promise<void> {
    const { regions, store } = this.#tools;
    for await (const { key, sizeBytes } of store.list(this.#keys.copiesFolder, { signal: this.#signal })) {
      const region = regionOf(key.slice(this.#keys.copiesFolder.length));
      if (region === null) continue;
      const judge = await this.#highest(regions.firstSeq(region), region.level);
      if (judge === null || judge.files.some((file) => file.key === key && file.lastOffset >= this.#expired)) continue;
      if (this.#dataset.isOpen({ key }) || !(await this.#isSound(judge))) continue;
      this.#signal.throwIfAborted();
      await store.delete(key);
      const { copies, bytes } = this.#report;
      this.#report = { ...this.#report, copies: copies + 1, bytes: bytes + sizeBytes };
    }
  }

  /** null also where it cannot be read. */
  async #highest(seq: number, from: number): Promise<RegionManifest | null> {
    return await this.#broken.attempt(() => this.#store.highest(seq, this.#dataset.newest, this.#signal, from));
  }

  /** Whether a manifest's grace is over and its copies, read whole, are what they were. */
  async #isSound(manifest: RegionManifest): Promise<boolean> {
    const name = regionName(manifest);
    const known = this.#sound.get(name);
    if (known !== undefined) return known;
    const isSound = (await this.#broken.attempt(() => this.#look(manifest))) ?? false;
    this.#sound.set(name, isSound);
    return isSound;
  }

  /** @throws chain_broken where a copy is missing or changed */
  async #look(manifest: RegionManifest): Promise<boolean> {
    const published = await this.#tools.store.stat(this.#keys.region(manifest));
    if (published === null || published.modifiedMs + this.#tools.graceMs > this.#tools.clock.now()) return false;
    await this.#checkCopies(manifest);
    return await this.#tools.store.settle(this.#keys.region(manifest));
  }

  async #checkCopies(manifest: RegionManifest): Promise<void> {
    for (const { kind, key, hash, sizeBytes, lastOffset } of manifest.files) {
      if (kind === "data" || lastOffset < this.#expired) continue;
      const reason = await physicalProblem(this.#tools.store, { object: key, hash, sizeBytes }, this.#signal);
      if (reason !== null) throw brokenObject(key, reason);
    }
  }
}

/** The region that a copy was written for. */
function regionOf(name: string): Region | null {
  const [, level, index] = /^(\d+)-(\d{12})-/.exec(name) ?? [];
  return level === undefined || index === undefined ? null : { level: Number(level), index: Number(index) };
}
