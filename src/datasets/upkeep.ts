import { type DatasetId, type Logger, Semaphore } from "../base/index.ts";
import type { ObjectStore } from "../storage/index.ts";
import type { Chains } from "./chain/chains.ts";
import type { ChainIndex } from "./chain-index/chain-index.ts";
import { writeCheckpoint } from "./layout/checkpoint-store.ts";
import { type PackReport, packComplete } from "./packs/packer.ts";
import { Recent } from "./recent.ts";

/** Datasets worked on at once by a process. */
const atOnce = 2;
/** Packs made in one turn; others get theirs between. */
const mostPacks = 8;
/** Slices that a checkpoint is written for without a thought; of more, only after as many more commits. */
const lightSlices = 1_024;
/** A checkpoint that lists so many slices more than are left is written anew. */
const replacedSlices = 256;
const mostRemembered = 10_000;

export interface UpkeepOptions {
  readonly store: ObjectStore;
  readonly chains: Chains;
  readonly index: ChainIndex;
  readonly log: Logger;
  /** Commits from one checkpoint to the next. */
  readonly checkpointBlocks: number;
}

interface Done {
  /** The newest block that a checkpoint of this process was written behind, and how many files it lists. */
  checkpointSeq: number;
  checkpointSlices: number;
  /** Where packing failed: it is tried again some commits later. */
  failedSeq: number;
}

/**
 * Keeps chains short behind the commits: checkpoints, and packs of what is complete. Not on the way of a commit, one turn of
 * a dataset at a time. All of it is derived or made if absent, so that a failure is a warning, and the next turn makes up.
 */
export class Upkeep implements AsyncDisposable {
  readonly #options: UpkeepOptions;
  readonly #turns = new Semaphore(atOnce);
  readonly #done = new Recent<DatasetId, Done>(mostRemembered);
  readonly #running = new Map<DatasetId, Promise<void>>();
  readonly #stop = new AbortController();

  constructor(options: UpkeepOptions) {
    this.#options = options;
  }

  /** Looks whether something is due, and does it behind the caller. */
  look(id: DatasetId): void {
    if (this.#running.has(id) || this.#stop.signal.aborted || !this.#isDue(id)) return;
    const turn = this.#turn(id).finally(() => {
      this.#running.delete(id);
      this.look(id);
    });
    this.#running.set(id, turn);
  }

  /** Does what is due, to its end. @throws chain_broken, the store's errors, the signal's reason */
  async run(id: DatasetId, signal: AbortSignal): Promise<PackReport> {
    await this.#options.chains.current(id, signal);
    if (this.#isCheckpointDue(id)) await this.#checkpoint(id);
    const total = { packs: 0, deleted: 0 };
    for (;;) {
      const { packs, deleted } = await this.#pack(id, signal);
      total.packs += packs;
      total.deleted += deleted;
      if (packs < mostPacks) return total;
    }
  }

  /** Ends what is under way. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort(new Error("the server stops"));
    await Promise.all(this.#running.values());
  }

  async #turn(id: DatasetId): Promise<void> {
    const { signal } = this.#stop;
    const { chains, log } = this.#options;
    const done = this.#doneOf(id);
    try {
      using _turn = await this.#turns.acquire(signal);
      if (this.#isCheckpointDue(id)) await this.#checkpoint(id);
      if (this.#isPackDue(id)) await this.#pack(id, signal);
    } catch (error) {
      done.failedSeq = chains.known(id).chain.seq;
      if (!signal.aborted) log.warn("a chain was not packed; it is tried again", { datasetId: id, error });
    }
  }

  #isDue(id: DatasetId): boolean {
    const { chain } = this.#options.chains.known(id);
    const hasFailed = chain.seq < this.#doneOf(id).failedSeq + this.#options.checkpointBlocks;
    return !hasFailed && (this.#isCheckpointDue(id) || this.#isPackDue(id));
  }

  #isPackDue(id: DatasetId): boolean {
    const { chain, log } = this.#options.chains.known(id);
    return chain.seq + 1 >= log.floor + log.packBlocks;
  }

  /**
   * Where slices were not put together yet, checkpoints are large, and come the less often. Once they were, a large one is
   * written anew, also where nobody commits any more: whoever opens the dataset reads all of it.
   */
  #isCheckpointDue(id: DatasetId): boolean {
    const { chain } = this.#options.chains.known(id);
    const { checkpointBlocks } = this.#options;
    const { checkpointSeq, checkpointSlices } = this.#doneOf(id);
    const stride = checkpointBlocks * Math.max(1, chain.slices.length / lightSlices);
    const hasLightened = chain.seq >= checkpointSeq && chain.slices.length + replacedSlices < checkpointSlices;
    return hasLightened || chain.seq >= checkpointSeq + stride;
  }

  async #checkpoint(id: DatasetId): Promise<void> {
    const { store, chains, index } = this.#options;
    const { chain, log } = chains.known(id);
    chain.forgetQuarantines(log.floor);
    const { state } = chain;
    await writeCheckpoint(store, id, state);
    await index.setCheckpoint(id, state);
    Object.assign(this.#doneOf(id), { checkpointSeq: state.tip.seq, checkpointSlices: state.slices.length });
  }

  async #pack(id: DatasetId, signal: AbortSignal): Promise<PackReport> {
    const { chain, log } = this.#options.chains.known(id);
    await log.checkFormat();
    return await packComplete(log, chain.seq, mostPacks, signal);
  }

  #doneOf(id: DatasetId): Done {
    const known = this.#done.get(id);
    if (known !== undefined) return known;
    const { restoredSeq: checkpointSeq, restoredSlices: checkpointSlices } = this.#options.chains.known(id).chain;
    const done = { checkpointSeq, checkpointSlices, failedSeq: Number.NEGATIVE_INFINITY };
    this.#done.set(id, done);
    return done;
  }
}
