import type { DatasetPath } from "../../base/index.ts";
import { type Multihash, multihash, sha3Multihash } from "../../slices/index.ts";
import type { ObjectStore } from "../../storage/index.ts";
import type { StoredBlock } from "../chain/stored-block.ts";
import { type Region, regionName } from "../layout/region.ts";
import { decodeBlock, type MetadataBlock } from "../odf/index.ts";
import type { Tip } from "../rules/index.ts";
import { diverged, refused } from "./refusals.ts";

/** A way back from a block through those that were put here. */
export interface Walk {
  readonly blocks: readonly { readonly hash: Multihash; readonly seq: number }[];
  /** The next one that is not here; null where the walk has met the committed head, or the first block of all. */
  readonly missing: Multihash | null;
}

const walkAtOnce = 1_000;

/**
 * Blocks of another platform that wait for their commit, below the name that the copy will have: a chain is handed over from
 * its end, and whose it is stands in its first block. They lie apart from every dataset, and can go at any time.
 */
export class WaitingBlocks {
  readonly #store: ObjectStore;

  constructor(store: ObjectStore) {
    this.#store = store;
  }

  /** @throws replica_refused on bytes that are no blocks */
  async put(path: DatasetPath, blocks: readonly Uint8Array[]): Promise<void> {
    for (const bytes of blocks) decoded(bytes);
    await Promise.all(blocks.map((bytes) => this.#store.put(key(path, sha3Multihash(bytes)), bytes)));
  }

  /** A block that was put, its bytes proven; null where it is not here. */
  async get(path: DatasetPath, hash: Multihash): Promise<StoredBlock | null> {
    const bytes = await this.#store.get(key(path, hash));
    if (bytes === null || sha3Multihash(bytes) !== hash) return null;
    const block = decoded(bytes);
    return { seq: block.sequenceNumber, hash, bytes, block };
  }

  /** Keeps a region's manifest, unproven, until its files are here. */
  async putRegion(path: DatasetPath, region: Region, manifest: Uint8Array): Promise<void> {
    await this.#store.put(regionKey(path, region), manifest);
  }

  async getRegion(path: DatasetPath, region: Region, signal?: AbortSignal): Promise<Uint8Array | null> {
    return await this.#store.get(regionKey(path, region), signal ? { signal } : {});
  }

  async clear(path: DatasetPath, signal: AbortSignal): Promise<void> {
    for await (const found of this.#store.list(folder(path), { signal })) await this.#store.delete(found.key);
  }

  /** Back from a block to what is missing or committed, a bounded way at once. @throws replica_diverged, replica_refused */
  async walk(path: DatasetPath, from: string, tip: Tip | null, signal: AbortSignal): Promise<Walk> {
    const blocks: { hash: Multihash; seq: number }[] = [];
    for (let hash = asHash(from); hash !== tip?.head; ) {
      signal.throwIfAborted();
      const stored = blocks.length < walkAtOnce ? await this.get(path, hash) : null;
      if (stored === null) return { blocks, missing: hash };
      const { prevBlockHash, sequenceNumber: seq } = stored.block;
      const child = blocks.at(-1);
      if (child !== undefined && child.seq !== seq + 1) throw refused(`block ${seq} is followed by ${child.seq}`);
      if (tip !== null && seq <= tip.seq) throw diverged(seq, hash);
      blocks.push({ hash, seq });
      if (prevBlockHash === null) break;
      hash = prevBlockHash;
    }
    return { blocks, missing: null };
  }
}

function folder({ project, dataset }: DatasetPath): string {
  return `replicas/${project}/${dataset}/`;
}

function key(path: DatasetPath, hash: Multihash): string {
  return `${folder(path)}blocks/${hash}`;
}

function regionKey(path: DatasetPath, region: Region): string {
  return `${folder(path)}regions/${regionName(region)}`;
}

/** @throws replica_refused */
export function decoded(bytes: Uint8Array): MetadataBlock {
  try {
    return decodeBlock(bytes);
  } catch (cause) {
    throw refused("its bytes are no block that this version reads", cause);
  }
}

/** @throws replica_refused */
export function asHash(text: string): Multihash {
  try {
    return multihash(text);
  } catch (cause) {
    throw refused(`"${text.slice(0, 100)}" is not the hash of an object`, cause);
  }
}
