import path from "node:path";
import { ownCommand } from "../base/index.ts";
import type { Datasets } from "../datasets/index.ts";
import type { EnginePool } from "../engines/index.ts";
import { type BindOptions, type Gateway, openGateway, type ResourceDoor } from "../gateway/index.ts";
import type { Identity } from "../identity/index.ts";
import { type Ingest, Previews, parseFormat, QuarantineRetry } from "../ingest/index.ts";
import type { Lookups } from "../lookups/index.ts";
import type { Queries } from "../queries/index.ts";
import { nodeDisk } from "../storage/index.ts";
import type { Transforms } from "../streams/index.ts";
import type { TaskQueue } from "../tasks/index.ts";
import type { openMetrics, RootLogger } from "../telemetry/index.ts";
import type { Activity } from "./activity.ts";
import type { ServerConfig } from "./config.ts";
import { datasetsDoor } from "./datasets-door.ts";
import { definitionsOf } from "./definitions.ts";
import type { Foundation } from "./foundation.ts";
import type { LayoutTasks } from "./layout-tasks.ts";
import { ownerTokenFile } from "./owner-token.ts";
import { readiness } from "./readiness.ts";
import { replicasDoor } from "./replicas-door.ts";
import { version } from "./version.ts";
import { administrationDoor, previewView, queryDoor, taskDoor } from "./views.ts";

export interface ApiOptions {
  readonly config: ServerConfig;
  readonly foundation: Foundation;
  readonly identity: Identity;
  readonly engines: EnginePool;
  readonly datasets: Datasets;
  readonly ingest: Ingest;
  readonly queries: Queries;
  readonly lookups: Lookups;
  readonly tasks: TaskQueue;
  readonly layouts: LayoutTasks;
  readonly resources: ResourceDoor;
  readonly transforms: Transforms;
  readonly activity: Activity;
  readonly log: RootLogger;
  readonly metrics: ReturnType<typeof openMetrics>;
}

/** Where the configuration wants the server to listen. */
export function bindOf({ values }: ServerConfig): BindOptions {
  return {
    host: values["http.host"],
    port: values["http.port"],
    tlsCertificate: values["http.tlsCertificate"],
    tlsKey: values["http.tlsKey"],
    allowPlaintext: values["http.allowPlaintext"],
  };
}

/** Where it wants the Redis protocol's door to listen; null: nowhere. */
export function redisBindOf(config: ServerConfig): BindOptions | null {
  const port = config.values["redis.port"];
  return port === null ? null : { ...bindOf(config), host: config.values["redis.host"], port };
}

/** The doors, joined to the rooms behind them. */
export function openApi(options: ApiOptions): Gateway {
  const {
    config,
    foundation,
    identity,
    engines,
    datasets,
    ingest,
    queries,
    lookups,
    tasks,
    layouts,
    resources: door,
    activity,
    log,
    metrics,
  } = options;
  const { resources, postgres, bus, clock, ids } = foundation;
  const { values } = config;
  const staging = path.join(foundation.directory, "staging");
  const retries = new QuarantineRetry({
    datasets,
    engine: engines,
    ingest,
    definition: definitionsOf(resources, clock),
    disk: nodeDisk,
    ids,
    directory: staging,
  });
  const previews = new Previews({ engine: engines, disk: nodeDisk, ids, clock, directory: staging });
  return openGateway({
    rooms: {
      access: identity,
      administration: administrationDoor(identity),
      resources: door,
      datasets: datasetsDoor(datasets, engines, layouts, options.transforms),
      replicas: replicasDoor({
        datasets,
        resources,
        disk: nodeDisk,
        random: foundation.random,
        directory: path.join(staging, "pulled"),
      }),
      ingest: {
        parseFormat,
        preview: async (input, call) => previewView(await previews.preview(input, call)),
        retryQuarantine: (input, abort) => retries.retry(input, abort),
        push: (input, abort) => ingest.push(input, abort),
        receipt: (id) => ingest.receipt(id),
        flush: (id, abort) => ingest.flush(id, abort),
        incomingDirectory: () => ingest.incomingDirectory,
      },
      queries: queryDoor(queries),
      lookups,
      tasks: taskDoor(tasks),
      events: bus,
      activity,
      metrics,
      config: () => config.entries,
      readiness: readiness({
        sql: postgres.sql,
        engines,
        remote: foundation.isRemote ? foundation.store : null,
        clock,
      }),
      ownerTokenFile: ownerTokenFile(foundation.directory),
      program: { version, command: ownCommand },
    },
    bind: bindOf(config),
    limits: { maxConnections: values["http.maxConnections"] },
    metricsOpen: values["metrics.open"],
    consoleDirectory: path.resolve(import.meta.dirname, "..", "..", "console", "dist"),
    clock,
    ids,
    telemetry: { log: log.child({ room: "gateway" }), metrics },
  });
}
