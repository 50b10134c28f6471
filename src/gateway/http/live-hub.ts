import { z } from "zod";
import { type Clock, delay, type Logger } from "../../base/index.ts";
import type { EventDoor, EventRecord, TaskDoor } from "./contract.ts";

export interface Flow {
  readonly project: string;
  readonly dataset: string;
  readonly rows: number;
  readonly bytes: number;
}

/** What a reader is handed at once. */
export interface LiveBatch {
  readonly events: readonly EventRecord[];
  /** Committed since the last batch with flows, by PROJECT.DATASET; null between two ticks. */
  readonly flows: ReadonlyMap<string, Flow> | null;
}

export interface LiveReader {
  /** The reader is handed what comes after it. */
  readonly position: number;
  /** What has come; waits for something. null: it is closed. */
  next(): Promise<LiveBatch | null>;
  close(): void;
}

export interface LiveHubOptions {
  readonly events: EventDoor;
  readonly tasks: TaskDoor;
  readonly clock: Clock;
  readonly log: Logger;
  readonly tickMs: number;
  /** Events that may wait for one reader. */
  readonly mostWaiting: number;
}

const commitData = z.object({ rows: z.number(), bytes: z.number() });
const taskData = z.object({ id: z.string(), state: z.string() });
const mostTasks = 1_000;
const retryMs = 1_000;

/**
 * One tail of the bus for all readers of the live stream: however many consoles are open, the database is asked once.
 *
 *     idle ──first reader──▶ following ──last reader goes──▶ idle
 */
export class LiveHub {
  readonly #options: LiveHubOptions;
  readonly #readers = new Set<Reader>();
  /** Tasks that run, with their projects. */
  readonly #running = new Map<string, string | null>();
  #flows = new Map<string, Flow>();
  #position = 0;
  #forgetTick = () => {};
  #following: { readonly stop: AbortController; readonly begun: Promise<void> } | null = null;

  constructor(options: LiveHubOptions) {
    this.#options = options;
  }

  /** Projects of the tasks that run, one for each task. */
  get runningTasks(): readonly { readonly project: string | null }[] {
    return [...this.#running.values()].map((project) => ({ project }));
  }

  /**
   * A reader of everything that comes from now on.
   * @param onLost it took so little that what waits for it would not be bounded: it is closed
   * @throws unavailable
   */
  async open(onLost: () => void): Promise<LiveReader> {
    const onClose = () => {
      this.#readers.delete(reader);
      if (this.#readers.size === 0) this.#stop();
    };
    const reader: Reader = new Reader({ mostWaiting: this.#options.mostWaiting, onClose, onLost });
    this.#readers.add(reader);
    try {
      this.#following ??= this.#follow();
      await this.#following.begun;
    } catch (error) {
      reader.close();
      throw error;
    }
    reader.begin(this.#position);
    return reader;
  }

  #follow() {
    const stop = new AbortController();
    const begun = this.#begin(stop.signal);
    begun.then(
      () => this.#tail(stop.signal),
      () => {},
    );
    return { stop, begun };
  }

  async #begin(signal: AbortSignal): Promise<void> {
    const { events, tasks } = this.#options;
    const position = await events.newest();
    const filter = { project: null, state: "running", kind: null, before: null, limit: mostTasks };
    const running = await tasks.list(filter);
    if (signal.aborted) return;
    this.#position = position;
    for (const { id, project } of running) this.#running.set(id, project);
    this.#tickLater();
  }

  #stop(): void {
    this.#following?.stop.abort();
    this.#forgetTick();
    this.#following = null;
    this.#running.clear();
    this.#flows.clear();
  }

  async #tail(signal: AbortSignal): Promise<void> {
    const { events, clock, log } = this.#options;
    while (!signal.aborted) {
      try {
        for await (const event of events.tail({ after: this.#position, signal })) {
          if (signal.aborted) return;
          this.#take(event);
        }
      } catch (error) {
        if (signal.aborted) return;
        log.warn("the live stream cannot follow the bus; it is tried again", { error });
      }
      await delay(clock, retryMs, signal).catch(() => {});
    }
  }

  #take(event: EventRecord): void {
    this.#position = event.position;
    if (event.type === "dataset.committed") this.#addCommit(event);
    if (event.type === "task.changed") this.#noteTask(event);
    for (const reader of this.#readers) reader.take(event);
  }

  #addCommit(event: EventRecord): void {
    const commit = commitData.safeParse(event.data);
    const [project, dataset] = event.subject.split(".");
    if (!commit.success || project === undefined || dataset === undefined || commit.data.rows === 0) return;
    addFlow(this.#flows, { project, dataset, ...commit.data });
  }

  #noteTask(event: EventRecord): void {
    const task = taskData.safeParse(event.data);
    if (!task.success) return;
    if (task.data.state === "running") this.#running.set(task.data.id, event.project);
    else this.#running.delete(task.data.id);
  }

  #tickLater(): void {
    const { clock, tickMs } = this.#options;
    this.#forgetTick = clock.timer(tickMs, () => {
      const flows = this.#flows;
      this.#flows = new Map();
      for (const reader of this.#readers) reader.tick(flows);
      this.#tickLater();
    });
  }
}

class Reader implements LiveReader {
  readonly #options: { readonly mostWaiting: number; readonly onClose: () => void; readonly onLost: () => void };
  #events: EventRecord[] = [];
  #flows: Map<string, Flow> | null = null;
  /** null: it has not begun. */
  #position: number | null = null;
  #isClosed = false;
  #wake: () => void = () => {};

  constructor(options: { mostWaiting: number; onClose: () => void; onLost: () => void }) {
    this.#options = options;
  }

  get position(): number {
    return this.#position ?? 0;
  }

  /** What came before was not for it. */
  begin(position: number): void {
    this.#position = position;
  }

  take(event: EventRecord): void {
    if (this.#position === null) return;
    this.#events.push(event);
    if (this.#events.length > this.#options.mostWaiting) {
      this.close();
      this.#options.onLost();
    }
    this.#wake();
  }

  tick(flows: ReadonlyMap<string, Flow>): void {
    if (this.#position === null) return;
    this.#flows ??= new Map();
    for (const flow of flows.values()) addFlow(this.#flows, flow);
    this.#wake();
  }

  async next(): Promise<LiveBatch | null> {
    while (this.#events.length === 0 && this.#flows === null && !this.#isClosed) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#wake = resolve;
      await promise;
    }
    if (this.#isClosed) return null;
    const batch = { events: this.#events, flows: this.#flows };
    this.#events = [];
    this.#flows = null;
    return batch;
  }

  close(): void {
    this.#isClosed = true;
    this.#events = [];
    this.#options.onClose();
    this.#wake();
  }
}

function addFlow(flows: Map<string, Flow>, { project, dataset, rows, bytes }: Flow): void {
  const name = `${project}.${dataset}`;
  const before = flows.get(name) ?? { rows: 0, bytes: 0 };
  flows.set(name, { project, dataset, rows: before.rows + rows, bytes: before.bytes + bytes });
}
