import { type Clock, type Disk, type IdSource, idSource, type Logger, type Random } from "../../../src/base/index.ts";
import { PostgresEventBus } from "../../../src/bus/index.ts";
import { Datasets, type LayoutSizes } from "../../../src/datasets/index.ts";
import type { CopyWorker } from "../../../src/datasets/layout/work.ts";
import type { Converter } from "../../../src/ingest/convert/converter.ts";
import { Ingest, type IngestRecord } from "../../../src/ingest/index.ts";
import { datasetKind, projectKind, Resources, sourceKind } from "../../../src/resources/index.ts";
import { announceCommit } from "../../../src/server/commits.ts";
import { definitionsOf } from "../../../src/server/definitions.ts";
import { LayoutTasks } from "../../../src/server/layout-tasks.ts";
import { resourcesDoor } from "../../../src/server/resources-door.ts";
import type { ObjectStore, Sql } from "../../../src/storage/index.ts";
import { TaskQueue, TaskRunner } from "../../../src/tasks/index.ts";
import { rowReader } from "./rows.ts";

/** What a server stands on, all of it simulated. */
export interface Ground {
  readonly machine: string;
  /** Names this process, and no other. */
  readonly name: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly disk: Disk;
  readonly store: ObjectStore;
  readonly sql: Sql;
  readonly converter: Converter;
  readonly copier: CopyWorker;
  /** null: as servers have it. */
  readonly layout: LayoutSizes | null;
  readonly log: Logger;
  readonly commitIntervalMs: number;
  readonly record: (ingest: IngestRecord) => void;
}

/** A chain of a few dozen blocks goes through all that a long one does. */
export const smallLayout: LayoutSizes = { packBlocks: 8, checkpointBlocks: 4, regions: { first: 4, fan: 2 } };
/** A file of so many bytes is not written again. */
const targetBytes = 400;
/** What was replaced stays so long for readers that began before. */
const graceMs = 20_000;

/** The rooms of one server process, joined as `server/` joins them. */
export class Server {
  readonly ids: IdSource;
  readonly store: ObjectStore;
  readonly sql: Sql;
  readonly bus: PostgresEventBus;
  readonly resources: Resources;
  readonly datasets: Datasets;
  readonly ingest: Ingest;
  readonly queue: TaskQueue;
  readonly runner: TaskRunner;
  readonly layouts: LayoutTasks;
  readonly door: ReturnType<typeof resourcesDoor>;

  constructor({
    machine,
    name,
    clock,
    random,
    disk,
    store,
    sql,
    converter,
    copier,
    layout,
    log,
    commitIntervalMs,
    record,
  }: Ground) {
    const telemetry = { log, metrics: { count() {}, gauge() {}, observe() {} } };
    this.ids = idSource(clock, random);
    this.store = store;
    this.sql = sql;
    const { ids } = this;
    this.bus = new PostgresEventBus({ sql, clock, log });
    const kinds = [projectKind, datasetKind, sourceKind];
    this.resources = new Resources({ sql, store, events: this.bus, clock, ids, kinds, log });
    this.datasets = new Datasets({
      store,
      sql,
      slices: rowReader(disk),
      clock,
      random,
      telemetry,
      announce: (news) => {
        this.layouts.committed(news);
        return announceCommit(this.bus, news);
      },
      ...(layout === null ? {} : { layout }),
      copies: { worker: copier, disk, directory: `/${machine}/copies`, targetBytes, graceMs },
    });
    this.ingest = new Ingest({
      datasets: this.datasets,
      converter,
      parser: { serialize: noParser, deserialize: noParser },
      workers: 2,
      sql,
      definition: definitionsOf(this.resources, clock),
      record,
      clock,
      random,
      ids,
      disk,
      telemetry,
      directory: `/${machine}/staging`,
      pendingBytes: 1 << 20,
      commitIntervalMs,
    });
    this.queue = new TaskQueue({ sql, events: this.bus, clock, ids, log });
    this.runner = new TaskRunner({
      sql,
      queue: this.queue,
      clock,
      random,
      log,
      holder: `${name} ${ids.uuid()}`,
      tokens: 3,
    });
    this.layouts = new LayoutTasks({
      ...{ datasets: this.datasets, resources: this.resources, queue: this.queue, runner: this.runner, bus: this.bus },
      ...{ disk, directory: `/${machine}/copies`, clock, log },
    });
    this.door = resourcesDoor(
      this.resources,
      this.datasets,
      () => {},
      (ref) => this.layouts.collectLater(ref),
    );
  }

  /** In the order of the real one. @throws what a room cannot start with */
  async start(): Promise<void> {
    await this.bus.start();
    await this.resources.start();
    await this.ingest.start();
    await this.layouts.start();
    await this.runner.start();
  }
}

const noParser = () => Promise.reject(new Error("the simulated world has no SQL"));
