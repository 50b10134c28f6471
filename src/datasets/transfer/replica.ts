import { z } from "zod";
import { type DatasetId, type DatasetPath, formatDatasetPath, MillraceError } from "../../base/index.ts";
import type { Multihash } from "../../slices/index.ts";
import type { ObjectStore } from "../../storage/index.ts";
import type { SetSchema } from "../chain/chain.ts";
import type { Chains } from "../chain/chains.ts";
import { DatasetKeys } from "../chain/keys.ts";
import type { StoredBlock } from "../chain/stored-block.ts";
import type { Writer } from "../chain/writer.ts";
import type { ColumnStatistics } from "../layout/live-slices.ts";
import type { Regions } from "../layout/region.ts";
import type { CopyWorker } from "../layout/work.ts";
import { Recent } from "../recent.ts";
import { logicalProblem, type SliceReader } from "../verify/slice-reader.ts";
import type { Copy } from "./copy.ts";
import { followed } from "./followed.ts";
import { dataOf, type NamedObject, namesOf, objectKey } from "./named-objects.ts";
import { checkSeed, refused, unnamed } from "./refusals.ts";
import { type OfferedRegion, StandIns } from "./stand-ins.ts";
import { asHash, WaitingBlocks, type Walk } from "./waiting.ts";

/** Where a read-only copy of a dataset comes from. */
export interface ReplicaOrigin {
  readonly origin: string;
  /** The name that it was first given here. */
  readonly path: string;
}

export interface MissingObject extends NamedObject {
  readonly block: Multihash;
  /** Of a slice: where its rows end. Null of other objects. */
  readonly lastOffset: number | null;
}

export interface Advanced {
  readonly seq: number;
  readonly head: Multihash | null;
  /** What must be put before the rest of the blocks can be committed. */
  readonly missing: readonly MissingObject[];
}

export interface ReplicasOptions {
  readonly store: ObjectStore;
  readonly chains: Chains;
  readonly writer: Writer;
  readonly regions: Regions;
  readonly reader: SliceReader;
  /** null where copies of compacted slices cannot be read here. */
  readonly worker: CopyWorker | null;
  /** null where nobody reads them: such slices are never pruned. */
  columnStatistics(path: string, signal: AbortSignal): Promise<readonly ColumnStatistics[] | null>;
}

const mostKnown = 10_000;
const verifiedAtOnce = 2;
const shape = z.object({ version: z.literal(1), origin: z.string(), path: z.string() });

/**
 * Datasets that are copies of others elsewhere, byte for byte: only blocks of their origin follow, and each is believed when
 * it has proven itself.
 *
 *   block put: bytes fit the name ──▶ waiting ──objects put: bytes fit their names──▶ whole
 *                                                   │ links and rules hold, rows fit the logical hash: those of the
 *                                                   │ slice, or of a copy that stands for it (stand-ins.ts)
 *                                                   ▼
 *                                              log/<seq> if absent = COMMITTED
 *
 * What waits is content under its hash that no log names: readers never see it, and whoever goes on finds it there.
 */
export class Replicas {
  /** Blocks that came and are not committed yet. */
  readonly waiting: WaitingBlocks;
  /** What stands for slices that the origin has superseded. */
  readonly standIns: StandIns;
  readonly #options: ReplicasOptions;
  readonly #known = new Recent<DatasetId, ReplicaOrigin | null>(mostKnown);

  constructor(options: ReplicasOptions) {
    this.#options = options;
    this.waiting = new WaitingBlocks(options.store);
    this.standIns = new StandIns({ ...options, waiting: this.waiting });
  }

  /** null for a dataset of our own. It is a copy from its first moment on or never, so that the answer stays true. */
  async origin(id: DatasetId): Promise<ReplicaOrigin | null> {
    const known = this.#known.get(id);
    if (known !== undefined) return known;
    const read = await this.#read(id);
    this.#known.set(id, read);
    return read;
  }

  /** @throws dataset_read_only where only the origin's blocks may follow */
  async refuseRows(id: DatasetId): Promise<void> {
    const replica = await this.origin(id);
    if (replica === null) return;
    throw new MillraceError("dataset_read_only", "The dataset is a read-only copy of another one.", {
      hint: `Write to its origin ${replica.origin}; \`millrace pull\` brings here what is new.`,
      data: { origin: replica.origin },
    });
  }

  /**
   * Begins a copy with its origin's first block, which waits; repeating it does nothing.
   * @throws already_exists, replica_refused, conflict
   */
  async begin(path: DatasetPath, origin: string, seed: string): Promise<DatasetId> {
    const stored = await this.waiting.get(path, asHash(seed));
    if (stored === null) throw refused(`the block ${seed} was not put here`);
    const id = checkSeed(stored.block);
    const claim = { origin, path: formatDatasetPath(path) };
    await this.#claim(id, claim);
    this.#known.set(id, claim);
    await this.#options.writer.replicate(id, stored);
    return id;
  }

  /** Back from a block over those that wait; behind the committed head where the copy was begun. See waiting.ts. */
  async walk(path: DatasetPath, id: DatasetId | null, from: string, signal: AbortSignal): Promise<Walk> {
    if (id !== null) await this.#mustCopy(id);
    const tip = id === null ? null : (await this.#options.chains.current(id, signal)).tip;
    return await this.waiting.walk(path, from, tip, signal);
  }

  /** What a waiting block names, before its bytes come. @throws replica_refused where it names no such object */
  async expect(copy: Copy, blockHash: string, part: string, hash: string): Promise<NamedObject> {
    await this.#mustCopy(copy.id);
    const stored = await this.waiting.get(copy.path, asHash(blockHash));
    const named = stored === null ? [] : namesOf(stored);
    const found = named.find((one) => one.part === part && one.hash === hash);
    if (found === undefined) throw unnamed(part, hash, blockHash);
    return found;
  }

  /** Takes a region that stands for slices which the origin has no more. See `StandIns.offer`. */
  async offer(copy: Copy, manifest: Uint8Array, signal: AbortSignal): Promise<OfferedRegion> {
    await this.#mustCopy(copy.id);
    return await this.standIns.offer(copy, manifest, signal);
  }

  /** Takes a file of a region that was offered, whose bytes have been proven to have its name. */
  async adoptCopy({ id }: Copy, key: string, localPath: string): Promise<void> {
    await this.#mustCopy(id);
    await this.#options.store.adopt(key, localPath);
  }

  /** Lets rows expire that have expired at the origin. See `StandIns.expire`. */
  async expire({ id }: Copy, before: number, drop: boolean, signal: AbortSignal): Promise<void> {
    await this.#mustCopy(id);
    await this.standIns.expire(id, before, drop, signal);
  }

  /** Takes a file whose bytes have been proven to have the name of the object. */
  async adopt({ id }: Copy, { part, hash }: NamedObject, localPath: string): Promise<void> {
    await this.#mustCopy(id);
    await this.#options.store.adopt(objectKey(new DatasetKeys(id), part, hash), localPath);
  }

  /**
   * Commits waiting blocks in this order, as far as what they name is here; each after its bytes, links, rules and rows were
   * proven. @throws replica_refused, replica_diverged; what was committed before stays
   */
  async advance({ id, path }: Copy, hashes: readonly string[], signal: AbortSignal): Promise<Advanced> {
    await this.#mustCopy(id);
    const { chains, writer } = this.#options;
    const keys = new DatasetKeys(id);
    const { tip, schemas } = await chains.current(id, signal);
    const blocks = await this.#blocksBehind(path, tip.seq, hashes);
    let next = tip;
    for (const stored of blocks) next = followed(next, stored);
    const notHere = await this.#missing(keys, blocks);
    const slices = new Set(notHere.filter(({ part }) => part === "data").map(({ block }) => block));
    const lacking = blocks.filter(({ hash }) => slices.has(hash));
    const absent = await this.standIns.absent(id, lacking, [...schemas, ...schemasIn(blocks)], signal);
    const missing = notHere.filter(({ part, block }) => part !== "data" || !absent.has(block));
    const firstMissing = blocks.findIndex(({ hash }) => missing.some((object) => object.block === hash));
    const whole = firstMissing < 0 ? blocks : blocks.slice(0, firstMissing);
    for (let at = 0; at < whole.length; at += verifiedAtOnce) {
      signal.throwIfAborted();
      const group = whole.slice(at, at + verifiedAtOnce);
      const proven = await Promise.all(
        group.map(async (one) =>
          absent.has(one.hash) ? { without: sliceOf(one) } : { statistics: await this.#prove(keys, one, signal) },
        ),
      );
      for (const [index, one] of group.entries()) await writer.replicate(id, one, proven[index]);
    }
    const reached = (await chains.current(id, signal)).tip;
    return { seq: reached.seq, head: reached.head, missing };
  }

  async #mustCopy(id: DatasetId): Promise<void> {
    if ((await this.origin(id)) !== null) return;
    throw new MillraceError("conflict", "The dataset is no copy of another one: it takes rows, not blocks.");
  }

  async #read(id: DatasetId): Promise<ReplicaOrigin | null> {
    const text = await this.#options.store.get(new DatasetKeys(id).replica);
    if (text === null) return null;
    try {
      const { origin, path } = shape.parse(JSON.parse(new TextDecoder().decode(text)));
      return { origin, path };
    } catch (cause) {
      throw new MillraceError("unsupported_version", "The record of where the copy comes from cannot be read.", {
        hint: "Was it written by a newer Millrace? Run that version or a later one.",
        cause,
      });
    }
  }

  /** The mark comes before the first block: a dataset's kind is known before anything can be committed to it. */
  async #claim(id: DatasetId, claim: ReplicaOrigin): Promise<void> {
    const { store } = this.#options;
    const keys = new DatasetKeys(id);
    const there = await this.#read(id);
    if (there === null) {
      const isTaken = (await store.stat(keys.alias)) !== null || (await store.stat(keys.log(0))) !== null;
      if (isTaken) throw taken();
      const body = new TextEncoder().encode(JSON.stringify({ version: 1, ...claim }));
      if ((await store.putIfAbsent(keys.replica, body)) === "created") return;
    }
    const winner = there ?? (await this.#read(id));
    if (winner?.path !== claim.path) throw taken();
    if ((await store.stat(keys.tombstone)) !== null) {
      throw new MillraceError("conflict", "This copy was deleted here, and its id cannot be taken again.", {
        hint: "A dataset's id names its folder for good. Pull it into another platform.",
      });
    }
  }

  /** Those that are not committed yet. @throws replica_refused where one does not wait */
  async #blocksBehind(path: DatasetPath, seq: number, hashes: readonly string[]): Promise<StoredBlock[]> {
    const found = await Promise.all(hashes.map((hash) => this.waiting.get(path, asHash(hash))));
    const absent = found.indexOf(null);
    if (absent >= 0) throw refused(`the block ${hashes[absent]} was not put here`);
    return found.filter((stored) => stored !== null).filter((stored) => stored.seq > seq);
  }

  async #missing(keys: DatasetKeys, blocks: readonly StoredBlock[]): Promise<MissingObject[]> {
    const named = blocks.flatMap((one) =>
      namesOf(one).map((object) => ({
        ...object,
        block: one.hash,
        lastOffset: object.part === "data" ? (dataOf(one)?.offsetInterval.end ?? null) : null,
      })),
    );
    const sizes = await Promise.all(
      named.map(({ part, hash }) => this.#options.store.stat(objectKey(keys, part, hash))),
    );
    const missing: MissingObject[] = [];
    for (const [index, object] of named.entries()) {
      const found = sizes[index] ?? null;
      // One whose putting failed may be seen, and still be lost: committed is only what stays.
      if (found === null || !(await this.#options.store.settle(objectKey(keys, object.part, object.hash))))
        missing.push(object);
      else if (found.sizeBytes !== object.sizeBytes)
        throw refused(`a block says ${object.sizeBytes} bytes of ${object.hash}, which has ${found.sizeBytes}`);
    }
    return missing;
  }

  /** The rows of a block's slice against its offsets and logical hash. @returns the slice's statistics */
  async #prove(keys: DatasetKeys, stored: StoredBlock, signal: AbortSignal) {
    const { store, reader, columnStatistics } = this.#options;
    const { seq } = stored;
    const data = dataOf(stored);
    if (data === undefined) return null;
    const { physicalHash } = data;
    await using file = await store.local(keys.data(physicalHash), signal);
    if (file === null) throw refused(`the slice of block ${seq} went away`);
    const problem = await logicalProblem(reader, file.path, data, signal).catch((cause: unknown) => {
      signal.throwIfAborted();
      throw refused(`the slice of block ${seq} cannot be read`, cause);
    });
    if (problem !== null) throw refused(`of the slice of block ${seq}: ${problem}`);
    const statistics = await columnStatistics(file.path, signal);
    if (statistics !== null)
      await store.put(keys.statistics(physicalHash), new TextEncoder().encode(JSON.stringify(statistics)));
    return statistics;
  }
}

function sliceOf(stored: StoredBlock): Multihash | null {
  return dataOf(stored)?.physicalHash ?? null;
}

function schemasIn(blocks: readonly StoredBlock[]): SetSchema[] {
  return blocks.flatMap(({ seq, block: { event } }) =>
    event.kind === "SetDataSchema" ? [{ seq, schema: event.schema }] : [],
  );
}

function taken(): MillraceError {
  return new MillraceError("already_exists", "A dataset of this id is on this platform already.", {
    hint: "It may be the origin itself, or a copy of it under another name.",
  });
}
