import { brokenObject } from "../chain/stored-block.ts";
import { physicalProblem } from "../verify/bytes.ts";
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
}

/**
 * Deletes manifests and copies that a higher region has taken the place of, copies that no manifest took in, and those whose rows
 * have all expired. Before anything goes, the copies that stand in its place are read whole: their bytes must be those that
 * proved the originals when their manifest was published.
 * @throws chain_broken where such a copy is missing or changed: then nothing that it stands for is deleted
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
  readonly #sound = new Set<string>();
  #expired = 0;
  #report: OutdatedReport = { manifests: 0, copies: 0, bytes: 0 };

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
    return this.#report;
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

  async #highest(seq: number, from: number): Promise<RegionManifest | null> {
    return await this.#store.highest(seq, this.#dataset.newest, this.#signal, from);
  }

  /** Whether a manifest's grace is over. Its copies are read whole before. @throws chain_broken where one is not */
  async #isSound(manifest: RegionManifest): Promise<boolean> {
    const name = regionName(manifest);
    if (this.#sound.has(name)) return true;
    const published = await this.#tools.store.stat(this.#keys.region(manifest));
    if (published === null || published.modifiedMs + this.#tools.graceMs > this.#tools.clock.now()) return false;
    await this.#checkCopies(manifest);
    if (!(await this.#tools.store.settle(this.#keys.region(manifest)))) return false;
    this.#sound.add(name);
    return true;
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
