import {
  asMillraceError,
  type Clock,
  type DatasetId,
  type DatasetPath,
  delay,
  formatDatasetPath,
  MillraceError,
  type Semaphore,
} from "../base/index.ts";
import type { Datasets, Snapshot } from "../datasets/index.ts";
import type { Lookup, LookupName, LookupState } from "./contract.ts";
import { Applier } from "./feed/applier.ts";
import type { EntryReader, Part } from "./feed/reader.ts";
import type { Seed } from "./store/hash.ts";
import { LookupStore } from "./store/store.ts";

const mostBackoffMs = 30_000;

export interface CopyOptions extends LookupName {
  readonly ordinal: number;
  readonly dataset: DatasetPath;
  readonly key: readonly string[];
  readonly seed: Seed;
  readonly datasets: Datasets;
  readonly reader: EntryReader;
  /** How many copies may read at once. */
  readonly turns: Semaphore;
  readonly clock: Clock;
  /** Told when it has caught up, and of a problem. */
  readonly changed: (copy: LookupCopy) => void;
}

/** What a store's rows were read by: a new column or an expiry makes other rows of the old ones. */
interface Held {
  readonly store: LookupStore;
  readonly datasetId: DatasetId;
  readonly schemas: number;
  readonly expiredBefore: number;
  offset: number;
  skipped: number;
}

/**
 * One lookup in memory.
 *
 *   loading ──all rows of a snapshot are in──▶ ready ──a commit──▶ (reads on from its offset) ──▶ ready
 *     │ ▲                                        └─ another schema, or rows expired: loads anew beside, then swaps
 *     ▼ │ tried again, later each time; where a column is missing, at the next commit
 *   failed
 */
export class LookupCopy implements Lookup {
  readonly #options: CopyOptions;
  readonly #stopping = new AbortController();
  #held: Held | null = null;
  #targetOffset = 0;
  #behindSinceMs: number | null = null;
  #problem: MillraceError | null = null;
  #woken = Promise.withResolvers<void>();
  #running: Promise<void> = Promise.resolve();

  constructor(options: CopyOptions) {
    this.#options = options;
  }

  get ordinal(): number {
    return this.#options.ordinal;
  }

  get project(): string {
    return this.#options.project;
  }

  get name(): string {
    return this.#options.name;
  }

  get dataset(): DatasetPath {
    return this.#options.dataset;
  }

  get rows(): LookupStore | null {
    return this.#held?.store ?? null;
  }

  get state(): LookupState {
    const { project, name, dataset, key, clock } = this.#options;
    const held = this.#held;
    return {
      project,
      name,
      at: clock.now(),
      dataset,
      key,
      state: held !== null ? "ready" : this.#problem === null ? "loading" : "failed",
      entries: held?.store.entries ?? 0,
      bytes: held?.store.bytes ?? 0,
      appliedOffset: held?.offset ?? 0,
      behindRows: Math.max(0, this.#targetOffset - (held?.offset ?? 0)),
      behindMs: this.#behindSinceMs === null ? 0 : Math.round(clock.monotonicMs() - this.#behindSinceMs),
      skippedRows: held?.skipped ?? 0,
      problem: this.#problem,
    };
  }

  start(): void {
    this.#running = this.#run(this.#stopping.signal);
  }

  async stop(): Promise<void> {
    this.#stopping.abort(new MillraceError("shutting_down", "The lookup is no longer held here."));
    this.wake(0);
    await this.#running;
  }

  /** Its dataset has so many more rows. */
  wake(rows: number): void {
    this.#targetOffset += rows;
    this.#behindSinceMs ??= this.#options.clock.monotonicMs();
    this.#woken.resolve();
  }

  async #run(signal: AbortSignal): Promise<void> {
    const { clock, turns } = this.#options;
    for (let failures = 0; !signal.aborted; ) {
      this.#woken = Promise.withResolvers(); // before the look: what is committed meanwhile wakes it again
      this.#behindSinceMs ??= clock.monotonicMs();
      try {
        using _turn = await turns.acquire(signal);
        await this.#catchUp(signal);
        failures = 0;
        this.#problem = null;
      } catch (error) {
        if (signal.aborted) return;
        this.#problem = asMillraceError(error);
        failures++;
      }
      this.#options.changed(this);
      const isAwaited = this.#problem === null || this.#problem.code === "conflict";
      if (isAwaited) await this.#woken.promise;
      else await delay(clock, Math.min(mostBackoffMs, 250 * 2 ** failures), signal).catch(() => {});
    }
  }

  async #catchUp(signal: AbortSignal): Promise<void> {
    const { datasets, dataset, clock } = this.#options;
    const datasetId = (await datasets.get(dataset)).id;
    const lookedMs = clock.monotonicMs();
    const snapshot = await datasets.snapshot(datasetId, undefined, signal);
    this.#targetOffset = snapshot.rows;
    try {
      const held = this.#isOf(snapshot, datasetId) ? this.#held : null;
      if (held === null || !(await this.#follows(held, snapshot, signal)))
        this.#held = await this.#loaded(snapshot, datasetId, signal);
    } catch (error) {
      // Compaction has put the rows into other files.
      if (error instanceof MillraceError && error.code === "data_expired") await datasets.refresh(datasetId, signal);
      throw error;
    }
    if (this.#targetOffset <= snapshot.rows) this.#behindSinceMs = null;
    else this.#behindSinceMs = Math.max(this.#behindSinceMs ?? 0, lookedMs);
  }

  #isOf({ schemas, expiredBefore, rows }: Snapshot, datasetId: DatasetId): boolean {
    const held = this.#held;
    return (
      held !== null &&
      held.datasetId === datasetId &&
      held.schemas === schemas.length &&
      held.expiredBefore === expiredBefore &&
      held.offset <= rows
    );
  }

  async #loaded(snapshot: Snapshot, datasetId: DatasetId, signal: AbortSignal): Promise<Held> {
    const { expiredBefore, schemas } = snapshot;
    const store = new LookupStore(this.#options.seed);
    const held = { store, datasetId, schemas: schemas.length, expiredBefore, offset: expiredBefore, skipped: 0 };
    await this.#readOn(held, snapshot, "what holds", signal);
    return held;
  }

  /** Whether it could be read on: a commit that changes more than fits into a part is taken in by a new load. */
  async #follows(held: Held, snapshot: Snapshot, signal: AbortSignal): Promise<boolean> {
    try {
      await this.#readOn(held, snapshot, "changes", signal);
      return true;
    } catch (error) {
      if (error instanceof MillraceError && error.code === "result_too_large") return false;
      throw error;
    }
  }

  async #readOn(held: Held, snapshot: Snapshot, of: Part["of"], signal: AbortSignal): Promise<void> {
    const { reader, key, project, name, dataset } = this.#options;
    const applier = new Applier(held.store);
    const { skipped } = held;
    const label = `lookup ${project}.${name} from ${formatDatasetPath(dataset)}`;
    while (held.offset < snapshot.rows) {
      const part = { id: held.datasetId, dataset, snapshot, key, from: held.offset, of, label };
      const to = await reader.read(part, (bytes) => applier.take(bytes), signal);
      held.skipped = skipped + applier.skipped;
      // A correction that a part's end has cut is read again with its second half.
      const isCut = applier.holdsBack && to < snapshot.rows;
      if (isCut) applier.forget();
      held.offset = isCut ? to - 1 : to;
    }
    applier.finish();
  }
}
