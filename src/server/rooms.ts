import { hostname } from "node:os";
import path from "node:path";
import { datasetPath, Lifecycle, type Telemetry } from "../base/index.ts";
import { type CommitNews, Datasets } from "../datasets/index.ts";
import { EnginePool } from "../engines/index.ts";
import { openRedisDoor } from "../gateway/index.ts";
import { Identity, MasterKeys } from "../identity/index.ts";
import { engineConverter, Ingest } from "../ingest/index.ts";
import { Lookups } from "../lookups/index.ts";
import { keptLimits, Queries } from "../queries/index.ts";
import { datasetKind, type Resource } from "../resources/index.ts";
import { nodeDisk } from "../storage/index.ts";
import { PostgresLeases, Transforms } from "../streams/index.ts";
import { TaskQueue, TaskRunner } from "../tasks/index.ts";
import { collectWorkers, type ExposedMetrics, type RootLogger, SystemWriter } from "../telemetry/index.ts";
import { Activity } from "./activity.ts";
import { openApi, redisBindOf } from "./api.ts";
import { announceCommit } from "./commits.ts";
import type { ServerConfig } from "./config.ts";
import { definitionsOf } from "./definitions.ts";
import { DeclaredElsewhere, declaredTransform, declaredTransforms } from "./derivatives.ts";
import { engineRoles } from "./engine-roles.ts";
import { FirstStart } from "./first-start.ts";
import { FormatWatch } from "./format-watch.ts";
import type { Foundation } from "./foundation.ts";
import { LayoutTasks } from "./layout-tasks.ts";
import { ensureChain, resourcesDoor } from "./resources-door.ts";
import type { RunningServer } from "./running.ts";
import { Sources } from "./sources.ts";
import { Statements } from "./statements.ts";
import { pushSystemRows } from "./system-rows.ts";
import { version } from "./version.ts";

export interface RoomsOptions {
  readonly config: ServerConfig;
  readonly foundation: Foundation;
  readonly log: RootLogger;
  readonly metrics: ExposedMetrics;
  readonly ownerTokenFile: string;
  /** What is started is stopped with it. */
  readonly held: AsyncDisposableStack;
}

/** Builds every room once, each collaborator by name, and starts them in order. */
export async function startRooms(
  { config, foundation, log, metrics, ownerTokenFile, held }: RoomsOptions,
  signal: AbortSignal,
): Promise<Pick<RunningServer, "url" | "ended" | "needsSetUp" | "counts">> {
  const { directory, sliceFolder, clock, random, ids, store, postgres, bus, resources } = foundation;
  const { sql } = postgres;
  const { values } = config;
  const disk = nodeDisk;
  const telemetryOf = (room: string): Telemetry => ({ log: log.child({ room }), metrics });
  const staging = path.join(directory, "staging");
  const copies = path.join(directory, "engines", "copies"); // emptied at start
  const made = path.join(directory, "engines", "made"); // by transforms' runs; as that
  const states = path.join(directory, "states"); // of transforms' groups; kept

  const masterKeys = new MasterKeys({ file: path.join(directory, "master.key"), disk, random });
  await masterKeys.open();
  const identity = new Identity({ resources, masterKeys, clock, random, log: log.child({ room: "identity" }) });
  const engines = new EnginePool({
    directory: path.join(directory, "engines"),
    roles: engineRoles(config, [sliceFolder, staging, copies, made, states]),
    idleMs: 30_000,
    graceMs: 2_000,
    clock,
    random,
    ids,
    disk,
    telemetry: telemetryOf("engines"),
  });
  const format = new FormatWatch({ store, clock, log: log.child({ room: "storage" }) });
  const datasets = new Datasets({
    store,
    sql,
    slices: engines,
    clock,
    random,
    telemetry: telemetryOf("datasets"),
    checkFormat: () => format.check(),
    copies: { worker: engines, disk, directory: copies },
    announce(news: CommitNews) {
      activity.committed(news);
      layouts.committed(news);
      transforms.committed(news);
      return announceCommit(bus, news);
    },
  });
  const activity = new Activity({ bus, datasets, clock, log: log.child({ room: "activity" }) });
  const history = new SystemWriter({
    sink: { pushRows: (name, rows) => pushSystemRows(datasets, ingest, name, rows) },
    feed: bus,
    clock,
    telemetry: telemetryOf("telemetry"),
  });
  const ingest = new Ingest({
    datasets,
    converter: engineConverter(engines),
    parser: engines,
    sql,
    definition: definitionsOf(resources, clock, (path) => transforms.isRead(path)),
    record: (record) => history.ingest(record),
    clock,
    random,
    ids,
    disk,
    telemetry: telemetryOf("ingest"),
    directory: staging,
    pendingBytes: values["ingest.pending"],
    commitIntervalMs: values["ingest.commitInterval"],
    keepReceiptsMs: values["ingest.keepReceipts"],
    workers: values["ingest.workers"],
  });
  const transforms = new Transforms({
    datasets,
    engine: engines,
    store,
    disk,
    directory: made,
    stateDirectory: states,
    declared: () => {
      const ensure = (one: Resource) => ensureChain(resources, datasets, one, transforms);
      return declaredTransforms(resources, ensure, log.child({ room: "streams" }));
    },
    declaredNow: async ({ project, dataset }) => {
      const found = await resources.get(datasetKind, project, dataset);
      return found === null ? null : declaredTransform(found);
    },
    commits: bus,
    flush: (id, within) => ingest.flush(id, within),
    lateRows: datasetPath("system.late_rows"),
    record: (record) => history.transformRun(record),
    clock,
    random,
    ids,
    telemetry: telemetryOf("streams"),
    leases: new PostgresLeases({
      sql,
      clock,
      log: log.child({ room: "streams" }),
      holder: `${hostname()}:${directory}`, // one server runs on a folder
    }),
    atOnce: values["transforms.workers"] + 1, // one is decided or committed while others run
  });
  const door = resourcesDoor(
    resources,
    datasets,
    () => void sources.reconcile(),
    (ref) => layouts.collectLater(ref),
    transforms,
  );
  const elsewhere = new DeclaredElsewhere({
    resources,
    datasets,
    transforms,
    clock,
    log: log.child({ room: "streams" }),
  });
  const queries = new Queries({
    engine: engines,
    definer: new Statements({ identity, datasets, resources: door, transforms }),
    datasets,
    identity,
    flusher: ingest,
    record: (record) => history.query(record),
    clock,
    ids,
    telemetry: telemetryOf("queries"),
    timeoutMs: values["queries.timeout"],
    resultBytes: values["queries.resultBytes"],
    kept: keptLimits,
  });
  const lookups = new Lookups({
    resources,
    datasets,
    engine: engines,
    bus,
    disk,
    clock,
    ids,
    telemetry: telemetryOf("lookups"),
    record: (record) => history.lookup(record),
  });
  const taskLog = log.child({ room: "tasks" });
  const queue = new TaskQueue({ sql, events: bus, clock, ids, log: taskLog });
  const runner = new TaskRunner({ sql, queue, clock, random, log: taskLog, holder: ids.uuid(), tokens: 4 });
  const layouts = new LayoutTasks({
    datasets,
    resources,
    queue,
    runner,
    bus,
    disk,
    directory: copies,
    clock,
    log: log.child({ room: "layouts" }),
  });
  const sources = new Sources({ resources, datasets, ingest, clock, random, ids, telemetry: telemetryOf("sources") });
  const firstStart = new FirstStart({
    identity,
    resources,
    datasets,
    disk,
    ownerTokenFile,
    example: values.example,
  });
  const chains = { name: "datasets", start: async () => {}, stop: () => datasets[Symbol.asyncDispose]() };
  const started = { name: "queries", start: async () => {}, stop: () => queries.stop() };
  const gateway = openApi({
    config,
    foundation,
    identity,
    engines,
    datasets,
    ingest,
    queries,
    lookups,
    tasks: queue,
    layouts,
    resources: door,
    transforms,
    activity,
    log,
    metrics,
  });
  const redisBind = redisBindOf(config);
  const redis =
    redisBind === null
      ? []
      : [
          openRedisDoor({
            bind: redisBind,
            access: identity,
            lookups,
            version,
            clock,
            telemetry: telemetryOf("gateway"),
          }),
        ];
  collectWorkers(metrics, engines);

  const lifecycle = new Lifecycle(
    [
      format,
      bus,
      resources,
      identity,
      engines,
      chains,
      firstStart,
      activity,
      ingest,
      history,
      started,
      lookups,
      layouts,
      runner,
      transforms,
      elsewhere,
      sources,
      gateway,
      ...redis,
    ],
    log,
  );
  await lifecycle.start(signal);
  held.defer(() => lifecycle.stop());
  const needsSetUp = await identity.needsSetUp();
  const counts = () => ({ ...activity.figures, queries: queries.ended });
  return { url: gateway.url, ended: format.ended, needsSetUp, counts };
}
