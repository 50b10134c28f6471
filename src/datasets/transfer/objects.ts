import { type DatasetId, MillraceError } from "../../base/index.ts";
import { type Multihash, multihash } from "../../slices/index.ts";
import type { ObjectStore } from "../../storage/index.ts";
import type { Chains } from "../chain/chains.ts";
import { DatasetKeys } from "../chain/keys.ts";
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
}

/**
 * Objects of a dataset by their hashes, for who copies it: those alone that its own chain names. What a lost commit has left
 * behind, or lies in another dataset, is not there.
 */
export class TransferObjects {
  readonly #store: ObjectStore;
  readonly #chains: Chains;
  readonly #names: NameIndex;

  constructor({ store, chains, blocks }: TransferObjectsOptions) {
    this.#store = store;
    this.#chains = chains;
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
    const key = objectKey(new DatasetKeys(id), part, hash);
    const found = await this.#store.stat(key);
    if (found === null) throw gone(part, hash);
    return {
      sizeBytes: found.sizeBytes,
      chunks: (start, end, abort) => this.#chunks(key, { start, end }, () => gone(part, hash), abort),
    };
  }

  /** What lies in the dataset's folders and no block of its chain names: left by commits that were lost or cut off. */
  async unnamed(id: DatasetId, signal: AbortSignal): Promise<{ readonly objects: number; readonly bytes: number }> {
    const { seq } = await this.#chains.current(id, signal);
    const keys = new DatasetKeys(id);
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
    ended: () => MillraceError,
    signal: AbortSignal,
  ): AsyncIterable<Uint8Array> {
    for (let at = start; at < end; ) {
      const range = { start: at, length: Math.min(readBytes, end - at) };
      const chunk = await this.#store.get(key, { range, signal });
      if (chunk === null || chunk.length === 0) throw ended();
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

function gone(part: ObjectPart, hash: Multihash): MillraceError {
  return new MillraceError("data_expired", `The object ${part}/${hash} is no longer kept: its chain names it.`, {
    hint: "Its rows may be in a compacted copy, or were dropped by retention.",
    data: { part, hash },
  });
}
