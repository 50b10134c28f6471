import { z } from "zod";
import {
  type Clock,
  type DatasetPath,
  type Disk,
  datasetName,
  delay,
  formatDatasetPath,
  instant,
  type Logger,
  MillraceError,
  projectName,
  type Service,
} from "../base/index.ts";
import type { EventBus } from "../bus/index.ts";
import {
  type Broken,
  type CommitNews,
  type DatasetRef,
  type Datasets,
  datasetId,
  type ExpiryReport,
} from "../datasets/index.ts";
import { type DatasetSpec, datasetKind, type Resources } from "../resources/index.ts";
import type { JSONValue } from "../storage/index.ts";
import type { Task, TaskContext, TaskQueue, TaskRunner } from "../tasks/index.ts";

/** Kinds of task, as `/api/v1/tasks` shows them. */
const kinds = {
  compact: "dataset.compact",
  collect: "dataset.collect",
  collectDeleted: "dataset.collect-deleted",
  sweep: "datasets.sweep",
} as const;
/** Behind queries, ingest and whatever else is queued. */
const priority = -10;
const dayMs = 86_400_000;
/** A slice whose copy is proven stays this long, unless its dataset says otherwise. */
const defaultKeepingTimeMs = dayMs;
/** Objects that no block names are left alone as long. */
const orphanAgeMs = dayMs;
/** Objects of a deleted dataset stay as long for readers that began before. */
const deletedGraceMs = 3_600_000;
const firstSweepMs = 60_000;
const sweepPage = 500;
const eventType = "dataset.compacted";
const followRetryMs = 5_000;

export interface LayoutTasksOptions {
  readonly datasets: Datasets;
  readonly resources: Resources;
  readonly queue: TaskQueue;
  readonly runner: TaskRunner;
  readonly bus: EventBus;
  readonly disk: Disk;
  /** Where copies are written before they are stored. */
  readonly directory: string;
  readonly clock: Clock;
  readonly log: Logger;
}

/**
 * Work on layouts as tasks, one of a kind for each dataset at a time, over all servers: a commit that ends a region asks for
 * `dataset.compact`, which compacts, supersedes, lets expire and deletes what is outdated. Once a day a sweep asks for what no
 * commit has asked for.
 */
export class LayoutTasks implements Service {
  readonly name = "layouts";
  readonly #options: LayoutTasksOptions;
  readonly #stopping = new AbortController();
  #following: Promise<void> = Promise.resolve();

  constructor(options: LayoutTasksOptions) {
    this.#options = options;
    const { runner } = options;
    runner.register(kinds.compact, (task, context) => this.#compact(task, context));
    runner.register(kinds.collect, (task, context) => this.#collect(task, context));
    runner.register(kinds.collectDeleted, (task, context) => this.#collectDeleted(task, context));
    runner.register(kinds.sweep, (_, context) => this.#sweep(context));
  }

  async start(): Promise<void> {
    await this.#options.disk.makeDirectory(this.#options.directory);
    await this.#planSweep(firstSweepMs);
    this.#following = this.#follow(this.#stopping.signal);
  }

  async stop(): Promise<void> {
    this.#stopping.abort(new MillraceError("shutting_down", "The server is stopping."));
    await this.#following;
  }

  /** Told of every commit; never on its way. */
  committed({ datasetId, path, seq }: CommitNews): void {
    const { datasets, log } = this.#options;
    if (path === null || !datasets.layouts.endsRegion(seq)) return;
    this.compact({ id: datasetId, path }).catch((error: unknown) =>
      log.warn("a compaction was not asked for; the next commits or the daily sweep will", { datasetId, seq, error }),
    );
  }

  async compact(dataset: Pick<DatasetRef, "id" | "path">): Promise<Task> {
    return await this.#enqueue(kinds.compact, dataset);
  }

  async collect(dataset: Pick<DatasetRef, "id" | "path">): Promise<Task> {
    return await this.#enqueue(kinds.collect, dataset);
  }

  /** Asked before a deletion, so that none is forgotten; a dataset that is not deleted after all is left alone. */
  async collectLater({ id, path }: Pick<DatasetRef, "id" | "path">): Promise<void> {
    const { queue, clock } = this.#options;
    const payload = { datasetId: id, project: path.project, dataset: path.dataset };
    const notBefore = instant(clock.now() + deletedGraceMs);
    await queue.enqueue({ kind: kinds.collectDeleted, payload, project: path.project, key: id, priority, notBefore });
  }

  async #enqueue(kind: string, { id, path }: Pick<DatasetRef, "id" | "path">): Promise<Task> {
    const payload = { datasetId: id, project: path.project, dataset: path.dataset };
    return await this.#options.queue.enqueue({ kind, payload, project: path.project, key: id, priority });
  }

  async #compact(task: Task, { signal, progress }: TaskContext): Promise<JSONValue> {
    const { datasets } = this.#options;
    const { layouts } = datasets;
    const ref = await this.#find(task);
    if (ref === null) return null; // deleted meanwhile
    const { id, path } = ref;
    const { keepingTimeMs = defaultKeepingTimeMs, retention, replica } = await this.#spec(path);
    const tell = (done: number, total: number, text: string) => progress({ done, total, text });
    const compacted = await layouts.compact(id, signal, tell);
    if (compacted.regions > 0) await this.#announce(ref);
    const outdated = await layouts.deleteOutdated(id, signal);
    // What was mirrored from elsewhere stays as it came.
    if (replica !== undefined) return reported(ref, { compacted, outdated });
    const superseded = await layouts.supersede(id, keepingTimeMs, signal, tell);
    const expired = retention === undefined ? null : await layouts.expire(id, retention, signal, tell);
    if (expired !== null && expired.rows > 0) await this.#announce(ref);
    return reported(ref, { compacted, outdated, superseded }, expired);
  }

  async #collect(task: Task, { signal, progress }: TaskContext): Promise<JSONValue> {
    const ref = await this.#find(task);
    if (ref === null) return null;
    // What a mirrored block names can take no other name, so that a list of a run that was killed would stop the mirror for good.
    if ((await this.#spec(ref.path)).replica !== undefined) return null;
    const tell = (done: number, total: number, text: string) => progress({ done, total, text });
    return { ...(await this.#options.datasets.layouts.collect(ref.id, orphanAgeMs, signal, tell)) };
  }

  async #collectDeleted({ payload }: Task, { signal }: TaskContext): Promise<JSONValue> {
    const { datasetId: id } = payloadShape.parse(payload);
    const report = await this.#options.datasets.collectDeleted(datasetId(id), signal);
    return report === null ? null : { ...report };
  }

  async #find({ payload }: Task): Promise<DatasetRef | null> {
    const { datasetId, project, dataset } = payloadShape.parse(payload);
    const ref = await this.#options.datasets.find({ project, dataset });
    return ref?.id === datasetId ? ref : null;
  }

  /** Tells other servers that rows are read from other files now. Not of the system's own datasets: see `announceCommit`. */
  async #announce({ id, path }: DatasetRef): Promise<void> {
    const { bus, log } = this.#options;
    if (path.project === "system") return;
    try {
      const data = { datasetId: id, project: path.project, dataset: path.dataset };
      await bus.append({ type: eventType, subject: formatDatasetPath(path), project: path.project, data });
    } catch (error) {
      log.warn("a compaction was not announced; readers meet it where a file is gone", { datasetId: id, error });
    }
  }

  /** Reads the datasets in memory from the files that others have compacted. */
  async #follow(signal: AbortSignal): Promise<void> {
    const { bus, datasets, clock, log } = this.#options;
    while (!signal.aborted) {
      try {
        for await (const { data } of bus.tail({ types: [eventType], signal })) {
          const { datasetId, project, dataset } = payloadShape.parse(data);
          const ref = await datasets.find({ project, dataset });
          if (ref?.id === datasetId) await datasets.refresh(ref.id, signal);
        }
      } catch (error) {
        if (signal.aborted) return;
        log.warn("compactions of other servers are not followed; trying again", { error });
        await delay(clock, followRetryMs, signal).catch(() => {});
      }
    }
  }

  /** Asks for what is due of every dataset: rows grow old without a commit, and a server may end before it asks. */
  async #sweep({ signal, progress }: TaskContext): Promise<JSONValue> {
    const { datasets, clock, log } = this.#options;
    let looked = 0;
    let asked = 0;
    for (let after = ""; ; ) {
      const page = await datasets.list(null, { after, limit: sweepPage });
      for (const ref of page) {
        signal.throwIfAborted();
        try {
          if (await this.#isDue(ref, signal)) {
            await this.compact(ref);
            await this.collect(ref);
            asked++;
          }
        } catch (error) {
          signal.throwIfAborted();
          log.warn("a dataset was left out of the sweep", { datasetId: ref.id, error });
        }
        looked++;
      }
      await progress({ done: looked, total: null, text: `${asked} datasets have work` });
      const last = page.at(-1);
      if (last === undefined || page.length < sweepPage) break;
      after = formatDatasetPath(last.path);
    }
    await this.#planSweep(dayMs - (clock.now() % dayMs) + firstSweepMs);
    return { looked, asked };
  }

  /** Whether a region may wait, rows may be old enough, or commits of the last days may have left something. */
  async #isDue({ id, path }: DatasetRef, signal: AbortSignal): Promise<boolean> {
    const { datasets, clock } = this.#options;
    const { seq, systemTime } = await datasets.head(id, signal);
    const spec = await this.#spec(path);
    const youngMs = (spec.keepingTimeMs ?? defaultKeepingTimeMs) + orphanAgeMs + dayMs;
    return spec.retention !== undefined || (seq > 0 && systemTime !== null && systemTime > clock.now() - youngMs);
  }

  async #planSweep(inMs: number): Promise<void> {
    const { queue, clock } = this.#options;
    const at = clock.now() + inMs;
    const key = new Date(at).toISOString().slice(0, 10);
    await queue.enqueue({ kind: kinds.sweep, payload: {}, key, priority, notBefore: instant(at) });
  }

  async #spec({ project, dataset }: DatasetPath): Promise<DatasetSpec> {
    return (await this.#options.resources.get(datasetKind, project, dataset))?.spec ?? {};
  }
}

/** @throws chain_broken where some of it was broken, once all else is done: the task then says so, and is tried again */
function reported(
  { path }: DatasetRef,
  reports: Readonly<Record<string, object & { readonly broken: readonly Broken[] }>>,
  expired: ExpiryReport | null = null,
): JSONValue {
  const broken = Object.values(reports).flatMap((report) => report.broken);
  const [first] = broken;
  if (first !== undefined)
    throw new MillraceError("chain_broken", `The object ${first.object} is broken: ${first.reason}.`, {
      data: { object: first.object, reason: first.reason, broken: new Set(broken.map(({ object }) => object)).size },
      hint: `Nothing that it stands for was deleted; the rest of ${formatDatasetPath(path)} went on. millrace doctor --full tells what to do.`,
    });
  const done = Object.entries(reports).map(([work, { broken: _, ...figures }]) => [work, figures] as const);
  return { ...Object.fromEntries(done), expired: expired === null ? null : { ...expired } };
}

const payloadShape = z.object({
  datasetId: z.string(),
  project: z.string().transform(projectName),
  dataset: z.string().transform(datasetName),
});
