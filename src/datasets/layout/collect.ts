import { MillraceError } from "../../base/index.ts";
import type { Multihash } from "../../slices/index.ts";
import type { ObjectStat } from "../../storage/index.ts";
import { decodeBlock } from "../odf/index.ts";
import { namedObjects, objectKey } from "../transfer/named-objects.ts";
import { condemn } from "./condemned.ts";
import { LayoutKeys } from "./layout-keys.ts";
import type { LaidOut, LayoutProgress, LayoutTools } from "./work.ts";

export interface CollectionReport {
  /** Objects of commits that were never made, and the bytes of them. */
  readonly objects: number;
  readonly bytes: number;
  /** Blocks that lost their number. */
  readonly blocks: number;
  /** Statistics whose slices are gone. */
  readonly statistics: number;
}

/** Objects that one run condemns: the rest is left to the next one. */
const mostCondemned = 10_000;

export interface CollectionOptions {
  /** Younger objects are left alone. That is for quiet, not for safety. */
  readonly ageMs: number;
  /** The dataset with every block that is committed when this is called. */
  readonly open: () => Promise<LaidOut>;
}

/**
 * Deletes what commits that were lost or cut off have left behind. A writer that was frozen may still commit what looks so:
 *
 *   collection: condemn ▸ list blocks ▸ read the chain to its end ▸ delete what nothing names ▸ remove the list
 *   writer:     put block ▸ look for condemnations ▸ look whether its objects are there ▸ create the log entry
 *
 * Where the writer's block is there before the listing, it saves its objects; where it is not, the writer looks after the
 * condemnation and sees it, or, when the list is removed, sees that an object is gone. Age and clocks prove nothing here.
 */
export async function collect(
  tools: LayoutTools,
  options: CollectionOptions,
  signal: AbortSignal,
  progress: LayoutProgress,
): Promise<CollectionReport> {
  const dataset = await options.open();
  return await new Collector(tools, options, dataset, signal, progress).run();
}

class Collector {
  readonly #tools: LayoutTools;
  readonly #options: CollectionOptions;
  readonly #dataset: LaidOut;
  readonly #signal: AbortSignal;
  readonly #progress: LayoutProgress;
  readonly #keys: LayoutKeys;
  readonly #oldestKeptMs: number;

  constructor(
    tools: LayoutTools,
    options: CollectionOptions,
    dataset: LaidOut,
    signal: AbortSignal,
    progress: LayoutProgress,
  ) {
    this.#tools = tools;
    this.#options = options;
    this.#dataset = dataset;
    this.#signal = signal;
    this.#progress = progress;
    this.#keys = new LayoutKeys(dataset.id);
    this.#oldestKeptMs = tools.clock.now() - options.ageMs;
  }

  async run(): Promise<CollectionReport> {
    await this.#progress(0, 3, "looking for objects that no block names");
    const suspects = await this.#suspects();
    await this.#progress(1, 3, `${suspects.size} objects that no block names`);
    const deleted = await this.#condemnAndDelete(suspects);
    await this.#progress(2, 3, `${deleted.objects} objects deleted`);
    return { ...deleted, statistics: await this.#deleteStatistics() };
  }

  /** Old objects that no committed block names. */
  async #suspects(): Promise<Map<string, ObjectStat>> {
    const found = new Map<string, ObjectStat>();
    for (const folder of [this.#keys.dataFolder, this.#keys.quarantineFolder])
      for (const object of await this.#old(folder)) found.set(object.key, object);
    if (found.size > 0)
      await this.#forEachCommitted(this.#dataset, (_, named) => {
        for (const key of named) found.delete(key);
      });
    return new Map([...found].slice(0, mostCondemned));
  }

  async #old(folder: string): Promise<ObjectStat[]> {
    const found: ObjectStat[] = [];
    for await (const object of this.#tools.store.list(folder, { signal: this.#signal }))
      if (object.modifiedMs < this.#oldestKeptMs) found.push(object);
    return found;
  }

  async #forEachCommitted(dataset: LaidOut, tell: (hash: Multihash, named: readonly string[]) => void): Promise<void> {
    for await (const { hash, block } of dataset.blocks(0, dataset.newest, this.#signal))
      tell(
        hash,
        namedObjects(block.event).map((one) => objectKey(this.#keys, one.part, one.hash)),
      );
  }

  async #condemnAndDelete(suspects: Map<string, ObjectStat>): Promise<Omit<CollectionReport, "statistics">> {
    const { store, random } = this.#tools;
    const run = Buffer.from(random.bytes(16)).toString("hex");
    const isCondemned = suspects.size > 0;
    if (isCondemned) await condemn(store, this.#keys, run, [...suspects.keys()]);
    let isDeleting = false;
    try {
      const dead = await this.#deadBlocks(suspects);
      isDeleting = true;
      const deleted = await this.#delete(suspects, dead);
      isDeleting = false;
      return deleted;
    } finally {
      // A deletion that failed may still happen: then the condemnation stays.
      if (!isDeleting && isCondemned) await store.delete(this.#keys.condemned(run));
    }
  }

  /** Blocks whose number another has taken. What a living block names is saved: it may still be committed. */
  async #deadBlocks(suspects: Map<string, ObjectStat>): Promise<ObjectStat[]> {
    const { store } = this.#tools;
    const listed = new Map<string, ObjectStat>();
    for await (const object of store.list(this.#keys.blocksFolder, { signal: this.#signal }))
      listed.set(object.key, object);
    // Behind the listing, so that a block that was packed away before it is found in its pack.
    const dataset = await this.#options.open();
    await this.#forEachCommitted(dataset, (hash, named) => {
      listed.delete(this.#keys.block(hash));
      for (const key of named) suspects.delete(key);
    });
    const dead: ObjectStat[] = [];
    for (const object of listed.values()) {
      const bytes = await store.get(object.key, { signal: this.#signal });
      if (bytes === null) throw vanished();
      const { sequenceNumber, event } = decodeBlock(bytes);
      if (sequenceNumber <= dataset.newest) {
        if (object.modifiedMs < this.#oldestKeptMs) dead.push(object);
        continue;
      }
      for (const { part, hash } of namedObjects(event)) suspects.delete(objectKey(this.#keys, part, hash));
    }
    return dead;
  }

  async #delete(
    suspects: ReadonlyMap<string, ObjectStat>,
    dead: readonly ObjectStat[],
  ): Promise<Omit<CollectionReport, "statistics">> {
    const { store } = this.#tools;
    let [objects, bytes] = [0, 0];
    for (const { key, sizeBytes } of suspects.values()) {
      if (this.#signal.aborted) break;
      if (this.#dataset.isOpen({ key })) continue;
      await store.delete(key);
      objects++;
      bytes += sizeBytes;
    }
    for (const { key } of dead) await store.delete(key);
    return { objects, bytes, blocks: dead.length };
  }

  async #deleteStatistics(): Promise<number> {
    const { store } = this.#tools;
    let deleted = 0;
    for (const { key } of await this.#old(this.#keys.statisticsFolder)) {
      this.#signal.throwIfAborted();
      const slice = this.#keys.dataFolder + key.slice(this.#keys.statisticsFolder.length);
      if ((await store.stat(slice)) !== null) continue;
      await store.delete(key);
      deleted++;
    }
    return deleted;
  }
}

function vanished(): MillraceError {
  return new MillraceError("conflict", "The dataset's blocks changed while they were read; nothing was deleted.", {
    retryAfterS: 60,
  });
}
