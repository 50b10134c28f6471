import type { ObjectStore } from "../../storage/index.ts";
import { brokenObject } from "../chain/stored-block.ts";
import { physicalProblem } from "../verify/bytes.ts";
import { type Broken, BrokenParts } from "./broken-parts.ts";
import { expiredBefore } from "./expiry.ts";
import type { LayoutKeys } from "./layout-keys.ts";
import type { LiveSlice } from "./live-slices.ts";
import type { Regions } from "./region.ts";
import { RegionStore, topmost } from "./region-store.ts";

/**
 * Which manifests and copies that rows are read from are missing or changed, also while the slices that they stand for are still
 * there. @param reads every byte; otherwise only whether they are there, and as large as they were
 */
export async function brokenLayout(
  store: ObjectStore,
  keys: LayoutKeys,
  regions: Regions,
  reads: boolean,
  signal: AbortSignal,
): Promise<readonly Broken[]> {
  const manifests = new RegionStore(store, keys, regions);
  const broken = new BrokenParts();
  const expired = await expiredBefore(store, keys, signal);
  for (const region of topmost(regions, await manifests.list(signal))) {
    const manifest = await broken.attempt(() => manifests.read(region, signal));
    for (const file of manifest?.files ?? []) {
      signal.throwIfAborted();
      if (file.kind === "copy" && file.lastOffset >= expired)
        await broken.attempt(() => checkCopy(store, file, reads, signal));
    }
  }
  return broken.all;
}

/** @throws chain_broken */
async function checkCopy(
  store: ObjectStore,
  { key, hash, sizeBytes }: LiveSlice,
  reads: boolean,
  signal: AbortSignal,
): Promise<void> {
  const reason = reads
    ? await physicalProblem(store, { object: key, hash, sizeBytes }, signal)
    : sizeProblem((await store.stat(key))?.sizeBytes ?? null, sizeBytes);
  if (reason !== null) throw brokenObject(key, reason);
}

function sizeProblem(found: number | null, wanted: number): string | null {
  if (found === null) return "it is missing";
  return found === wanted ? null : `it has ${found} bytes, and its region says ${wanted}`;
}
