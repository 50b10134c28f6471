import { type DatasetId, MillraceError } from "../../base/index.ts";
import { type Multihash, multihash } from "../../slices/index.ts";
import type { ObjectStore } from "../../storage/index.ts";
import type { Chains } from "../chain/chains.ts";
import { expiredBefore } from "../layout/expiry.ts";
import { LayoutKeys } from "../layout/layout-keys.ts";
import { encodeManifest } from "../layout/manifest.ts";
import type { Regions } from "../layout/region.ts";
import { RegionStore } from "../layout/region-store.ts";
import { type BlockReader, NameIndex } from "./name-index.ts";
import { type ObjectPart, objectKey } from "./named-objects.ts";

/** What a chain names, as its bytes lie in the store. */
export interface TransferObject {
  readonly sizeBytes: number;
  /** From `start` up to `end` (exclusive), piece by piece. @throws data_expired where it goes while it is read */
  chunks(start: number, end: number, signal: AbortSignal): AsyncIterable<Uint8Array>;
}

const readBytes = 1 << 20;

export interface TransferObjectsOptions {
  readonly store: ObjectStore;
  readonly chains: Chains;
  readonly blocks: BlockReader;
  readonly regions: Regions;
}

/** As `LayoutKeys.copy` names it. */
const copyName = /^\d{1,3}-\d{12}-f1620[0-9a-f]{64}$/;

/**
 * Objects of a dataset by their hashes, for who copies it: those alone that its own chain names. What a lost commit has left
 * behind, or lies in another dataset, is not there.
 */
export class TransferObjects {
  readonly #store: ObjectStore;
  readonly #chains: Chains;
  readonly #names: NameIndex;
  readonly #regions: Regions;

  constructor({ store, chains, blocks, regions }: TransferObjectsOptions) {
    this.#store = store;
    this.#chains = chains;
    this.#regions = regions;
    this.#names = new NameIndex(blocks);
  }

  /** null where the chain names no such object. @throws data_expired where it did, and the object is gone */
  async find(
    id: DatasetId,
    part: "blocks" | ObjectPart,
    name: string,
    signal?: AbortSignal,
  ): Promise<TransferObject | null> {
    const hash = hashOf(name);
    if (hash === null) return null;
    const { seq } = await this.#chains.current(id, signal);
    if (part === "blocks") return await this.#block(id, seq, hash, signal);
    if (!(await this.#names.has(id, seq, { part, hash }, signal))) return null;
    const keys = new LayoutKeys(id);
    const ended = async () => gone(part, hash, await expiredBefore(this.#store, keys, signal));
    return await this.#stored(objectKey(keys, part, hash), ended);
  }

  /**
   * The manifest of the files that stand for the slices of a block's region now, without those whose rows have expired; null
   * where there are none, or the chain has no such block.
   */
  async region(id: DatasetId, block: string, signal?: AbortSignal): Promise<Uint8Array | null> {
    const hash = hashOf(block);
    if (hash === null) return null;
    const keys = new LayoutKeys(id);
    const { seq: newest } = await this.#chains.current(id, signal);
    const seq = await this.#chains.log(id).seqOf(hash, newest, signal);
    const manifests = new RegionStore(this.#store, keys, this.#regions);
    const manifest = seq === null ? null : await manifests.highest(seq, newest, signal);
    if (manifest === null) return null;
    const expired = await expiredBefore(this.#store, keys, signal);
    return encodeManifest(keys, { ...manifest, files: manifest.files.filter((file) => file.lastOffset >= expired) });
  }

  /** A compacted file by the name that a region's manifest gives it. @throws data_expired where it is gone */
  async copy(id: DatasetId, name: string): Promise<TransferObject | null> {
    if (!copyName.test(name)) return null;
    return await this.#stored(new LayoutKeys(id).copyNamed(name), async () => goneCopy(name));
  }

  async #stored(key: string, ended: () => Promise<MillraceError>): Promise<TransferObject> {
    const found = await this.#store.stat(key);
    if (found === null) throw await ended();
    return {
      sizeBytes: found.sizeBytes,
      chunks: (start, end, abort) => this.#chunks(key, { start, end }, ended, abort),
    };
  }

  /** What lies in the dataset's folders and no block of its chain names: left by commits that were lost or cut off. */
  async unnamed(id: DatasetId, signal: AbortSignal): Promise<{ readonly objects: number; readonly bytes: number }> {
    const { seq } = await this.#chains.current(id, signal);
    const keys = new LayoutKeys(id);
    let objects = 0;
    let bytes = 0;
    for (const part of ["data", "checkpoints", "quarantine"] as const) {
      const folder = keys.folder(part);
      for await (const { key, sizeBytes } of this.#store.list(folder, { signal })) {
        const hash = hashOf(key.slice(folder.length));
        if (hash !== null && (await this.#names.has(id, seq, { part, hash }, signal))) continue;
        objects++;
        bytes += sizeBytes;
      }
    }
    return { objects, bytes };
  }

  /** Packed or not, under its own name; not where its commit lost. */
  async #block(id: DatasetId, newest: number, hash: Multihash, signal?: AbortSignal): Promise<TransferObject | null> {
    const log = this.#chains.log(id);
    const seq = await log.seqOf(hash, newest, signal);
    if (seq === null) return null;
    const { bytes } = await log.at(seq, signal);
    return {
      sizeBytes: bytes.length,
      async *chunks(start, end) {
        yield bytes.subarray(start, end);
      },
    };
  }

  async *#chunks(
    key: string,
    { start, end }: { readonly start: number; readonly end: number },
    ended: () => Promise<MillraceError>,
    signal: AbortSignal,
  ): AsyncIterable<Uint8Array> {
    for (let at = start; at < end; ) {
      const range = { start: at, length: Math.min(readBytes, end - at) };
      const chunk = await this.#store.get(key, { range, signal });
      if (chunk === null || chunk.length === 0) throw await ended();
      yield chunk;
      at += chunk.length;
    }
  }
}

function hashOf(name: string): Multihash | null {
  try {
    return multihash(name);
  } catch {
    return null;
  }
}

function gone(part: ObjectPart, hash: Multihash, expired: number): MillraceError {
  const text = `The object ${part}/${hash} is no longer kept as it was committed, though its chain names it.`;
  return new MillraceError("data_expired", text, {
    hint: "A compacted copy holds its rows, which `regions/` leads to by a block's hash (`millrace pull` takes it), or they have expired.",
    data: { part, hash, expiredBefore: expired },
  });
}

function goneCopy(name: string): MillraceError {
  return new MillraceError("data_expired", `The compacted copy ${name} is no longer kept.`, {
    hint: "Ask for the region again: another copy has its rows now, or they have expired.",
  });
}
