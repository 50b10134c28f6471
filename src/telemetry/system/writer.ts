import type { Clock, Service, Telemetry } from "../../base/index.ts";
import { Batcher } from "./batcher.ts";
import {
  eventRow,
  type IngestRecord,
  ingestRow,
  isSystemPath,
  type LookupRecord,
  lookupRow,
  type QueryRecord,
  queryRow,
  type RowSink,
  type SystemDataset,
  type SystemEvent,
  systemDatasets,
  systemProject,
  type TransformRunRecord,
  taskRow,
  transformRunRow,
} from "./rows.ts";

/** The part of the bus that is needed here: a durable subscription that moves on when the handler resolves. */
export interface EventFeed {
  subscribe(
    options: { readonly name: string; readonly from: "start" | "now" },
    handler: (events: readonly SystemEvent[], signal: AbortSignal) => Promise<void>,
  ): { stop(): Promise<void> };
}

export interface SystemWriterOptions {
  readonly sink: RowSink;
  readonly feed: EventFeed;
  readonly clock: Clock;
  readonly telemetry: Telemetry;
  readonly intervalMs?: number;
  readonly batchRows?: number;
  readonly maxWaiting?: number;
}

/**
 * Writes `system.queries`, `system.ingests`, `system.lookups` and `system.transform_runs` from what the rooms tell (best effort: a full
 * buffer drops its oldest rows and counts them), `system.events` and `system.tasks` from the bus (at least once: the subscription moves on only after
 * the rows are durable; `position` tells a repeated row).
 *
 * What concerns the project `system` itself is left out of `system.ingests`, `system.events` and `system.tasks`, or each
 * row written would make the next one.
 */
export class SystemWriter implements Service {
  readonly name = "telemetry.system";
  readonly #options: SystemWriterOptions;
  readonly #batchers: ReadonlyMap<SystemDataset, Batcher>;
  #subscription: { stop(): Promise<void> } | null = null;

  constructor(options: SystemWriterOptions) {
    this.#options = options;
    const { sink, clock, telemetry } = options;
    const batcher = (dataset: SystemDataset) =>
      new Batcher({
        dataset,
        sink,
        clock,
        ...telemetry,
        intervalMs: options.intervalMs ?? 2_000,
        batchRows: options.batchRows ?? 1_000,
        maxWaiting: options.maxWaiting ?? 20_000,
      });
    this.#batchers = new Map(systemDatasets.map((dataset) => [dataset, batcher(dataset)]));
  }

  async start(): Promise<void> {
    this.#subscription = this.#options.feed.subscribe({ name: "telemetry.system", from: "start" }, (events) =>
      this.#events(events),
    );
  }

  async stop(): Promise<void> {
    await this.#subscription?.stop();
    this.#subscription = null;
    await Promise.all([...this.#batchers.values()].map((batcher) => batcher.close()));
  }

  /** A query has ended, however it ended. */
  query(record: QueryRecord): void {
    this.#batchers.get("system.queries")?.add(queryRow(record));
  }

  /** A push has been answered or committed. */
  ingest(record: IngestRecord): void {
    if (!isSystemPath(record.dataset)) this.#batchers.get("system.ingests")?.add(ingestRow(record));
  }

  /** A lookup has changed its state, or has moved on. */
  lookup(record: LookupRecord): void {
    this.#batchers.get("system.lookups")?.add(lookupRow(record));
  }

  /** A transform's run has ended. */
  transformRun(record: TransformRunRecord): void {
    this.#batchers.get("system.transform_runs")?.add(transformRunRow(record));
  }

  /** Rows that wait, by dataset: for the gauge. */
  waiting(): ReadonlyMap<SystemDataset, number> {
    return new Map([...this.#batchers].map(([dataset, batcher]) => [dataset, batcher.waiting]));
  }

  async #events(events: readonly SystemEvent[]): Promise<void> {
    const { sink, telemetry } = this.#options;
    const told = events.filter((event) => event.project !== systemProject && !isSystemPath(event.subject));
    const tasks = told.filter((event) => event.type === "task.changed");
    if (tasks.length > 0) await sink.pushRows("system.tasks", tasks.map(taskRow));
    if (told.length > 0) await sink.pushRows("system.events", told.map(eventRow));
    telemetry.metrics.count("telemetry_rows_total", tasks.length, { dataset: "system.tasks" });
    telemetry.metrics.count("telemetry_rows_total", told.length, { dataset: "system.events" });
  }
}
