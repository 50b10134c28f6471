import {
  abortable,
  type Clock,
  type DatasetId,
  deadlineSignal,
  MillraceError,
  Mutex,
  type Telemetry,
} from "../../base/index.ts";
import type { Multihash } from "../../slices/index.ts";
import type { ObjectStore } from "../../storage/index.ts";
import type { ColumnStatistics } from "../layout/live-slices.ts";
import type { MetadataEvent } from "../odf/index.ts";
import type { Tip } from "../rules/index.ts";
import type { Chains } from "./chains.ts";
import {
  addDataEvent,
  adoptObjects,
  type Change,
  commitBlock,
  type ExecutedRun,
  executeTransformEvent,
  type NewRows,
} from "./commit.ts";
import { DatasetKeys } from "./keys.ts";
import type { DatasetLog } from "./log.ts";
import { deletedEntry, type StoredBlock } from "./stored-block.ts";
import { follow, type NextBlock, nextBlock } from "./tip.ts";

export type CommitOutcome =
  | {
      readonly outcome: "committed";
      readonly seq: number;
      readonly block: Multihash;
      readonly firstOffset: number | null;
      readonly lastOffset: number | null;
    }
  /**
   * Another writer was first: the caller looks at the head again and writes its offsets anew. Where `stored`, the
   * change's files are in the object store under their hashes, and no longer where they were. Where `gone`, they are neither:
   * a collection took them for what a lost commit leaves. They are made anew with a later system time, so that their names are others.
   */
  | { readonly outcome: "lost"; readonly stored: boolean; readonly gone: boolean };

/** What was found out about a block of another platform. */
export interface Proven {
  /** Of its slice; null where they are not known. */
  readonly statistics?: readonly ColumnStatistics[] | null;
  /** Its slice where that is not here, and need not be. */
  readonly without?: Multihash | null;
}

export interface WriterOptions {
  readonly store: ObjectStore;
  readonly chains: Chains;
  readonly clock: Clock;
  readonly telemetry: Telemetry;
  readonly announce: (id: DatasetId, stored: StoredBlock) => Promise<void>;
}

/** How long a commit waits until its news are taken: it is durable without them. */
const announceWaitMs = 2_000;
/** Tries to end a log that others keep writing to. */
const mostEndings = 100;

/**
 * Writes blocks. Commits of one dataset by this process wait for each other; those of other processes are met at the log.
 * Everything of a commit is built on one tip, taken before it: a chain that moves on meanwhile makes it lose, never mix.
 */
export class Writer {
  readonly #options: WriterOptions;
  readonly #turns = new Map<DatasetId, { readonly mutex: Mutex; users: number }>();

  constructor(options: WriterOptions) {
    this.#options = options;
  }

  /** @throws chain_broken, dataset_not_found, the store's errors (the outcome is then unknown) */
  commit(id: DatasetId, change: Change, signal?: AbortSignal): Promise<CommitOutcome> {
    return this.#append(id, change, (tip) => addDataEvent(tip, change), signal);
  }

  /** @throws as `commit` */
  execute(id: DatasetId, run: ExecutedRun, signal?: AbortSignal): Promise<CommitOutcome> {
    return this.#append(id, run, (tip) => executeTransformEvent(tip, run), signal);
  }

  async #append(
    id: DatasetId,
    change: NewRows,
    eventBehind: (tip: Tip) => MetadataEvent,
    signal: AbortSignal | undefined,
  ): Promise<CommitOutcome> {
    const { store, chains } = this.#options;
    return await this.#inTurn(id, signal, async () => {
      const { tip } = await chains.current(id, signal);
      if (tip.seq !== change.expectedSeq) return { outcome: "lost", stored: false, gone: false };
      // Both blocks are known to fit before anything is written.
      const schema =
        change.schema === undefined
          ? null
          : nextBlock(tip, { kind: "SetDataSchema", schema: change.schema }, change.systemTime);
      const before = schema?.tip ?? tip;
      const data = nextBlock(before, eventBehind(before), change.systemTime);
      await adoptObjects(store, new DatasetKeys(id), change);
      const written = schema === null ? "committed" : await this.#write(id, schema, null);
      const outcome = written === "committed" ? await this.#write(id, data, change.data?.statistics ?? null) : written;
      if (outcome === "lost") return { outcome, stored: true, gone: false };
      if (outcome === "objects gone") return { outcome: "lost", stored: false, gone: true };
      const rows = data.tip.nextOffset - before.nextOffset;
      const offsets =
        rows === 0
          ? { firstOffset: null, lastOffset: null }
          : { firstOffset: before.nextOffset, lastOffset: data.tip.nextOffset - 1 };
      return { outcome: "committed", seq: data.stored.seq, block: data.stored.hash, ...offsets };
    });
  }

  /** Commits an event that describes the dataset. @throws conflict where another writer was first; as `commit` */
  async describe(id: DatasetId, event: MetadataEvent, expectedSeq?: number): Promise<void> {
    const { chains, clock } = this.#options;
    await this.#inTurn(id, undefined, async () => {
      const { tip } = await chains.current(id);
      const isNext = expectedSeq === undefined || tip.seq === expectedSeq;
      if (!isNext || (await this.#write(id, nextBlock(tip, event, clock.now()), null)) !== "committed")
        throw new MillraceError("conflict", "Another writer was faster.", { retryAfterS: 1 });
    });
  }

  /**
   * Commits a block of another platform as it is, behind the newest one; does nothing where it is committed already.
   * @throws chain_broken where it may not follow; conflict where another writer was first; as `commit`
   */
  async replicate(
    id: DatasetId,
    stored: StoredBlock,
    { statistics = null, without = null }: Proven = {},
  ): Promise<void> {
    const { chains } = this.#options;
    await this.#inTurn(id, undefined, async () => {
      const chain = await chains.current(id);
      if (stored.seq <= chain.seq && (await chains.log(id).entry(stored.seq)) === stored.hash) return;
      const next = { stored, tip: follow(chain.tip, stored.hash, stored.block) };
      if ((await this.#write(id, next, statistics, without)) !== "committed")
        throw new MillraceError("conflict", "Another writer was faster.", { retryAfterS: 1 });
    });
  }

  /** Ends a dataset's log, so that no writer anywhere can commit behind it. Repeating it does nothing. */
  async end(id: DatasetId): Promise<void> {
    const { chains } = this.#options;
    const log = chains.log(id);
    let newest = -1;
    for (let attempt = 1; attempt <= mostEndings; attempt++) {
      // Not through the chain: one that is broken must be deletable too. And quickly: others commit meanwhile.
      newest = await log.newest(newest);
      if (await isEnd(log, newest)) return;
      if ((await claimEnd(log, newest + 1)) === "ours") {
        chains.forget(id);
        return;
      }
    }
    throw new MillraceError("conflict", "The dataset is written by too many at once.", { retryAfterS: 1 });
  }

  async hasEnded(id: DatasetId): Promise<boolean> {
    const log = this.#options.chains.log(id);
    return await isEnd(log, await log.newest(-1));
  }

  async #write(
    id: DatasetId,
    { stored }: NextBlock,
    statistics: readonly ColumnStatistics[] | null,
    without: Multihash | null = null,
  ): Promise<"committed" | "lost" | "objects gone"> {
    const { store, chains, clock, telemetry, announce } = this.#options;
    const log = chains.log(id);
    const outcome = await commitBlock(log, stored, { without });
    if (outcome !== "committed") return outcome;
    // From here on the block is committed: what fails now is caught up with by others, and must not look like a failure.
    try {
      await store.put(log.keys.head, new TextEncoder().encode(stored.hash));
    } catch (error) {
      telemetry.log.warn("the hint of a dataset's head was not written", { datasetId: id, seq: stored.seq, error });
    }
    await chains.committed(id, stored, statistics);
    try {
      using deadline = deadlineSignal(clock, announceWaitMs, () => new Error("nobody takes the news"));
      await abortable(announce(id, stored), deadline.signal);
    } catch (error) {
      telemetry.log.warn("a commit was not announced", { datasetId: id, seq: stored.seq, error });
    }
    return "committed";
  }

  async #inTurn<Result>(id: DatasetId, signal: AbortSignal | undefined, work: () => Promise<Result>): Promise<Result> {
    const turn = this.#turns.get(id) ?? { mutex: new Mutex(), users: 0 };
    this.#turns.set(id, turn);
    turn.users++;
    try {
      return await turn.mutex.run(work, signal);
    } finally {
      if (--turn.users === 0) this.#turns.delete(id);
    }
  }
}

async function claimEnd(log: DatasetLog, seq: number): Promise<"ours" | "another's"> {
  try {
    return await log.claim(seq, deletedEntry);
  } catch (error) {
    if (error instanceof MillraceError && error.code === "dataset_not_found") return "ours"; // it is deleted
    throw error;
  }
}

/** A damaged entry is not the end, and does not stop one from being set behind it. */
async function isEnd(log: DatasetLog, seq: number): Promise<boolean> {
  if (seq < 0) return false;
  try {
    return (await log.entry(seq)) === deletedEntry;
  } catch (error) {
    // Its packs say it, where the log was collected.
    if (error instanceof MillraceError) return error.code === "dataset_not_found";
    throw error;
  }
}
