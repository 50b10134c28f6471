import { abortable } from "../../base/index.ts";
import type { Multihash } from "../../slices/index.ts";
import type { StoredBlock } from "../chain/stored-block.ts";
import { decodeBlock } from "../odf/index.ts";
import { Recent } from "../recent.ts";
import { type PackContent, type PackHeader, printOf } from "./format.ts";

const mostHeaders = 5_000;
const defaultPackBytes = 32 << 20;

/** The blocks of a region, from its pack. */
export class Pack {
  readonly header: PackHeader;
  readonly weightBytes: number;
  readonly #content: PackContent;

  constructor(content: PackContent) {
    this.header = content.header;
    this.#content = content;
    this.weightBytes = content.blocks.reduce((sum, block) => sum + block.length + 250, 10_000);
  }

  hashAt(seq: number): Multihash | null {
    return this.#content.hashes[seq - this.header.firstSeq] ?? null;
  }

  at(seq: number): StoredBlock | null {
    const index = seq - this.header.firstSeq;
    const [hash, bytes] = [this.#content.hashes[index], this.#content.blocks[index]];
    return hash === undefined || bytes === undefined ? null : { seq, hash, bytes, block: decodeBlock(bytes) };
  }

  seqOf(hash: Multihash): number | null {
    const index = this.#content.hashes.indexOf(hash);
    return index < 0 ? null : this.header.firstSeq + index;
  }
}

/** Whether a pack may hold a block of this hash; `no` is certain. */
export function mayHold(prints: Uint32Array, hash: Multihash): boolean {
  return prints.includes(printOf(hash));
}

interface Kept {
  readonly pack: Promise<Pack>;
  weightBytes: number;
}

/** Packs that were read lately, of all datasets, by their keys: they never change. */
export class PackCache {
  readonly #mostBytes: number;
  readonly #packs = new Recent<string, Kept>(Number.POSITIVE_INFINITY);
  readonly #headers = new Recent<string, PackHeader>(mostHeaders);
  #weightBytes = 0;

  constructor(mostBytes: number = defaultPackBytes) {
    this.#mostBytes = mostBytes;
  }

  /** Who asks for one that is being read waits for the same reading; null is not kept. */
  async pack(key: string, read: () => Promise<Pack>, signal?: AbortSignal): Promise<Pack> {
    const known = this.#packs.get(key);
    if (known !== undefined) return await abortable(known.pack, signal);
    const kept: Kept = { pack: read(), weightBytes: 0 };
    this.#packs.set(key, kept);
    kept.pack.then(
      (pack) => this.#weigh(key, kept, pack),
      () => this.#forget(key, kept),
    );
    return await abortable(kept.pack, signal);
  }

  async header(key: string, read: () => Promise<PackHeader>): Promise<PackHeader> {
    const known = this.#headers.get(key);
    if (known !== undefined) return known;
    const header = await read();
    this.#headers.set(key, header);
    return header;
  }

  #weigh(key: string, kept: Kept, pack: Pack): void {
    if (this.#packs.get(key) !== kept) return; // dropped meanwhile
    kept.weightBytes = pack.weightBytes;
    this.#weightBytes += kept.weightBytes;
    this.#headers.set(key, pack.header);
    while (this.#packs.size > 1 && this.#weightBytes > this.#mostBytes)
      this.#weightBytes -= this.#packs.dropOldest()?.weightBytes ?? 0;
  }

  #forget(key: string, kept: Kept): void {
    if (this.#packs.get(key) === kept) this.#packs.delete(key);
  }
}
