import { MillraceError } from "../../base/index.ts";
import { type Multihash, multihash, sha3Multihash } from "../../slices/index.ts";
import type { ObjectStore } from "../../storage/index.ts";
import { decodeBlock } from "../odf/index.ts";
import { mayHold, type PackCache } from "../packs/pack-cache.ts";
import { Packs } from "../packs/packs.ts";
import { gallop } from "./gallop.ts";
import type { DatasetKeys } from "./keys.ts";
import { brokenObject, datasetDeleted, deletedEntry, readBlock, type StoredBlock } from "./stored-block.ts";

/** Blocks read at once from the object store. */
const readAhead = 32;
/** Tries of an operation that failed without saying whether it happened. */
const mostTries = 3;

export interface DatasetLogOptions {
  readonly store: ObjectStore;
  readonly keys: DatasetKeys;
  readonly packCache: PackCache;
  /** How many blocks a pack holds: the same for everybody who uses the store. */
  readonly packBlocks: number;
  /** @throws unsupported_version where a newer version has taken the store, whose ways this one does not know */
  readonly checkFormat?: () => Promise<void>;
}

/**
 * Which block has which number: the packs say it of all numbers below the *floor*, the log entries of those from it on.
 *
 *   packs/0  packs/1  ...  packs/n-1 | log/n·1024  log/n·1024+1  ...  log/newest
 *                                   floor
 *
 * Creating a pack is raising the floor; only then are the log entries and block objects below it deleted. An entry below it
 * means nothing: a writer that was frozen may make one after the deletion. So whoever has looked at an entry looks for the
 * pack of its region *afterwards*: absent, nothing of the region was deleted before, and the entry stands; present, the pack
 * says it, whatever the entry was.
 */
export class DatasetLog {
  readonly store: ObjectStore;
  readonly keys: DatasetKeys;
  readonly packs: Packs;
  readonly packBlocks: number;
  /** Whether what this version knows of the store still holds. @throws unsupported_version, the store's errors */
  readonly checkFormat: () => Promise<void>;
  /** The floor as far as it was seen; it never goes back. */
  #floor = 0;

  constructor({ store, keys, packCache, packBlocks, checkFormat = async () => {} }: DatasetLogOptions) {
    this.store = store;
    this.keys = keys;
    this.packBlocks = packBlocks;
    this.checkFormat = checkFormat;
    this.packs = new Packs(store, keys, packCache, packBlocks);
  }

  get floor(): number {
    return this.#floor;
  }

  /** Number of the pack that a block belongs to. */
  region(seq: number): number {
    return Math.floor(seq / this.packBlocks);
  }

  /** Whether a region is packed. Asked after a look into the log, it says whether the look counts. */
  async isPacked(region: number): Promise<boolean> {
    if (region < this.region(this.#floor)) return true;
    if (!(await this.packs.has(region))) return false;
    this.#floor = Math.max(this.#floor, (region + 1) * this.packBlocks);
    return true;
  }

  /**
   * Creates a log entry if absent, and tells who has the number: `entry` itself or another.
   * @throws dataset_not_found where the dataset was deleted; unsupported_version where a newer version has taken the store;
   * the store's errors, after which nobody knows
   */
  async claim(seq: number, entry: Multihash | typeof deletedEntry): Promise<"ours" | "another's"> {
    const key = this.keys.log(seq);
    const isNew = (await persist(() => this.store.putIfAbsent(key, utf8.encode(entry)))) === "created";
    const found = isNew ? entry : textOf(await persist(() => this.store.get(key)));
    // The entry may be below the floor by now, where nobody reads it: then the pack knows whose the number is. A newer version
    // may hide it in ways unknown here; it has said so in the store before it did, so that this look comes after.
    const looks = [persist(() => this.isPacked(this.region(seq))), persist(this.checkFormat)] as const;
    const [isPacked] = await Promise.all(looks);
    if (!isPacked) {
      if (found === entry) return "ours";
      if (found === deletedEntry) throw datasetDeleted();
      if (found === null) throw brokenObject(key, "it is missing");
      return "another's";
    }
    if (isNew) await this.store.delete(key);
    return (await this.packs.read(this.region(seq))).hashAt(seq) === entry ? "ours" : "another's";
  }

  /**
   * What has won a number; null where nothing has yet.
   * @throws chain_broken on an entry that is neither; dataset_not_found where the packs of a deleted dataset are gone
   */
  async entry(seq: number, signal?: AbortSignal): Promise<Multihash | typeof deletedEntry | null> {
    if (seq < this.#floor) return (await this.packs.read(this.region(seq), signal)).hashAt(seq);
    const text = textOf(await this.store.get(this.keys.log(seq), signal ? { signal } : {}));
    if (await this.isPacked(this.region(seq))) return (await this.packs.read(this.region(seq), signal)).hashAt(seq);
    return text === null || text === deletedEntry ? text : hashIn(this.keys.log(seq), text);
  }

  /**
   * Committed blocks, `to` included.
   * @throws chain_broken where an entry or a block is missing or damaged; dataset_not_found where the last one is the end of a
   * deleted dataset
   */
  async *read(from: number, to: number, signal?: AbortSignal): AsyncIterable<StoredBlock> {
    for (let seq = from; seq <= to; ) {
      const last = Math.min(to, (this.region(seq) + 1) * this.packBlocks - 1, seq + readAhead - 1);
      // What comes before a broken block is told before it.
      for (const read of await this.#batch(seq, last, signal)) yield settledValue(read);
      seq = last + 1;
    }
  }

  /** As `read`, from `to` down to `from`. */
  async *readBack(from: number, to: number, signal?: AbortSignal): AsyncIterable<StoredBlock> {
    for (let seq = to; seq >= from; ) {
      const first = Math.max(from, this.region(seq) * this.packBlocks, seq - readAhead + 1);
      for (const read of (await this.#batch(first, seq, signal)).toReversed()) yield settledValue(read);
      seq = first - 1;
    }
  }

  /** A committed block. @throws chain_broken, dataset_not_found */
  async at(seq: number, signal?: AbortSignal): Promise<StoredBlock> {
    const [read] = await this.#batch(seq, seq, signal);
    if (read === undefined) throw brokenObject(this.keys.log(seq), "it is missing");
    return settledValue(read);
  }

  /** Blocks of one region. */
  async #batch(from: number, to: number, signal?: AbortSignal): Promise<readonly PromiseSettledResult<StoredBlock>[]> {
    const region = this.region(from);
    const count = to - from + 1;
    if (from >= this.#floor) {
      const reading = Array.from({ length: count }, (_, index) => this.#loose(from + index, signal));
      const read = await Promise.allSettled(reading);
      // What was read, or was not there, counts only where no pack had come before.
      if (!(await this.isPacked(region))) return read;
    }
    const pack = await this.packs.read(region, signal);
    return Array.from({ length: count }, (_, index) => {
      const block = pack.at(from + index);
      if (block === null) throw brokenObject(this.keys.pack(region), `it lacks block ${from + index}`);
      return { status: "fulfilled", value: block };
    });
  }

  async #loose(seq: number, signal?: AbortSignal): Promise<StoredBlock> {
    const key = this.keys.log(seq);
    const text = textOf(await this.store.get(key, signal ? { signal } : {}));
    if (text === null) throw brokenObject(key, "it is missing");
    if (text === deletedEntry) throw datasetDeleted();
    return await readBlock(this.store, this.keys, seq, hashIn(key, text), signal);
  }

  /** Brings the floor to what it is now. */
  async findFloor(signal?: AbortSignal): Promise<void> {
    await gallop((region) => this.isPacked(region), this.region(this.#floor) - 1, signal);
  }

  /** Whether nothing was committed behind a number that was won. */
  async isNewest(seq: number): Promise<boolean> {
    return (await this.store.stat(this.keys.log(seq + 1))) === null && !(await this.isPacked(this.region(seq + 1)));
  }

  /**
   * Makes sure that a number that was seen to be won stays so: its writer may have ended before its entry was durable.
   * @throws chain_broken where neither an entry nor a pack says it
   */
  async settle(seq: number): Promise<void> {
    if (await this.store.settle(this.keys.log(seq))) return;
    const pack = this.keys.pack(this.region(seq));
    if (!(await this.store.settle(pack))) throw brokenObject(this.keys.log(seq), "it is missing");
  }

  /**
   * The newest number that was won before the call, or -1: from `known` (which was won) on. Two looks where it is the newest;
   * else doubling and halving, over the packs first. Neither packs nor the log above the floor have gaps, so that presence is
   * monotone.
   */
  async newest(known: number, signal?: AbortSignal): Promise<number> {
    for (;;) {
      const found = await gallop(
        async (seq) => (await this.store.stat(this.keys.log(seq))) !== null,
        Math.max(known, this.#floor - 1),
        signal,
      );
      const region = this.region(found + 1);
      if (!(await this.isPacked(region))) return found;
      await gallop((more) => this.isPacked(more), region, signal);
    }
  }

  /**
   * As `newest`, for who knows nothing else of the chain: what the store lists beyond a gap is not taken for an end.
   * @throws chain_broken where an entry or a pack is missing
   */
  async newestListed(known: number, signal?: AbortSignal): Promise<number> {
    for (let newest = await this.newest(known, signal); ; ) {
      const beyond = await this.#listedBehind(newest, signal);
      if (beyond === null) return newest;
      const now = await this.newest(newest, signal); // it may have been committed meanwhile
      if (now === newest) throw brokenObject(this.keys.log(newest + 1), `it is missing, though there is ${beyond}`);
      newest = now;
    }
  }

  async #listedBehind(seq: number, signal?: AbortSignal): Promise<string | null> {
    const options = { limit: 1, ...(signal ? { signal } : {}) };
    const pack = this.region(seq + 1) - 1;
    const behind = [
      this.store.list(this.keys.packsFolder, pack < 0 ? options : { ...options, after: this.keys.pack(pack) }),
      this.store.list(this.keys.logFolder, seq < 0 ? options : { ...options, after: this.keys.log(seq) }),
    ];
    for (const listing of behind) for await (const { key } of listing) return key;
    return null;
  }

  /** The number of a committed block; null where the chain up to `newest` has none of this hash. @throws chain_broken */
  async seqOf(hash: Multihash, newest: number, signal?: AbortSignal): Promise<number | null> {
    const key = this.keys.block(hash);
    const bytes = await this.store.get(key, signal ? { signal } : {});
    if (bytes !== null) {
      if (sha3Multihash(bytes) !== hash) throw brokenObject(key, "its bytes are not those that its name says");
      // It may be a lost commit's: its number tells. Bytes that are no block were never committed.
      const seq = numberIn(bytes);
      return seq !== null && seq <= newest && (await this.entry(seq, signal)) === hash ? seq : null;
    }
    for (let region = this.region(newest); region >= 0; region--) {
      if (!(await this.isPacked(region))) continue;
      if (!mayHold((await this.packs.header(region, signal)).prints, hash)) continue;
      const seq = (await this.packs.read(region, signal)).seqOf(hash);
      if (seq !== null) return seq;
    }
    return null;
  }

  /**
   * The block that `refs/head` names, or null. The hint may be absent, stale or wrong: who has its number decides.
   */
  async hinted(signal?: AbortSignal): Promise<{ readonly seq: number; readonly hash: Multihash } | null> {
    const text = textOf(await this.store.get(this.keys.head, signal ? { signal } : {}));
    if (text === null) return null;
    try {
      const { hash, block } = await readBlock(this.store, this.keys, 0, multihash(text), signal);
      return { seq: block.sequenceNumber, hash };
    } catch (error) {
      if (error instanceof MillraceError) return null;
      throw error;
    }
  }
}

const utf8 = new TextEncoder();

function textOf(bytes: Uint8Array | null): string | null {
  return bytes === null ? null : new TextDecoder().decode(bytes).trim();
}

function hashIn(key: string, text: string): Multihash {
  try {
    return multihash(text);
  } catch {
    throw brokenObject(key, `it holds "${text.slice(0, 100)}", which is not the hash of a block`);
  }
}

function settledValue<Value>(settled: PromiseSettledResult<Value>): Value {
  if (settled.status === "rejected") throw settled.reason;
  return settled.value;
}

async function persist<Result>(work: () => Promise<Result>): Promise<Result> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await work();
    } catch (error) {
      // It may have happened. Asked again, the store tells: our own entry has our block's name.
      if (attempt === mostTries) throw error;
    }
  }
}

/** The number of a block; null where the bytes are none. */
function numberIn(bytes: Uint8Array): number | null {
  try {
    return decodeBlock(bytes).sequenceNumber;
  } catch (error) {
    if (error instanceof MillraceError && error.code === "chain_broken") return null;
    throw error;
  }
}
