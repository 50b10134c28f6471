import { type DatasetId, Mutex } from "../../base/index.ts";
import type { Multihash } from "../../slices/index.ts";
import type { StoredBlock } from "../chain/stored-block.ts";
import { Recent } from "../recent.ts";
import { namedObjects, type ObjectPart } from "./named-objects.ts";

/** Blocks of a chain by their numbers, both included, in order. */
export type BlockReader = (
  id: DatasetId,
  range: { readonly from: number; readonly to: number; readonly newestFirst: boolean },
  signal?: AbortSignal,
) => AsyncIterable<StoredBlock>;

/** Names that are kept in memory, of all datasets: about 100 bytes each. */
const mostNames = 1_000_000;

interface Names {
  readonly mutex: Mutex;
  readonly known: Set<string>;
  /** What the blocks up to this one name is known. */
  seq: number;
}

/** What chains name, for who asks by hash: made from the blocks at the first question, and carried on as the chain grows. */
export class NameIndex {
  readonly #read: BlockReader;
  readonly #datasets = new Recent<DatasetId, Names>(Number.POSITIVE_INFINITY);
  #total = 0;

  constructor(read: BlockReader) {
    this.#read = read;
  }

  /** Whether a block up to `seq` names the object. */
  async has(
    id: DatasetId,
    seq: number,
    { part, hash }: { readonly part: ObjectPart; readonly hash: Multihash },
    signal?: AbortSignal,
  ): Promise<boolean> {
    const names = this.#names(id);
    const name = shortName(part, hash);
    if (!names.known.has(name) && names.seq < seq)
      await names.mutex.run(() => this.#follow(id, names, seq, signal), signal);
    return names.known.has(name);
  }

  #names(id: DatasetId): Names {
    const there = this.#datasets.get(id);
    if (there !== undefined) return there;
    const names = { mutex: new Mutex(), known: new Set<string>(), seq: -1 };
    this.#datasets.set(id, names);
    return names;
  }

  async #follow(id: DatasetId, names: Names, to: number, signal?: AbortSignal): Promise<void> {
    const range = { from: names.seq + 1, to, newestFirst: false };
    if (range.from > to) return; // who waited before us has done it
    for await (const { seq, block } of this.#read(id, range, signal)) {
      const before = names.known.size;
      for (const { part, hash } of namedObjects(block.event)) names.known.add(shortName(part, hash));
      names.seq = seq;
      if (this.#datasets.get(id) === names) this.#weigh(names.known.size - before);
    }
  }

  /** The least lately asked dataset goes first; one that alone is too large stays. */
  #weigh(added: number): void {
    this.#total += added;
    while (this.#total > mostNames && this.#datasets.size > 1)
      this.#total -= this.#datasets.dropOldest()?.known.size ?? 0;
  }
}

/** Sixteen bytes of the digest: as hard to meet by chance or purpose as it needs to be, at a quarter of the memory. */
function shortName(part: ObjectPart, hash: Multihash): string {
  return part.charAt(0) + Buffer.from(hash.slice(-32), "hex").toString("latin1");
}
