import type { ObjectStore } from "../../storage/index.ts";
import type { LayoutKeys } from "./layout-keys.ts";
import { decodeManifest, encodeManifest, type RegionManifest } from "./manifest.ts";
import type { Region, Regions } from "./region.ts";

/**
 * The regions' manifests of one dataset. The highest one that holds a block decides where its rows are read. It exists before
 * a lower one is deleted, so looks go from low to high; a lower one that is there beside it means nothing.
 */
export class RegionStore {
  readonly #store: ObjectStore;
  readonly #keys: LayoutKeys;
  readonly regions: Regions;

  constructor(store: ObjectStore, keys: LayoutKeys, regions: Regions) {
    this.#store = store;
    this.#keys = keys;
    this.regions = regions;
  }

  /** null where there is none. @throws chain_broken, unsupported_version */
  async read(region: Region, signal?: AbortSignal): Promise<RegionManifest | null> {
    const bytes = await this.#store.get(this.#keys.region(region), signal ? { signal } : {});
    return bytes === null ? null : decodeManifest(this.#keys, region, bytes);
  }

  /** Whether it is this manifest that holds from now on; else the region has another one. */
  async publish(manifest: RegionManifest): Promise<boolean> {
    const key = this.#keys.region(manifest);
    return (await this.#store.putIfAbsent(key, encodeManifest(this.#keys, manifest))) === "created";
  }

  /** The highest manifest that holds a block, from a level on; null where none does. */
  async highest(seq: number, newest: number, signal?: AbortSignal, from = 1): Promise<RegionManifest | null> {
    for (;;) {
      let found: Region | null = null;
      for (const region of this.regions.above(seq, newest, from)) {
        signal?.throwIfAborted();
        if ((await this.#store.stat(this.#keys.region(region))) !== null) found = region;
      }
      if (found === null) return null;
      const manifest = await this.read(found, signal);
      if (manifest !== null) return manifest;
      // Deleted meanwhile: then there is a higher one.
    }
  }

  /** Every region that has a manifest now, and since when; those of low levels first. */
  async list(signal?: AbortSignal): Promise<PublishedRegion[]> {
    const found: PublishedRegion[] = [];
    for await (const { key, modifiedMs } of this.#store.list(this.#keys.regionsFolder, signal ? { signal } : {})) {
      const [level = "", index = ""] = key.slice(this.#keys.regionsFolder.length).split("/");
      found.push({ level: Number(level), index: Number(index), publishedMs: modifiedMs });
    }
    return found;
  }
}

export interface PublishedRegion extends Region {
  readonly publishedMs: number;
}

/** Those that no other of them holds, in order. */
export function topmost(regions: Regions, published: readonly Region[]): Region[] {
  const highestFirst = [...published].sort((a, b) => b.level - a.level);
  const held: Region[] = [];
  const names = new Set<string>();
  const top = highestFirst[0]?.level ?? 0;
  for (const region of highestFirst) {
    if (isHeld(region)) continue;
    names.add(`${region.level}/${region.index}`);
    held.push(region);
  }
  return held.sort((a, b) => regions.firstSeq(a) - regions.firstSeq(b));

  function isHeld(region: Region): boolean {
    for (let level = region.level + 1; level <= top; level++) {
      const above = regions.of(level, regions.firstSeq(region));
      if (names.has(`${above.level}/${above.index}`)) return true;
    }
    return false;
  }
}
