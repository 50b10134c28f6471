import { rm } from "node:fs/promises";
import path from "node:path";
import { MillraceError, type Service, type WorkerId } from "../../base/index.ts";
import type {
  ArrowImport,
  ColumnStatistics,
  CopyOrder,
  Engine,
  EngineQuery,
  EngineResult,
  EngineRow,
  EngineScript,
  PoolStatus,
  RangeOrder,
  ResultColumn,
  SliceHashes,
  SliceOffsets,
  WorkerRole,
  WrittenCopy,
  WrittenSlice,
} from "../contract.ts";
import type { EnginePoolOptions, RoleOptions } from "../options.ts";
import type { Job, JobResults } from "../protocol/index.ts";
import { abortReason, WaitingLine } from "./line.ts";
import { type JobTitle, WorkerProcess } from "./worker-process.ts";

const roles = ["query", "ingest", "compute", "upkeep"] as const;
const watchMs = 250;
const startRetryMs = 500;
const maxStartRetryMs = 30_000;

/**
 * DuckDB workers as an engine. A job has a worker for itself; parsing alone goes beside a running one. Waiting jobs are
 * served in first-come order, and the line is bounded. A worker that dies takes its own job with it and is replaced.
 */
export class EnginePool implements Engine, Service {
  readonly name = "engines";
  readonly #options: EnginePoolOptions;
  readonly #workers = new Set<WorkerProcess>();
  readonly #waiting: Readonly<Record<WorkerRole, WaitingLine<WorkerProcess>>>;
  #restarts = 0;
  #failedStarts = 0;
  #spooled = 0;
  #stopped = true;
  #forgetWatch: () => void = () => {};

  constructor(options: EnginePoolOptions) {
    this.#options = options;
    const lineOf = (role: WorkerRole) => new WaitingLine<WorkerProcess>(options.roles[role].maxQueued);
    this.#waiting = {
      query: lineOf("query"),
      ingest: lineOf("ingest"),
      compute: lineOf("compute"),
      upkeep: lineOf("upkeep"),
    };
  }

  async start(): Promise<void> {
    this.#stopped = false;
    await rm(this.#options.directory, { recursive: true, force: true });
    await this.#options.disk.makeDirectory(this.#spool);
    for (const role of roles) for (let i = 0; i < this.#options.roles[role].minWorkers; i++) this.#hire(role);
    await Promise.all([...this.#workers].map((worker) => worker.ready));
    this.#watch();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#forgetWatch();
    const ended = [...this.#workers].map((worker) => worker.ended);
    for (const worker of this.#workers) worker.kill(new MillraceError("shutting_down", "The server is stopping."));
    await Promise.all(ended);
  }

  status(): PoolStatus {
    return {
      workers: [...this.#workers].map((worker) => worker.status()),
      queued: {
        query: this.#waiting.query.length,
        ingest: this.#waiting.ingest.length,
        compute: this.#waiting.compute.length,
        upkeep: this.#waiting.upkeep.length,
      },
      restarts: this.#restarts,
    };
  }

  serialize(sql: string, signal?: AbortSignal): Promise<string> {
    return this.#parse({ kind: "serialize", sql }, signal);
  }

  deserialize(tree: string, signal?: AbortSignal): Promise<string> {
    return this.#parse({ kind: "deserialize", tree }, signal);
  }

  describe(sql: string, signal: AbortSignal): Promise<readonly ResultColumn[]> {
    return this.#exclusive("query", { kind: "describe", sql }, untitled("describe"), signal);
  }

  async query(query: EngineQuery, signal: AbortSignal): Promise<EngineResult> {
    const {
      queryId,
      traceId,
      label,
      sql,
      parameters,
      format,
      rowLimit,
      byteLimit,
      envelope,
      onProgress,
      keyColumns = 0,
    } = query;
    const spoolPath = path.join(this.#spool, `result-${++this.#spooled}`);
    const job: Job = {
      kind: "query",
      sql,
      parameters,
      format,
      keyColumns,
      rowLimit,
      byteLimit,
      envelope: envelope ?? {},
      spoolPath,
    };
    const askedMs = this.#options.clock.monotonicMs();
    let startedMs = askedMs;
    let peakMemoryBytes: number | null = null;
    try {
      const outcome = await this.#exclusive("query", job, { label, queryId, traceId }, signal, {
        onStart: () => {
          startedMs = this.#options.clock.monotonicMs();
        },
        onEnd: (worker) => {
          peakMemoryBytes = worker.peakBytes;
        },
        ...(onProgress === undefined ? {} : { onProgress }),
      });
      return {
        ...outcome,
        waitedMs: startedMs - askedMs,
        peakMemoryBytes,
        [Symbol.asyncDispose]: () =>
          outcome.body.kind === "file" ? this.#options.disk.remove(outcome.body.path) : Promise.resolve(),
      };
    } catch (error) {
      // A killed worker leaves its files; a live one has swept its own.
      for (const suffix of ["", ".rows"]) await this.#options.disk.remove(spoolPath + suffix);
      throw error;
    }
  }

  script(
    { statements, label, traceId, role = "ingest", attach }: EngineScript,
    signal: AbortSignal,
  ): Promise<readonly (readonly EngineRow[])[]> {
    return this.#exclusive(
      role,
      { kind: "script", statements, attach: attach ?? null },
      { label, traceId, queryId: null },
      signal,
    );
  }

  writeSlice(
    { statements, label, traceId, role = "ingest", attach }: EngineScript,
    file: string,
    signal: AbortSignal,
  ): Promise<WrittenSlice> {
    const job = { kind: "writeSlice", statements, attach: attach ?? null, path: file } as const;
    return this.#exclusive(role, job, { label, traceId, queryId: null }, signal);
  }

  hashes(file: string, signal: AbortSignal): Promise<SliceHashes> {
    return this.#exclusive("ingest", { kind: "hashes", path: file, physical: true }, untitled("hashes"), signal);
  }

  async logicalHash(file: string, signal: AbortSignal): Promise<string> {
    return (
      await this.#exclusive("ingest", { kind: "hashes", path: file, physical: false }, untitled("hashes"), signal)
    ).logicalHash;
  }

  columnStatistics(file: string, signal: AbortSignal): Promise<readonly ColumnStatistics[]> {
    return this.#exclusive("ingest", { kind: "columnStatistics", path: file }, untitled("statistics"), signal);
  }

  offsets(file: string, signal: AbortSignal): Promise<SliceOffsets> {
    return this.#exclusive("ingest", { kind: "offsets", path: file }, untitled("offsets"), signal);
  }

  arrowToParquet(input: string, output: string, signal: AbortSignal): Promise<ArrowImport> {
    return this.#exclusive("ingest", { kind: "arrowToParquet", input, output }, untitled("arrow"), signal);
  }

  writeCopy(order: CopyOrder, signal: AbortSignal): Promise<WrittenCopy> {
    return this.#exclusive("upkeep", { kind: "writeCopy", order }, untitled("copy"), signal);
  }

  rangeHashes(order: RangeOrder, signal: AbortSignal): Promise<readonly string[]> {
    return this.#exclusive("upkeep", { kind: "rangeHashes", order }, untitled("proof of a copy"), signal);
  }

  get #spool(): string {
    return path.join(this.#options.directory, "spool");
  }

  /** On the query worker with the least to do; also one that runs a query. */
  async #parse(
    job: Extract<Job, { kind: "serialize" | "deserialize" }>,
    signal: AbortSignal | undefined,
  ): Promise<string> {
    const candidates = [...this.#workers].filter((worker) => worker.role === "query" && worker.state !== "stopping");
    const worker =
      candidates.find((one) => one.state === "idle") ??
      candidates.find((one) => one.state === "busy") ??
      candidates[0] ??
      this.#hire("query");
    await worker.ready;
    return await worker.run(job, signal, this.#options.graceMs);
  }

  async #exclusive<Kind extends Job["kind"]>(
    role: WorkerRole,
    job: Extract<Job, { kind: Kind }>,
    title: JobTitle,
    signal: AbortSignal,
    watch: Watch = {},
  ): Promise<JobResults[Kind]> {
    const worker = await this.#take(role, signal);
    worker.lease(job.kind, title);
    this.#options.telemetry.log.debug("a worker has a job", { role, pid: worker.pid, job: job.kind, ...title });
    try {
      watch.onStart?.(worker);
      return await worker.run(job, signal, this.#options.graceMs, watch.onProgress);
    } catch (error) {
      throw signal.aborted ? abortReason(signal) : error;
    } finally {
      watch.onEnd?.(worker);
      worker.release();
      this.#admitNext(role);
    }
  }

  /** A ready worker for one job, or a place in the line. @throws too_many_requests, the signal's reason */
  async #take(role: WorkerRole, signal: AbortSignal): Promise<WorkerProcess> {
    if (signal.aborted) throw abortReason(signal);
    if (this.#stopped) throw new MillraceError("shutting_down", "The server is stopping.", { retryAfterS: 5 });
    const idle = this.#waiting[role].length === 0 ? this.#idle(role) : undefined;
    if (idle !== undefined) {
      idle.lease("waiting", untitled("waiting")); // at once: another job may ask before this one goes on
      return idle;
    }
    const waited = this.#waiting[role].wait(signal);
    const alive = [...this.#workers].filter((worker) => worker.role === role && worker.state !== "stopping");
    if (alive.length < this.#options.roles[role].maxWorkers && !alive.some((worker) => worker.state === "starting"))
      this.#hire(role);
    return await waited;
  }

  #idle(role: WorkerRole): WorkerProcess | undefined {
    return [...this.#workers].find((worker) => worker.role === role && worker.state === "idle");
  }

  #admitNext(role: WorkerRole): void {
    for (let idle = this.#idle(role); idle !== undefined; idle = this.#idle(role)) {
      const admit = this.#waiting[role].next();
      if (admit === undefined) return;
      idle.lease("waiting", untitled("waiting"));
      admit(idle);
    }
  }

  #hire(role: WorkerRole): WorkerProcess {
    const settings = this.#options.roles[role];
    const id = this.#options.ids.uuid() as WorkerId;
    const temporaryDirectory = path.join(this.#options.directory, `spill-${id}`);
    const worker = new WorkerProcess(
      id,
      {
        role,
        threads: settings.threads,
        memoryBytes: settings.memoryBytes,
        spillBytes: settings.spillBytes,
        directories: [...settings.directories, this.#spool],
        temporaryDirectory,
      },
      this.#options.clock,
    );
    this.#workers.add(worker);
    worker.ready.then(
      () => {
        this.#failedStarts = 0;
        this.#admitNext(role);
      },
      (error: unknown) => this.#options.telemetry.log.warn("an engine worker did not start", { role, error }),
    );
    void worker.ended.then(() => this.#replace(worker, temporaryDirectory));
    return worker;
  }

  async #replace(worker: WorkerProcess, temporaryDirectory: string): Promise<void> {
    this.#workers.delete(worker);
    await rm(temporaryDirectory, { recursive: true, force: true });
    if (this.#stopped) return;
    const alive = [...this.#workers].filter((one) => one.role === worker.role).length;
    if (alive >= this.#options.roles[worker.role].minWorkers && this.#waiting[worker.role].length === 0) return;
    this.#restarts++;
    this.#options.telemetry.log.info("replacing an engine worker", { role: worker.role, pid: worker.pid });
    // One that never served may never will: the next try waits, longer each time, and not all at the same moment.
    if (worker.served) {
      this.#hire(worker.role);
      return;
    }
    const waitMs = Math.min(maxStartRetryMs, startRetryMs * 2 ** this.#failedStarts++);
    const spread = 0.5 + this.#options.random.float() / 2;
    this.#options.clock.timer(waitMs * spread, () => this.#stopped || this.#hire(worker.role));
  }

  /** Ends workers over their hard limit, and idle ones above the minimum. */
  #watch(): void {
    this.#forgetWatch = this.#options.clock.timer(watchMs, () => {
      void this.#inspect().finally(() => {
        if (!this.#stopped) this.#watch();
      });
    });
  }

  async #inspect(): Promise<void> {
    for (const worker of this.#workers) {
      const settings: RoleOptions = this.#options.roles[worker.role];
      const rssBytes = await worker.sampleMemory();
      if (rssBytes !== null && rssBytes > settings.hardMemoryBytes) {
        worker.kill(
          new MillraceError("out_of_memory", "The statement needs more memory than a worker may use.", {
            hint: "Read fewer rows or columns, or aggregate earlier.",
          }),
        );
      }
      const alive = [...this.#workers].filter((one) => one.role === worker.role && one.state !== "stopping").length;
      const idleMs = this.#options.clock.monotonicMs() - worker.idleSinceMs;
      if (worker.state === "idle" && idleMs > this.#options.idleMs && alive > settings.minWorkers) worker.kill(null);
    }
  }
}

interface Watch {
  onStart?(worker: WorkerProcess): void;
  onEnd?(worker: WorkerProcess): void;
  onProgress?(fraction: number): void;
}

const untitled = (label: string): JobTitle => ({ label, traceId: null, queryId: null });
