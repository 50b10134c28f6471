import { type DatasetId, MillraceError } from "../../base/index.ts";
import { type Multihash, multihash } from "../../slices/index.ts";
import type { ObjectStore } from "../../storage/index.ts";
import type { Chain } from "../chain/chain.ts";
import type { Chains } from "../chain/chains.ts";
import { DatasetKeys } from "../chain/keys.ts";
import { decodeBlock } from "../odf/index.ts";
import { Recent } from "../recent.ts";
import { type NamedObject, namedObjects, type ObjectPart, objectKey } from "./named-objects.ts";

/** What a chain names, as its bytes lie in the store. */
export interface TransferObject {
  readonly sizeBytes: number;
  /** From `start` up to `end` (exclusive), piece by piece. @throws data_expired where it goes while it is read */
  chunks(start: number, end: number, signal: AbortSignal): AsyncIterable<Uint8Array>;
}

const readBytes = 1 << 20;
/** Objects that lately served blocks name: who copies a dataset asks for a block first, then for what it names. */
const mostNamed = 50_000;

export interface TransferObjectsOptions {
  readonly store: ObjectStore;
  readonly chains: Chains;
}

/**
 * Objects of a dataset by their hashes, for who copies it: those alone that its own chain names. What a lost commit has left
 * behind, or lies in another dataset, is not there.
 */
export class TransferObjects {
  readonly #store: ObjectStore;
  readonly #chains: Chains;
  readonly #named = new Recent<string, NamedObject>(mostNamed);

  constructor({ store, chains }: TransferObjectsOptions) {
    this.#store = store;
    this.#chains = chains;
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
    const chain = await this.#chains.current(id, signal);
    if (part === "blocks") return await this.#block(id, chain, hash, signal);
    const named = this.#named.get(memberName(id, part, hash)) ?? (await this.#search(id, chain, part, hash, signal));
    if (named === null) return null;
    const key = objectKey(new DatasetKeys(id), part, hash);
    const found = await this.#store.stat(key);
    if (found === null) throw gone(part, hash);
    return {
      sizeBytes: found.sizeBytes,
      chunks: (start, end, abort) => this.#chunks(key, { start, end }, () => gone(part, hash), abort),
    };
  }

  /** A block tells its number, and the chain what won that number: no list of blocks is searched. */
  async #block(id: DatasetId, chain: Chain, hash: Multihash, signal?: AbortSignal): Promise<TransferObject | null> {
    const bytes = await this.#store.get(new DatasetKeys(id).block(hash), signal ? { signal } : {});
    if (bytes === null) return null;
    const block = decodeBlock(bytes);
    if (chain.links[block.sequenceNumber]?.hash !== hash) return null; // of a commit that lost
    for (const object of namedObjects(block.event)) this.#named.set(memberName(id, object.part, object.hash), object);
    return {
      sizeBytes: bytes.length,
      async *chunks(start, end) {
        yield bytes.subarray(start, end);
      },
    };
  }

  /** Who asks for objects of blocks that it has not asked for lately costs a walk over them. */
  async #search(
    id: DatasetId,
    chain: Chain,
    part: ObjectPart,
    hash: Multihash,
    signal?: AbortSignal,
  ): Promise<NamedObject | null> {
    switch (part) {
      case "data": {
        const slice = chain.slices.all.find((one) => one.hash === hash);
        return slice === undefined ? null : { part, hash, sizeBytes: slice.sizeBytes };
      }
      case "quarantine": {
        const found = chain.quarantines.find((one) => one.hash === hash);
        return found === undefined ? null : { part, hash, sizeBytes: found.sizeBytes };
      }
      case "checkpoints":
        return await this.#searchBlocks(id, chain, part, hash, signal);
    }
  }

  async #searchBlocks(
    id: DatasetId,
    chain: Chain,
    part: ObjectPart,
    hash: Multihash,
    signal?: AbortSignal,
  ): Promise<NamedObject | null> {
    if (chain.tip.checkpoint === null) return null; // it has none
    const keys = new DatasetKeys(id);
    for (let seq = chain.seq; seq >= 0; seq--) {
      const link = chain.links[seq];
      const bytes = link === undefined ? null : await this.#store.get(keys.block(link.hash), signal ? { signal } : {});
      if (bytes === null) continue;
      const found = namedObjects(decodeBlock(bytes).event).find((one) => one.part === part && one.hash === hash);
      if (found !== undefined) return found;
    }
    return null;
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

const memberName = (id: DatasetId, part: ObjectPart, hash: Multihash) => `${id}/${part}/${hash}`;

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
