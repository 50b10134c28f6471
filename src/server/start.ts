import { writeFile } from "node:fs/promises";
import path from "node:path";
import {
  type DatasetPath,
  datasetPath,
  formatDatasetPath,
  Lifecycle,
  MillraceError,
  type OrganizationName,
  organizationName,
  type Service,
  systemClock,
  type Telemetry,
  type TraceId,
  userName,
} from "../base/index.ts";
import { type CommitNews, Datasets } from "../datasets/index.ts";
import { EnginePool, type RoleOptions } from "../engines/index.ts";
import { openGateway } from "../gateway/index.ts";
import { Identity, MasterKeys } from "../identity/index.ts";
import { type DatasetDefinition, Ingest, parseFormat } from "../ingest/index.ts";
import { Queries } from "../queries/index.ts";
import { datasetKind, type Resources, type SourceSpec } from "../resources/index.ts";
import { nodeDisk } from "../storage/index.ts";
import { TaskQueue, TaskRunner } from "../tasks/index.ts";
import {
  collectWorkers,
  openLogger,
  openMetrics,
  type RootLogger,
  SystemWriter,
  systemDatasets,
} from "../telemetry/index.ts";
import type { ServerConfig } from "./config.ts";
import { DataDirectory } from "./data-directory.ts";
import { datasetsDoor } from "./datasets-door.ts";
import { type Foundation, openFoundation } from "./foundation.ts";
import { ensureChain, resourcesDoor } from "./resources-door.ts";
import type { RunningServer } from "./running.ts";
import { Sources } from "./sources.ts";
import { version } from "./version.ts";
import { administrationDoor, queryDoor, taskDoor } from "./views.ts";

const definitionAgeMs = 1_000;
const owner = userName("owner");
/** Work that no request asked for. */
const noTrace = "0".repeat(32) as TraceId;

/** Builds every room once, each collaborator by name, starts them in order, and stops them in the reverse. */
export async function start(config: ServerConfig, signal: AbortSignal): Promise<RunningServer> {
  const held = new AsyncDisposableStack();
  try {
    const directory = held.use(await DataDirectory.take(config.values.dataDir));
    const logFile =
      config.values["log.file"] === "-"
        ? null
        : (config.values["log.file"] ?? path.join(directory.path, "log", "server.log"));
    const log = held.use(openLog(config, logFile));
    const foundation = await openFoundation(config, log, signal);
    held.use(foundation.postgres);
    const running = await startRooms(config, foundation, log, held, signal);
    await directory.announce(running.url);
    log.info("ready", { url: running.url, version });
    return {
      ...running,
      version,
      logFile,
      dataDirectory: directory.path,
      ownerTokenFile: path.join(directory.path, "owner.token"),
      [Symbol.asyncDispose]: () => held.disposeAsync(),
    };
  } catch (error) {
    await held.disposeAsync();
    throw error;
  }
}

function openLog(config: ServerConfig, file: string | null): RootLogger {
  const levels = ["debug", "info", "warn", "error", "silent"] as const;
  const level = levels.find((known) => known === config.values["log.level"]) ?? "info";
  return openLogger({
    level,
    destination: file === null ? { kind: "stderr" } : { kind: "file", path: file },
    clock: systemClock,
  });
}

async function startRooms(
  config: ServerConfig,
  foundation: Foundation,
  log: RootLogger,
  held: AsyncDisposableStack,
  signal: AbortSignal,
) {
  const { directory, clock, random, ids, store, postgres, bus, resources } = foundation;
  const { sql } = postgres;
  const { values } = config;
  const metrics = openMetrics({ log, undeclared: "log", processMetrics: true });
  const telemetryOf = (room: string): Telemetry => ({ log: log.child({ room }), metrics });
  const masterKeys = new MasterKeys({ file: path.join(directory, "master.key"), disk: nodeDisk, random });
  await masterKeys.open();
  const identity = new Identity({ resources, masterKeys, clock, random });
  const staging = path.join(directory, "staging");
  const objects = values.objectStore?.replace(/^file:/, "") ?? path.join(directory, "objects");
  const engines = new EnginePool({
    directory: path.join(directory, "engines"),
    roles: engineRoles(config, [path.resolve(objects), staging]),
    idleMs: 30_000,
    graceMs: 2_000,
    clock,
    random,
    ids,
    disk: nodeDisk,
    telemetry: telemetryOf("engines"),
  });
  const counts = { rows: 0, bytes: 0 };
  const datasets = new Datasets({
    store,
    sql,
    slices: engines,
    clock,
    random,
    telemetry: telemetryOf("datasets"),
    announce: async (news: CommitNews) => {
      counts.rows += news.rows;
      counts.bytes += news.bytes;
      const name = news.path === null ? news.datasetId : formatDatasetPath(news.path);
      if (news.path?.project === "system") return; // the system's own commits would announce themselves for ever
      const data = {
        datasetId: news.datasetId,
        seq: news.seq,
        block: news.block,
        kind: news.kind,
        rows: news.rows,
        bytes: news.bytes,
      };
      await bus.append({ type: "dataset.committed", subject: name, project: news.path?.project ?? null, data });
    },
  });
  const history = held.use(new History());
  const ingest = new Ingest({
    datasets,
    engine: engines,
    sql,
    definition: definitions(resources, clock),
    record: (record) => history.writer?.ingest(record),
    clock,
    random,
    ids,
    disk: nodeDisk,
    telemetry: telemetryOf("ingest"),
    directory: staging,
    pendingBytes: values["ingest.pending"],
    commitIntervalMs: values["ingest.commitInterval"],
  });
  const queries = new Queries({
    engine: engines,
    datasets,
    identity,
    flusher: ingest,
    record: (record) => history.writer?.query(record),
    clock,
    ids,
    telemetry: telemetryOf("queries"),
    timeoutMs: values["queries.timeout"],
    resultBytes: values["queries.resultBytes"],
  });
  const taskQueue = new TaskQueue({ sql, events: bus, clock, ids, log: log.child({ room: "tasks" }) });
  const tasks = new TaskRunner({
    sql,
    queue: taskQueue,
    clock,
    random,
    log: log.child({ room: "tasks" }),
    holder: ids.uuid(),
    tokens: 4,
  });
  const system = new SystemWriter({
    sink: { pushRows: (name, rows) => pushRows(datasets, ingest, datasetPath(name), rows) },
    feed: bus,
    clock,
    telemetry: telemetryOf("telemetry"),
  });
  history.writer = system;
  const sources = new Sources({ resources, datasets, ingest, clock, random, ids, telemetry: telemetryOf("sources") });
  collectWorkers(metrics, engines);
  const readiness = async () => ({
    postgres: await answers(sql`SELECT 1`),
    engines: engines.status().workers.some((worker) => worker.state !== "starting"),
  });
  const gateway = openGateway({
    rooms: {
      access: identity,
      administration: administrationDoor(identity),
      resources: resourcesDoor(resources, datasets, () => void sources.reconcile()),
      datasets: datasetsDoor(datasets, engines),
      ingest: {
        parseFormat,
        push: (input, abort) => ingest.push(input, abort),
        receipt: (id) => ingest.receipt(id),
        flush: (id, abort) => ingest.flush(id, abort),
      },
      queries: queryDoor(queries),
      tasks: taskDoor(taskQueue),
      events: bus,
      metrics,
      config: () => config.entries,
      readiness,
      version,
    },
    bind: {
      host: values["http.host"],
      port: values["http.port"],
      tlsCertificate: values["http.tlsCertificate"],
      tlsKey: values["http.tlsKey"],
      allowPlaintext: values["http.allowPlaintext"],
    },
    limits: { maxConnections: values["http.maxConnections"] },
    metricsOpen: values["metrics.open"],
    clock,
    ids,
    telemetry: telemetryOf("gateway"),
  });
  const bootstrap: Service = {
    name: "bootstrap",
    start: () => firstStart({ config, identity, resources, datasets, directory }),
    stop: async () => {},
  };
  const lifecycle = new Lifecycle([bus, resources, engines, bootstrap, ingest, system, tasks, sources, gateway], log);
  await lifecycle.start(signal);
  held.defer(() => lifecycle.stop());
  const started = await totals(datasets);
  return {
    url: gateway.url,
    counts: () => ({
      datasets: started.datasets,
      rows: started.rows + counts.rows,
      bytes: started.bytes + counts.bytes,
      queries: queries.ended,
    }),
  };
}

/** Where ended work is told, once the system's own datasets can take it. */
class History implements Disposable {
  writer: SystemWriter | null = null;

  [Symbol.dispose](): void {
    this.writer = null;
  }
}

function engineRoles(
  { values }: ServerConfig,
  directories: readonly string[],
): { query: RoleOptions; ingest: RoleOptions } {
  const common = { minWorkers: 1, directories };
  return {
    query: {
      ...common,
      maxWorkers: values["queries.workers"],
      threads: values["queries.threads"],
      memoryBytes: values["queries.memory"],
      hardMemoryBytes: values["queries.memory"] * 1.25 + 512e6,
      spillBytes: values["queries.spill"],
      maxQueued: values["queries.maxQueued"],
    },
    ingest: {
      ...common,
      maxWorkers: values["ingest.workers"],
      threads: values["queries.threads"],
      memoryBytes: values["ingest.memory"],
      hardMemoryBytes: values["ingest.memory"] * 1.25 + 512e6,
      spillBytes: values["queries.spill"],
      maxQueued: 4_096,
    },
  };
}

function definitions(
  resources: Resources,
  clock: Foundation["clock"],
): (path: DatasetPath) => Promise<DatasetDefinition> {
  const known = new Map<string, { definition: DatasetDefinition; atMs: number }>();
  return async (target) => {
    const name = formatDatasetPath(target);
    const cached = known.get(name);
    if (cached !== undefined && clock.monotonicMs() - cached.atMs < definitionAgeMs) return cached.definition;
    const definition = (await resources.get(datasetKind, target.project, target.dataset))?.spec ?? {};
    if (known.size > 10_000) known.clear();
    known.set(name, { definition, atMs: clock.monotonicMs() });
    return definition;
  };
}

async function pushRows(
  datasets: Datasets,
  ingest: Ingest,
  target: DatasetPath,
  rows: readonly unknown[],
): Promise<void> {
  const ref = await datasets.get(target);
  const body = Buffer.from(rows.map((row) => `${JSON.stringify(row)}\n`).join(""));
  const bytes = async function* () {
    yield body;
  };
  await ingest.push(
    {
      dataset: ref,
      body: bytes(),
      format: { kind: "ndjson" },
      encoding: "identity",
      ack: "staged",
      by: "millrace",
      traceId: noTrace,
    },
    new AbortController().signal,
  );
}

interface FirstStart {
  readonly config: ServerConfig;
  readonly identity: Identity;
  readonly resources: Resources;
  readonly datasets: Datasets;
  readonly directory: string;
}

/** Makes the organization with its owner and token, the system's project and datasets, and the example where it is asked for. */
async function firstStart({ config, identity, resources, datasets, directory }: FirstStart): Promise<void> {
  const organization: OrganizationName = organizationName("default");
  const token = await identity.bootstrap({ organization, owner });
  if (token !== null) await writeFile(path.join(directory, "owner.token"), `${token}\n`, { mode: 0o600 });
  const by = "millrace";
  const declare = async (project: string, dataset: string, description: string) => {
    await applyOnce(resources, { kind: "Project", name: project, spec: {} }, by);
    await applyOnce(resources, { kind: "Dataset", project, name: dataset, spec: { description } }, by);
    const resource = await resources.get(datasetKind, project, dataset);
    if (resource !== null) await ensureChain(resources, datasets, resource);
  };
  for (const name of systemDatasets) {
    const { project, dataset } = datasetPath(name);
    await declare(project, dataset, `What the system itself tells: ${dataset}.`);
  }
  if (!config.values.example) return;
  await declare("example", "requests", "Web requests that a generator makes up.");
  const spec: SourceSpec = {
    type: "generator",
    dataset: "requests",
    template: "web-requests",
    rowsPerSecond: 20,
    paused: false,
  };
  await applyOnce(resources, { kind: "Source", project: "example", name: "web-requests", spec }, by);
}

/** Declares what is absent; what people have changed since stays. */
async function applyOnce(resources: Resources, input: Parameters<Resources["apply"]>[0], by: string): Promise<void> {
  try {
    await resources.apply(input, { by, expectedGeneration: 0 });
  } catch (error) {
    if (!(error instanceof MillraceError) || error.code !== "precondition_failed") throw error;
  }
}

async function totals(datasets: Datasets): Promise<{ datasets: number; rows: number; bytes: number }> {
  const refs = await datasets.list();
  const heads = await Promise.all(refs.map((ref) => datasets.head(ref.id)));
  return {
    datasets: refs.length,
    rows: heads.reduce((sum, head) => sum + head.rows, 0),
    bytes: heads.reduce((sum, head) => sum + head.bytes, 0),
  };
}

async function answers(question: Promise<unknown>): Promise<boolean> {
  return await question.then(
    () => true,
    () => false,
  );
}
