import { MillraceError } from "../../base/index.ts";
import type { ObjectStore } from "../../storage/index.ts";
import type { DatasetKeys } from "../chain/keys.ts";
import { brokenObject, datasetDeleted, deletedEntry } from "../chain/stored-block.ts";
import { decodeHeader, decodePack, headerBytes, type PackHeader } from "./format.ts";
import { Pack, type PackCache } from "./pack-cache.ts";

/** Read at first of a pack whose header is wanted: most headers are shorter. */
const firstReadBytes = 32 << 10;

/** A dataset's packs. They never change, but that those of a deleted dataset become the marker `deleted`. */
export class Packs {
  readonly #store: ObjectStore;
  readonly #keys: DatasetKeys;
  readonly #cache: PackCache;
  /** How many blocks each holds. */
  readonly #blocks: number;

  constructor(store: ObjectStore, keys: DatasetKeys, cache: PackCache, blocks: number) {
    this.#store = store;
    this.#keys = keys;
    this.#cache = cache;
    this.#blocks = blocks;
  }

  async has(region: number): Promise<boolean> {
    return (await this.#store.stat(this.#keys.pack(region))) !== null;
  }

  /** A pack that is there. @throws dataset_not_found where it is the marker; chain_broken where it is missing or damaged */
  async read(region: number, signal?: AbortSignal): Promise<Pack> {
    const key = this.#keys.pack(region);
    const read = async () => {
      const bytes = await this.#store.get(key);
      if (bytes === null) throw brokenObject(key, "it is missing");
      if (isMarker(bytes)) throw datasetDeleted();
      const content = told(key, () => decodePack(bytes));
      this.#check(key, region, content.header);
      return new Pack(content);
    };
    return await this.#cache.pack(key, read, signal);
  }

  /** As `read`, but only what a search needs. */
  async header(region: number, signal?: AbortSignal): Promise<PackHeader> {
    const key = this.#keys.pack(region);
    return await this.#cache.header(key, async () => {
      const beginning = await this.#beginning(key, firstReadBytes, signal);
      const wanted = told(key, () => headerBytes(beginning)) ?? 0;
      const bytes = wanted <= beginning.length ? beginning : await this.#beginning(key, wanted, signal);
      const header = told(key, () => decodeHeader(bytes));
      this.#check(key, region, header);
      return header;
    });
  }

  async #beginning(key: string, length: number, signal?: AbortSignal): Promise<Uint8Array> {
    const bytes = await this.#store.get(key, { range: { start: 0, length }, ...(signal ? { signal } : {}) });
    if (bytes === null) throw brokenObject(key, "it is missing");
    if (isMarker(bytes)) throw datasetDeleted();
    return bytes;
  }

  #check(key: string, region: number, { firstSeq, count }: PackHeader): void {
    if (firstSeq !== region * this.#blocks || count !== this.#blocks)
      throw brokenObject(key, `it holds blocks ${firstSeq} to ${firstSeq + count - 1}`);
  }
}

function isMarker(bytes: Uint8Array): boolean {
  return bytes.length === deletedEntry.length && Buffer.from(bytes).toString() === deletedEntry;
}

/** With the object named in what is told of it. */
function told<Result>(key: string, work: () => Result): Result {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof MillraceError) || error.code !== "chain_broken") throw error;
    const reason = error.data?.reason;
    throw brokenObject(key, typeof reason === "string" ? reason : error.message);
  }
}
