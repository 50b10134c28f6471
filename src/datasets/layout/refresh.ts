import { MillraceError } from "../../base/index.ts";
import type { ObjectStore } from "../../storage/index.ts";
import { expiredBefore } from "./expiry.ts";
import type { LayoutKeys } from "./layout-keys.ts";
import type { LiveSlice, LiveSlices } from "./live-slices.ts";
import type { Region, Regions } from "./region.ts";
import { RegionStore, topmost } from "./region-store.ts";

/** What the store says of a dataset's layout beyond what a reader knows. */
export interface Refreshed {
  readonly expiredBefore: number;
  /** Of each region that a reader does not read from yet. */
  readonly replacements: readonly (readonly LiveSlice[])[];
  /** Why a manifest cannot be read: the others count all the same. */
  readonly failure: MillraceError | null;
}

/** Manifests read at once. */
const readAtOnce = 16;
/** Looks that may fail because manifests are deleted while they are read. */
const mostLooks = 5;

/** Looks up which files hold a dataset's rows now. @param all also of regions that the reader seems to know */
export async function refresh(
  store: ObjectStore,
  keys: LayoutKeys,
  regions: Regions,
  slices: LiveSlices,
  all: boolean,
  signal?: AbortSignal,
): Promise<Refreshed> {
  const manifests = new RegionStore(store, keys, regions);
  for (let look = 1; ; look++) {
    const expired = await expiredBefore(store, keys, signal);
    const published = topmost(regions, await manifests.list(signal));
    const wanted = all ? published : published.filter((region) => !isKnown(region, keys, regions, slices));
    const replacements: (readonly LiveSlice[])[] = [];
    let isWhole = true;
    let failure: MillraceError | null = null;
    const read = async (region: Region) => {
      try {
        return await manifests.read(region, signal);
      } catch (error) {
        if (!(error instanceof MillraceError)) throw error;
        failure ??= error;
        return "unreadable";
      }
    };
    for (let at = 0; at < wanted.length; at += readAtOnce) {
      for (const manifest of await Promise.all(wanted.slice(at, at + readAtOnce).map(read))) {
        if (manifest === "unreadable") continue;
        if (manifest === null)
          isWhole = false; // a higher one has come
        else replacements.push(manifest.files);
      }
    }
    if (isWhole || look === mostLooks) return { expiredBefore: expired, replacements, failure };
  }
}

/** Whether the reader has rows of the region from its copies, or from one file. */
function isKnown(region: Region, keys: LayoutKeys, regions: Regions, slices: LiveSlices): boolean {
  const [first, last] = [regions.firstSeq(region), regions.lastSeq(region)];
  const own = slices.all.filter(({ firstSeq, lastSeq }) => firstSeq >= first && lastSeq <= last);
  const folder = keys.copyPrefix(region);
  return own.length <= 1 || own.some(({ key }) => key.startsWith(folder));
}
