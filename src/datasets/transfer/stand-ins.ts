import type { DatasetId } from "../../base/index.ts";
import { MillraceError } from "../../base/index.ts";
import type { Multihash } from "../../slices/index.ts";
import type { ObjectStore } from "../../storage/index.ts";
import type { Chains } from "../chain/chains.ts";
import type { StoredBlock } from "../chain/stored-block.ts";
import { expiredBefore, registerExpired } from "../layout/expiry.ts";
import { LayoutKeys } from "../layout/layout-keys.ts";
import type { LiveSlice } from "../layout/live-slices.ts";
import { decodeManifest, type RegionManifest, readManifest } from "../layout/manifest.ts";
import { type Original, originalOf } from "../layout/originals.ts";
import { proofProblem } from "../layout/proof.ts";
import type { Region, Regions } from "../layout/region.ts";
import { RegionStore } from "../layout/region-store.ts";
import type { CopyWorker, LaidOut } from "../layout/work.ts";
import type { Copy } from "./copy.ts";
import type { NamedObject } from "./named-objects.ts";
import { provenRegion, type RegionProofTools } from "./proven-region.ts";
import { refused } from "./refusals.ts";
import { regionBlocks } from "./region-blocks.ts";
import type { WaitingBlocks } from "./waiting.ts";

/** A region that an origin offered, and the files of it that must be put before it can be proven. */
export interface OfferedRegion extends Region {
  readonly missing: readonly MissingCopy[];
}

export interface MissingCopy {
  readonly hash: Multihash;
  /** What the origin calls it. */
  readonly name: string;
  readonly sizeBytes: number;
}

export interface StandInsOptions extends Omit<RegionProofTools, "worker"> {
  readonly chains: Chains;
  readonly waiting: WaitingBlocks;
  readonly regions: Regions;
  /** null where copies cannot be read here. */
  readonly worker: CopyWorker | null;
}

/**
 * What stands in a copy for slices that the origin has superseded: its regions' manifests and the compacted files that they name.
 *
 *   manifest offered ▸ files put, bytes fit their names ▸ each original of the region proven from their rows ▸ published here
 *
 * It is read like a region that was compacted here, and may be there before the last blocks of the region are. Of the manifest
 * nothing is believed but which files hold which offsets, and that only once it is proven.
 */
export class StandIns {
  readonly #options: StandInsOptions;

  constructor(options: StandInsOptions) {
    this.#options = options;
  }

  /**
   * Takes a region's manifest as the origin has it; publishes it here when its files are here and prove the blocks that were put.
   * Repeating it does nothing. @throws replica_refused; data_expired where rows of it have expired at the origin, and are not here;
   * conflict where blocks of it were not put here
   */
  async offer(copy: Copy, bytes: Uint8Array, signal: AbortSignal): Promise<OfferedRegion> {
    const { store, regions, chains, waiting } = this.#options;
    const keys = new LayoutKeys(copy.id);
    const manifests = new RegionStore(store, keys, regions);
    const offered = offeredManifest(keys, bytes);
    const { level, index } = offered;
    if (offered.firstSeq !== regions.firstSeq(offered) || offered.lastSeq !== regions.lastSeq(offered))
      throw refused("its regions are cut in another way than here");
    const published = await manifests.read(offered, signal);
    const missing = await this.#missing(keys, published ?? offered, signal);
    if (missing.length > 0) {
      await waiting.putRegion(copy.path, offered, bytes);
      return { level, index, missing };
    }
    if (published === null) {
      const blocks = await regionBlocks({ chains, waiting }, copy, offered, signal);
      await manifests.publish(await provenRegion(this.#tools(), keys, offered, blocks, signal));
    }
    const now = await manifests.read(offered, signal);
    if (now !== null) chains.replaced(copy.id, now.files);
    return { level, index, missing: [] };
  }

  /** What is to be put of a region that was offered. @throws replica_refused where it names no such file */
  async expect(copy: Copy, region: Region, hash: string, signal?: AbortSignal): Promise<NamedObject & { key: string }> {
    const keys = new LayoutKeys(copy.id);
    const bytes = await this.#options.waiting.getRegion(copy.path, region, signal);
    const offered = bytes === null ? null : decodeManifest(keys, region, bytes);
    const file = offered?.files.find((one) => one.kind === "copy" && one.hash === hash);
    if (file === undefined) throw refused(`no region that was offered has a file ${hash.slice(0, 100)}`);
    return { part: "data", hash: file.hash, sizeBytes: file.sizeBytes, key: file.key };
  }

  /**
   * Of the blocks that may follow, those whose slices are not here and need not be: their rows have expired, or a copy that is
   * here has proven to hold them. @throws replica_refused where a copy does not hold what it stands for
   */
  async absent(id: DatasetId, lacking: readonly StoredBlock[], schemas: LaidOut["schemas"], signal: AbortSignal) {
    const { store, regions } = this.#options;
    const keys = new LayoutKeys(id);
    const manifests = new RegionStore(store, keys, regions);
    const absent = new Set<Multihash>();
    const held = new Map<string, { readonly file: LiveSlice; readonly originals: Original[]; blocks: Multihash[] }>();
    const expired = lacking.length === 0 ? 0 : await expiredBefore(store, keys, signal);
    let manifest: RegionManifest | null = null;
    for (const stored of lacking) {
      const original = originalOf(stored, schemas);
      if (original === null) continue;
      if (original.lastOffset < expired) {
        absent.add(stored.hash);
        continue;
      }
      if (manifest === null || stored.seq > manifest.lastSeq)
        manifest = await manifests.highest(stored.seq, stored.seq, signal);
      const file = manifest?.files.find((one) => one.kind === "copy" && holds(one, original));
      if (file === undefined || !(await store.settle(file.key))) continue;
      const group = held.get(file.key) ?? { file, originals: [], blocks: [] };
      held.set(file.key, group);
      group.originals.push(original);
      group.blocks.push(stored.hash);
    }
    for (const { file, originals, blocks } of held.values()) {
      await this.#prove(file, originals, schemas, signal);
      for (const hash of blocks) absent.add(hash);
    }
    return absent;
  }

  /**
   * Lets rows expire here that have expired at the origin, so that blocks of theirs can follow without them.
   * @param drop also those that are here @throws data_expired where rows that are here would go, and need not
   */
  async expire(id: DatasetId, before: number, drop: boolean, signal: AbortSignal): Promise<void> {
    const { store, chains } = this.#options;
    const keys = new LayoutKeys(id);
    const chain = await chains.current(id, signal);
    const known = Math.max(chain.expiredBefore, await expiredBefore(store, keys, signal));
    if (before <= known) return;
    const rowsHere = Math.min(before, chain.tip.nextOffset) - known;
    if (rowsHere > 0 && !drop)
      throw new MillraceError("data_expired", `${rowsHere} rows that are here have expired at the origin.`, {
        hint: "What follows there cannot be had without letting them go here, too: `millrace pull --drop-expired` does.",
        data: { expiredBefore: before, rows: rowsHere },
      });
    await registerExpired(store, keys, before, signal);
    chains.expired(id, before);
  }

  async #missing(keys: LayoutKeys, { files }: RegionManifest, signal: AbortSignal): Promise<MissingCopy[]> {
    const expired = await expiredBefore(this.#options.store, keys, signal);
    const missing: MissingCopy[] = [];
    for (const { kind, key, hash, sizeBytes, lastOffset } of files) {
      if (kind === "data" || lastOffset < expired) continue; // slices come with their blocks
      const found = await this.#options.store.stat(key);
      if (found !== null && found.sizeBytes !== sizeBytes)
        throw refused(`its region says ${sizeBytes} bytes of ${hash}, which has ${found.sizeBytes}`);
      if (found === null || !(await this.#options.store.settle(key)))
        missing.push({ hash, name: keys.copyName(key), sizeBytes });
    }
    return missing;
  }

  async #prove(file: LiveSlice, held: readonly Original[], schemas: LaidOut["schemas"], signal: AbortSignal) {
    const { store, worker } = this.#tools();
    await using local = await store.local(file.key, signal);
    if (local === null) throw refused(`the copy ${file.hash} went away`);
    const problem = await proofProblem(worker, schemas, { file, path: local.path }, held, signal);
    if (problem !== null) throw refused(`of the copy ${file.hash}: ${problem}`);
  }

  #tools(): RegionProofTools & { readonly store: ObjectStore } {
    const { worker, ...rest } = this.#options;
    if (worker === null) throw new MillraceError("unavailable", "Copies cannot be read here.");
    return { ...rest, worker };
  }
}

function holds(file: LiveSlice, { firstOffset, lastOffset }: Original): boolean {
  return file.firstOffset <= firstOffset && lastOffset <= file.lastOffset;
}

function offeredManifest(keys: LayoutKeys, bytes: Uint8Array): RegionManifest {
  try {
    return readManifest(keys, "offered", bytes);
  } catch (cause) {
    throw refused("its region's manifest cannot be read", cause);
  }
}
