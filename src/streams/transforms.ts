import { z } from "zod";
import {
  asMillraceError,
  type DatasetId,
  type DatasetPath,
  delay,
  formatDatasetPath,
  type Instant,
  instant,
  MillraceError,
  Semaphore,
  type Service,
} from "../base/index.ts";
import { type CommitNews, type DatasetRef, datasetId, type Head } from "../datasets/index.ts";
import { type DataSchema, systemFields, userColumns } from "../slices/index.ts";
import { type InputProgress, inputProgress } from "./behind.ts";
import { chainTransform, newestTransform } from "./chain-transform.ts";
import { Checkpoints } from "./checkpoints.ts";
import type { DeclaredTransform, TransformState, TransformsOptions } from "./contract.ts";
import { Decisions } from "./decision.ts";
import { isConcerned, type Kept, keptFrom, stateOf } from "./kept.ts";
import { LateLog } from "./late-log.ts";
import { type DerivedColumn, derivedColumns } from "./lineage.ts";
import type { Plan } from "./plan.ts";
import { ReadSelects } from "./read-selects.ts";
import { type RebuildReport, rebuild } from "./rebuild.ts";
import { Rounds } from "./rounds.ts";
import { Runner } from "./run.ts";
import type { TransformSelect } from "./select.ts";
import { States } from "./states.ts";
import { Turns } from "./turns.ts";

const firstPauseMs = 1_000;
const longestPauseMs = 300_000;
const followAgainMs = 5_000;
/** Timers hold no longer waits: then it looks again. */
const longestWaitMs = 86_400_000;
const mostTries = 5;
const startedAtOnce = 4;
const committedShape = z.object({ datasetId: z.string().transform(datasetId) });

/**
 * Keeps derivatives right: a commit of an input gives its readers a turn; a turn decides a run, does it and commits it, until
 * nothing is new. One that fails waits longer each time, and stops no other. Without a commit nothing happens.
 *
 *   idle --commit of an input--> waiting --turn--> running --nothing new--> idle
 *                                   ^                \--fails--> failing --pause--> waiting
 */
export class Transforms implements Service {
  readonly name = "transforms";
  readonly #options: TransformsOptions;
  readonly #decisions: Decisions;
  readonly #runner: Runner;
  readonly #rounds: Rounds;
  readonly #states: States;
  readonly #turns: Turns<Kept>;
  readonly #kept = new Map<DatasetId, Kept>();
  /** By what they read, and by its name. */
  readonly #readers = new Map<DatasetId, Set<Kept>>();
  readonly #names = new Map<string, Set<Kept>>();
  readonly #keeping = new Semaphore(1);
  readonly #selects = new ReadSelects();
  readonly #stopping = new AbortController();
  #following: Promise<void> = Promise.resolve();

  constructor(options: TransformsOptions) {
    this.#options = options;
    this.#decisions = new Decisions(options.store);
    const { stateDirectory } = options;
    const checkpoints = new Checkpoints({ ...options, directory: options.directory });
    this.#states = new States({ ...options, directory: stateDirectory, checkpoints });
    this.#runner = new Runner({ ...options, states: this.#states });
    const parts = { decisions: this.#decisions, runner: this.#runner, states: this.#states };
    this.#rounds = new Rounds(options, { ...parts, late: new LateLog(options) });
    this.#turns = new Turns(options.atOnce, (kept) => this.#turn(kept));
  }

  async start(): Promise<void> {
    const { disk, directory, declared, telemetry } = this.#options;
    await disk.makeDirectory(directory);
    await this.#states.start();
    const waiting = (await declared()).values();
    const work = async () => {
      for (const one of waiting) {
        try {
          await this.#keep(one);
        } catch (error) {
          telemetry.log.error("a transform could not be started", { dataset: formatDatasetPath(one.path), error });
        }
      }
    };
    // Each waits for the store, the database and a worker in turn; nobody else declares before all are kept.
    await Promise.all(Array.from({ length: startedAtOnce }, work));
    await this.#states.sweep(this.#kept.keys());
    this.#following = this.#follow(this.#stopping.signal);
  }

  async stop(): Promise<void> {
    this.#stopping.abort(new MillraceError("shutting_down", "The server is stopping."));
    for (const kept of this.#kept.values()) this.#setTurn(kept, null);
    await this.#turns.stop();
    await this.#following;
    await this.#options.leases.stop();
  }

  /**
   * Reads a transform that is to be declared, and says what it reads and makes; the columns are null where an input has none yet.
   * @throws sql_*, dataset_not_found
   */
  async check(
    said: Pick<DeclaredTransform, "sql" | "key">,
    signal: AbortSignal,
  ): Promise<{
    readonly inputs: readonly DatasetRef[];
    readonly schema: DataSchema | null;
    readonly select: TransformSelect;
    readonly plan: Plan;
    /** What is kept of its groups, for people. */
    readonly state: string;
  }> {
    const select = await this.#selects.read(said, this.#options.engine, signal);
    const inputs = await this.#inputsOf(select);
    return { inputs, select, ...(await this.#runner.columns(select, inputs, signal)) };
  }

  /**
   * Keeps a declared transform right from now on, whose derivative is there; or as its declaration has changed. The derivative's chain
   * says the transform too: another one is written behind it, and its first run commits what it makes other.
   */
  async keep(declared: DeclaredTransform): Promise<void> {
    // A declaration is told by whoever applies it and by the feed of changes, at the same moment.
    using _turn = await this.#keeping.acquire(this.#stopping.signal);
    await this.#keep(declared);
  }

  async #keep(said: DeclaredTransform): Promise<void> {
    const { datasets, declaredNow } = this.#options;
    const { signal } = this.#stopping;
    const ref = await datasets.get(said.path);
    for (let tries = 1; ; tries++) {
      // The chain is looked at before the declaration is: what is then written behind it was declared at that time, or later. Told late of an
      // older one, this server would else write that over a newer one.
      const head = await datasets.head(ref.id, signal);
      const declared = (await declaredNow(said.path)) ?? said;
      const known = this.#kept.get(ref.id);
      if (known?.select.isOf(declared) === true) {
        known.declared = declared;
        known.wake?.abort();
        this.#ask(known);
        return;
      }
      const { select, inputs, plan } = await this.check(declared, signal);
      const newest = await newestTransform(datasets, ref.id, head, signal);
      const transformSeq = select.isOf(newest.said) ? newest.seq : await this.#write(ref, select, inputs, head.seq);
      if (transformSeq !== null) return this.#take({ declared, ref, select, inputs }, { plan, transformSeq, head });
      if (tries === mostTries)
        throw new MillraceError("conflict", "Others wrote to the derivative's chain again and again.", {
          retryAfterS: 1,
        });
      await datasets.refresh(ref.id, signal);
    }
  }

  /** From now on its inputs' commits give it turns, in the place of what was kept before. */
  #take(
    of: Pick<Kept, "declared" | "ref" | "select" | "inputs">,
    { plan, transformSeq, head }: Pick<Kept, "plan" | "transformSeq"> & { readonly head: Head },
  ): void {
    const known = this.#kept.get(of.ref.id);
    if (known !== undefined) this.#letGo(known);
    const takenUpAt = this.#options.clock.now();
    const kept = keptFrom({ ...of, plan, transformSeq, watermark: head.watermark, takenUpAt });
    this.#kept.set(of.ref.id, kept);
    for (const { id, path } of of.inputs) {
      this.#readers.set(id, (this.#readers.get(id) ?? new Set()).add(kept));
      const name = formatDatasetPath(path);
      this.#names.set(name, (this.#names.get(name) ?? new Set()).add(kept));
      this.#flush(id);
    }
    this.#ask(kept);
  }

  /** Has the chain say the transform behind a block; gives the number of its own, null where another block came first. */
  async #write(
    ref: DatasetRef,
    select: TransformSelect,
    inputs: readonly DatasetRef[],
    behindSeq: number,
  ): Promise<number | null> {
    try {
      await this.#options.datasets.setTransform(ref.id, chainTransform(ref.path, select, inputs), behindSeq);
      await this.#options.leases.seize(ref.id);
      return behindSeq + 1;
    } catch (error) {
      if (error instanceof MillraceError && error.code === "conflict") return null;
      throw error;
    }
  }

  /**
   * Has the next run make everything anew from what the inputs have, and commit what is other, as one block.
   * @throws dataset_not_found where it is no derivative that is kept here; conflict where another writer was first
   */
  async backfill(id: DatasetId): Promise<void> {
    const kept = this.#kept.get(id);
    if (kept === undefined) throw new MillraceError("dataset_not_found", "The dataset has no transform.");
    await this.#options.datasets.setTransform(id, chainTransform(kept.ref.path, kept.select, kept.inputs));
    // Other servers are not told of it.
    await this.#options.leases.seize(id);
    kept.wake?.abort();
    this.#ask(kept);
  }

  /** Whether a derivative can be the result of another SELECT. @throws sql_*; conflict where its columns cannot follow */
  async checkChange(
    ref: Pick<DatasetRef, "id" | "path">,
    said: Pick<DeclaredTransform, "sql" | "key">,
    signal: AbortSignal,
  ): Promise<void> {
    const { select, inputs } = await this.check(said, signal);
    const { schema } = await this.#options.datasets.head(ref.id, signal);
    await this.#runner.checkColumns({ ref, select, inputs }, schema, signal);
  }

  /** Lets go of a derivative that is being deleted. */
  async drop(id: DatasetId): Promise<void> {
    const kept = this.#kept.get(id);
    if (kept === undefined) return;
    this.#letGo(kept);
    await this.#decisions.forgetAll(id);
    await this.#states.forget(id);
    await this.#options.leases.forget(id);
  }

  #letGo(kept: Kept): void {
    this.#kept.delete(kept.ref.id);
    for (const input of kept.inputs) {
      letGo(this.#readers, input.id, kept);
      letGo(this.#names, formatDatasetPath(input.path), kept);
    }
    kept.wake?.abort();
    this.#setTurn(kept, null);
    this.#turns.forget(kept.ref.path.project, kept);
  }

  /** Lets go of a derivative that was deleted elsewhere. */
  async dropNamed(path: DatasetPath): Promise<void> {
    const name = formatDatasetPath(path);
    const found = [...this.#kept.values()].filter(({ ref }) => formatDatasetPath(ref.path) === name);
    for (const { ref } of found) await this.drop(ref.id);
  }

  /** Told of every commit; never on its way. */
  committed({ datasetId }: Pick<CommitNews, "datasetId">): void {
    for (const kept of this.#readers.get(datasetId) ?? []) if (isConcerned(kept, datasetId)) this.#ask(kept);
  }

  /** Does every run of a derivative again, and tells the first that makes other rows. @throws bad_request, dataset_not_found */
  rebuild(
    ref: Pick<DatasetRef, "id" | "path">,
    signal: AbortSignal,
    progress: (done: number, total: number) => void = () => {},
  ): Promise<RebuildReport> {
    const { datasets, engine, ids } = this.#options;
    return rebuild({ datasets, parser: engine, runner: this.#runner, ids }, ref, signal, progress);
  }

  /** Whether a transform that runs reads a dataset of this name. */
  isRead(path: DatasetPath): boolean {
    const name = formatDatasetPath(path);
    return [...(this.#names.get(name) ?? [])].some(({ declared }) => !declared.paused);
  }

  /** The derivatives that read a dataset. */
  readersOf(id: DatasetId): DatasetPath[] {
    return [...(this.#readers.get(id) ?? [])].map(({ ref }) => ref.path);
  }

  /** How far a derivative has read its inputs; null where it is none that is kept here. */
  async progress(id: DatasetId, signal: AbortSignal): Promise<readonly InputProgress[] | null> {
    const { datasets, clock } = this.#options;
    const kept = this.#kept.get(id);
    return kept === undefined ? null : await inputProgress(datasets, id, kept, clock.now(), signal);
  }

  /** The columns of a derivative, each with those that it comes of; null where it is none that is kept here. */
  async columns(id: DatasetId, signal: AbortSignal): Promise<readonly DerivedColumn[] | null> {
    const { datasets } = this.#options;
    const kept = this.#kept.get(id);
    if (kept === undefined) return null;
    const schemas = new Map<string, readonly string[] | null>();
    for (const input of kept.inputs) {
      const { schema } = await datasets.head(input.id, signal);
      const fields = schema === null ? null : [...systemFields, ...userColumns(schema)];
      schemas.set(formatDatasetPath(input.path), fields?.map(({ name }) => name) ?? null);
    }
    const { schema } = await datasets.head(id, signal);
    const made = kept.select.columnLineage((path) => schemas.get(formatDatasetPath(path)) ?? null);
    return schema === null
      ? []
      : derivedColumns(
          userColumns(schema).map(({ name }) => name),
          made,
        );
  }

  /** null where the dataset is no derivative that is kept here. */
  state(id: DatasetId): TransformState | null {
    const kept = this.#kept.get(id);
    if (kept === undefined) return null;
    return stateOf(kept, this.#turns.isWaiting(kept.ref.path.project, kept), this.#states.groupsOf(id));
  }

  async #inputsOf(select: TransformSelect): Promise<readonly DatasetRef[]> {
    return await Promise.all(select.inputs.map((path) => this.#options.datasets.get(path)));
  }

  /** Other servers' commits; each of its own comes twice, and the second finds nothing new. */
  async #follow(signal: AbortSignal): Promise<void> {
    const { commits, clock, telemetry } = this.#options;
    while (!signal.aborted) {
      try {
        for await (const { data } of commits.tail({ types: ["dataset.committed"], signal })) {
          const news = committedShape.safeParse(data);
          if (news.success) this.committed(news.data);
        }
      } catch (error) {
        if (signal.aborted) return;
        telemetry.log.warn("commits of other servers are not followed; trying again", { error });
        await delay(clock, followAgainMs, signal).catch(() => {});
        // What was missed meanwhile.
        for (const kept of this.#kept.values()) this.#ask(kept);
      }
    }
  }

  /** Its commit, if there is any, comes as every other does. */
  #flush(id: DatasetId): void {
    const { flush, telemetry } = this.#options;
    flush(id, this.#stopping.signal).catch((error: unknown) => {
      if (!this.#stopping.signal.aborted)
        telemetry.log.warn("rows that a transform waits for were not committed at once", { datasetId: id, error });
    });
  }

  #ask(kept: Kept): void {
    if (kept.declared.paused || kept.wake !== null) return;
    this.#turns.ask(kept.ref.path.project, kept);
  }

  /** Never rejects. */
  async #turn(kept: Kept): Promise<void> {
    const { signal } = this.#stopping;
    if (signal.aborted || kept.declared.paused || this.#kept.get(kept.ref.id) !== kept) return;
    const elsewhereMs = this.#options.leases.elsewhereMs(kept.ref.id);
    if (elsewhereMs > 0) return this.#pause(kept, elsewhereMs);
    kept.isRunning = true;
    this.#setTurn(kept, null);
    try {
      // One run a turn, so that one with much to read does not keep the others waiting.
      const { isMore, dueAt } = await this.#rounds.once(kept, signal);
      if (isMore) this.#ask(kept);
      else this.#setTurn(kept, dueAt);
      kept.failures = 0;
      kept.error = null;
      kept.nextTryAt = null;
    } catch (error) {
      if (!signal.aborted) this.#failed(kept, asMillraceError(error));
    } finally {
      kept.isRunning = false;
    }
  }

  #failed(kept: Kept, error: MillraceError): void {
    const { clock, random, telemetry } = this.#options;
    kept.failures++;
    kept.error = error;
    const longestMs = Math.min(longestPauseMs, firstPauseMs * 2 ** (kept.failures - 1));
    const pauseMs = longestMs * (0.5 + random.float() / 2);
    kept.nextTryAt = instant(clock.now() + pauseMs);
    telemetry.log.warn("a transform's run failed", { dataset: formatDatasetPath(kept.ref.path), pauseMs, error });
    this.#pause(kept, pauseMs);
  }

  /** Its next turn comes then, and none before, unless it is woken. */
  #pause(kept: Kept, pauseMs: number): void {
    const { clock } = this.#options;
    const wake = new AbortController();
    kept.wake = wake;
    const again = () => {
      if (kept.wake !== wake) return;
      kept.wake = null;
      if (this.#kept.get(kept.ref.id) === kept) this.#ask(kept);
    };
    // Ended by what changes the transform; a server that stops asks for nothing more.
    delay(clock, pauseMs, AbortSignal.any([wake.signal, this.#stopping.signal])).then(again, again);
  }

  /** The turn that the clock gives it, in the place of any before. Never behind a stop. */
  #setTurn(kept: Kept, dueAt: Instant | null): void {
    const { clock } = this.#options;
    kept.unset?.();
    kept.unset = null;
    if (dueAt === null || this.#stopping.signal.aborted || this.#kept.get(kept.ref.id) !== kept) return;
    const waitMs = Math.min(Math.max(dueAt - clock.now(), 0), longestWaitMs);
    kept.unset = clock.timer(waitMs, () => this.#ask(kept));
  }
}

function letGo<Key>(sets: Map<Key, Set<Kept>>, key: Key, kept: Kept): void {
  const all = sets.get(key);
  all?.delete(kept);
  if (all?.size === 0) sets.delete(key);
}
