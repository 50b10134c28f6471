import { type Clock, type Disk, type IdSource, idSource, type Logger, type Random } from "../../../src/base/index.ts";
import { PostgresEventBus } from "../../../src/bus/index.ts";
import { Datasets } from "../../../src/datasets/index.ts";
import type { Converter } from "../../../src/ingest/convert/converter.ts";
import { Ingest, type IngestRecord } from "../../../src/ingest/index.ts";
import { datasetKind, projectKind, Resources, sourceKind } from "../../../src/resources/index.ts";
import { announceCommit } from "../../../src/server/commits.ts";
import { definitionsOf } from "../../../src/server/definitions.ts";
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
  readonly log: Logger;
  readonly commitIntervalMs: number;
  readonly record: (ingest: IngestRecord) => void;
}

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
  readonly door: ReturnType<typeof resourcesDoor>;

  constructor({ machine, name, clock, random, disk, store, sql, converter, log, commitIntervalMs, record }: Ground) {
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
      announce: (news) => announceCommit(this.bus, news),
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
    this.door = resourcesDoor(this.resources, this.datasets, () => {});
  }

  /** In the order of the real one. @throws what a room cannot start with */
  async start(): Promise<void> {
    await this.bus.start();
    await this.resources.start();
    await this.ingest.start();
    await this.runner.start();
  }
}

const noParser = () => Promise.reject(new Error("the simulated world has no SQL"));
