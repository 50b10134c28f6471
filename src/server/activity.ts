import { z } from "zod";
import { type Clock, datasetPath, delay, instant, type Logger, projectName, type Service } from "../base/index.ts";
import type { BusEvent, EventBus } from "../bus/index.ts";
import type { CommitNews, Datasets } from "../datasets/index.ts";
import type { ActivityDoor } from "../gateway/index.ts";
import { FlowLedger } from "../telemetry/index.ts";
import { Totals } from "./totals.ts";

export interface ActivityOptions {
  readonly bus: Pick<EventBus, "newest" | "read" | "tail">;
  readonly datasets: Datasets;
  readonly clock: Clock;
  readonly log: Logger;
}

const commitData = z.object({ datasetId: z.string(), seq: z.int(), rows: z.int(), bytes: z.int() });
const deletedData = z.object({ kind: z.string(), project: z.string(), name: z.string() });
const types = ["dataset.committed", "resource.deleted"] as const;
const historyMs = 3_600_000;
const page = 1_000;
/** Of the past hour, read at the start; there is no more room for older ones on a busy platform. */
const mostPast = 2_000_000;
const systemProject = projectName("system");

/**
 * What is committed, of all servers: it follows the bus from where it stands at the start, and reads the events of the hour
 * before it meanwhile. Answers from memory.
 */
export class Activity implements Service, ActivityDoor {
  readonly name = "activity";
  readonly #options: ActivityOptions;
  readonly #ledger = new FlowLedger();
  readonly #totals = new Totals();
  readonly #stopping = new AbortController();
  #running: Promise<unknown> = Promise.resolve();

  constructor(options: ActivityOptions) {
    this.#options = options;
  }

  async start(): Promise<void> {
    const { bus, datasets } = this.#options;
    const position = await bus.newest(); // before the look: what is committed meanwhile is told, and counts once
    await this.#totals.begin(datasets);
    this.#running = Promise.all([
      this.#again("the activity cannot follow the bus", this.#follower(position)),
      this.#again("the past hour's activity cannot be read", this.#pastReader(position)),
    ]);
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#running;
  }

  history(minutes: number) {
    const { fromMs, stepMs, flows } = this.#ledger.history(this.#options.clock.now(), minutes);
    return { from: instant(fromMs), stepMs, flows };
  }

  /** The system's own datasets, into which every server writes, announce no commits: they are looked at. */
  async storage() {
    const { datasets } = this.#options;
    for (const { id, path } of await datasets.list(systemProject)) await this.#totals.refresh(datasets, id, path);
    return this.#totals.list();
  }

  /** A commit of this server; of all others, and of this one's to users' datasets, the bus tells. */
  committed({ datasetId, path, seq, rows, bytes }: CommitNews): void {
    if (path?.project === systemProject) this.#totals.add({ datasetId, path, seq, rows, bytes });
  }

  get figures() {
    return this.#totals.figures;
  }

  /** Tails the bus from where the last try has come to. */
  #follower(position: number): () => Promise<boolean> {
    const { signal } = this.#stopping;
    let after = position;
    return async () => {
      for await (const event of this.#options.bus.tail({ after, types, signal })) {
        this.#take(event, true);
        after = event.position;
      }
      return false;
    };
  }

  /** Reads the past hour's events up to a position, going on where the last try has come to. */
  #pastReader(upTo: number): () => Promise<boolean> {
    const { bus, clock } = this.#options;
    let [after, read]: [number | null, number] = [null, 0];
    return async () => {
      after ??= await this.#positionAt(clock.now() - historyMs, upTo);
      while (read < mostPast && after < upTo && !this.#stopping.signal.aborted) {
        const events = await bus.read({ after, limit: page, types });
        for (const event of events) if (event.position <= upTo) this.#take(event, false);
        read += events.length;
        after = events.length < page ? upTo : (events.at(-1)?.position ?? upTo);
      }
      return true;
    };
  }

  /** A position behind which no event is older, found by halves: positions and times grow together. */
  async #positionAt(atMs: number, upTo: number): Promise<number> {
    let [older, newer] = [0, upTo];
    while (older < newer) {
      const middle = Math.floor((older + newer) / 2);
      const [event] = await this.#options.bus.read({ after: middle, limit: 1 });
      if (event === undefined || event.at >= atMs) newer = middle;
      else older = Math.min(event.position, upTo);
    }
    return older;
  }

  #take(event: BusEvent, isNew: boolean): void {
    if (event.type === "resource.deleted") this.#forget(event, isNew);
    const commit = commitData.safeParse(event.data);
    if (event.type !== "dataset.committed" || !commit.success) return;
    if (event.project === null) return; // of a dataset without a name
    const { rows, bytes } = commit.data;
    if (rows > 0) this.#ledger.add({ path: event.subject, atMs: event.at, rows, bytes }, this.#options.clock.now());
    if (isNew) this.#totals.add({ ...commit.data, path: datasetPath(event.subject) });
  }

  #forget(event: BusEvent, isNew: boolean): void {
    const gone = deletedData.safeParse(event.data);
    if (!gone.success || gone.data.kind !== "Dataset") return;
    const { project, name } = gone.data;
    this.#ledger.forget(`${project}.${name}`);
    if (isNew) this.#totals.remove({ project, dataset: name });
  }

  /** Until it says that it is done; what fails is tried again. */
  async #again(what: string, work: () => Promise<boolean>): Promise<void> {
    const { clock, log } = this.#options;
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      try {
        if (await work()) return;
      } catch (error) {
        if (signal.aborted) return;
        log.warn(`${what}; it is tried again`, { error });
      }
      await delay(clock, 1_000, signal).catch(() => {});
    }
  }
}
