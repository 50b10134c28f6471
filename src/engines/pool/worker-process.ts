import { type ChildProcess, fork } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { type Clock, MillraceError, positionAt, type QueryId, type TraceId, type WorkerId } from "../../base/index.ts";
import type { WorkerRole, WorkerStatus } from "../contract.ts";
import type { FromWorker, Job, JobResults, ToWorker, WorkerFailure, WorkerSetup } from "../protocol/index.ts";

/**
 * The memory of a chunk that DuckDB hands out is given back when JavaScript's collector finds its small object. A small
 * nursery is collected often, so that hashing walks over the same few megabytes again and again: a third less time.
 */
const heapOptions: Readonly<Record<WorkerRole, readonly string[]>> = {
  query: ["--max-old-space-size=256"],
  ingest: ["--max-old-space-size=256", "--max-semi-space-size=1"],
  compute: ["--max-old-space-size=256", "--max-semi-space-size=1"],
  upkeep: ["--max-old-space-size=256", "--max-semi-space-size=1"],
};
/**
 * Heaps of the C library. Fewer keep memory together; with as few as threads, a query's threads wait for each other
 * (TPC-H took 4 % longer).
 */
const arenasOf = ({ threads }: WorkerSetup) => (threads === 1 ? 2 : Math.min(16, threads * 2));
/** TypeScript in a checkout, JavaScript in the package. */
const mainFile = path.join(import.meta.dirname, "..", "worker", `main${path.extname(import.meta.filename)}`);

/** What a job is called while it runs. */
export interface JobTitle {
  readonly label: string;
  readonly traceId: TraceId | null;
  readonly queryId: QueryId | null;
}

interface Pending {
  readonly resolve: (result: JobResults[keyof JobResults]) => void;
  readonly reject: (error: Error) => void;
  readonly sql: string;
  readonly onProgress: (fraction: number) => void;
}

/**
 * One worker process.
 *
 *   starting --ready--> idle <--job done-- busy
 *      |                 |  --lease--> /    |
 *      '---------- process ends ------------'--> ended
 */
export class WorkerProcess {
  readonly id: WorkerId;
  readonly role: WorkerRole;
  readonly ready: Promise<void>;
  readonly ended: Promise<void>;
  readonly #child: ChildProcess;
  readonly #clock: Clock;
  readonly #pending = new Map<number, Pending>();
  #nextJob = 1;
  #state: WorkerStatus["state"] = "starting";
  #job: (JobTitle & { kind: string; sinceMs: number }) | null = null;
  #jobsDone = 0;
  #served = false;
  #rssBytes: number | null = null;
  #peakBytes: number | null = null;
  /** Why the process was ended by us, told to the jobs that it takes along. */
  #ending: MillraceError | null = null;
  idleSinceMs: number;

  constructor(id: WorkerId, setup: WorkerSetup, clock: Clock) {
    this.id = id;
    this.role = setup.role;
    this.#clock = clock;
    this.idleSinceMs = clock.monotonicMs();
    this.#child = fork(mainFile, [], {
      serialization: "advanced",
      stdio: ["ignore", "ignore", "inherit", "ipc"],
      execArgv: [...heapOptions[setup.role], "--disable-warning=ExperimentalWarning"],
      env: {
        PATH: process.env.PATH ?? "",
        ...(process.env.NODE_COMPILE_CACHE ? { NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE } : {}),
        UV_THREADPOOL_SIZE: "8",
        TZ: "UTC",
        MALLOC_ARENA_MAX: String(arenasOf(setup)),
      },
    });
    const started = Promise.withResolvers<void>();
    const gone = Promise.withResolvers<void>();
    this.ready = started.promise;
    this.ended = gone.promise;
    this.ready.catch(() => {}); // also told through `ended`
    this.#child.on("message", (message: FromWorker) => {
      if (message.type === "ready") {
        if (this.#state === "starting") this.#state = "idle";
        this.#served = true;
        started.resolve();
      } else if (message.type === "broken") {
        started.reject(new Error(message.message));
        this.kill(null); // it will never serve: its end calls for another try
      } else if (message.type === "progress") this.#pending.get(message.id)?.onProgress(message.fraction);
      else this.#settle(message);
    });
    const end = (why: string) => {
      this.#state = "stopping";
      const error = this.#ending ?? workerLost(why);
      started.reject(error);
      for (const pending of this.#pending.values()) pending.reject(error);
      this.#pending.clear();
      gone.resolve();
    };
    this.#child.once("exit", (code, signal) => end(`it ended with ${signal ?? code}`));
    this.#child.once("error", (error) => end(error.message));
    this.#send({ type: "setup", setup });
    this.#preferForKilling();
  }

  get pid(): number | null {
    return this.#child.pid ?? null;
  }

  /** Most resident memory seen since the lease; null where no sample fell into it. */
  get peakBytes(): number | null {
    return this.#peakBytes;
  }

  /** Whether it ever was ready. */
  get served(): boolean {
    return this.#served;
  }

  get state(): WorkerStatus["state"] {
    return this.#state;
  }

  status(): WorkerStatus {
    const job = this.#job;
    return {
      id: this.id,
      role: this.role,
      state: this.#state,
      pid: this.pid,
      rssBytes: this.#rssBytes,
      busyForMs: job === null ? null : this.#clock.monotonicMs() - job.sinceMs,
      job: job === null ? null : { kind: job.kind, label: job.label, traceId: job.traceId, queryId: job.queryId },
      jobsDone: this.#jobsDone,
    };
  }

  /** Takes the worker for one job at a time. */
  lease(kind: string, title: JobTitle): void {
    this.#state = "busy";
    this.#peakBytes = null;
    this.#job = { kind, ...title, sinceMs: this.#clock.monotonicMs() };
  }

  release(): void {
    this.#job = null;
    this.#jobsDone++;
    this.idleSinceMs = this.#clock.monotonicMs();
    if (this.#state === "busy") this.#state = "idle";
  }

  /**
   * Runs a job to its end. When the signal aborts, the job is interrupted; when that has no effect within `graceMs`, the
   * process is killed. @throws MillraceError
   */
  async run<Kind extends Job["kind"]>(
    job: Extract<Job, { kind: Kind }>,
    signal: AbortSignal | undefined,
    graceMs: number,
    onProgress: (fraction: number) => void = () => {},
  ): Promise<JobResults[Kind]> {
    signal?.throwIfAborted();
    const id = this.#nextJob++;
    const answer = new Promise<JobResults[keyof JobResults]>((resolve, reject) => {
      const sql = "sql" in job && typeof job.sql === "string" ? job.sql : "";
      this.#pending.set(id, { resolve, reject, sql, onProgress });
    });
    if (this.#state === "stopping") throw workerLost("it has ended");
    this.#send({ type: "job", id, job });
    let forget = () => {};
    const onAbort = () => {
      this.#send({ type: "cancel", id });
      forget = this.#clock.timer(graceMs, () => this.kill(null));
    };
    signal?.addEventListener("abort", onAbort, { once: true });
    try {
      // The worker answers each kind of job with that kind's result: the protocol's own types say so.
      return (await answer) as JobResults[Kind];
    } finally {
      forget();
      signal?.removeEventListener("abort", onAbort);
    }
  }

  kill(why: MillraceError | null): void {
    this.#ending ??= why;
    this.#state = "stopping";
    this.#child.kill("SIGKILL");
  }

  /** Resident memory as the system counts it; null where it does not say. */
  async sampleMemory(): Promise<number | null> {
    const text = await readFile(`/proc/${this.pid}/statm`, "utf8").catch(() => null);
    this.#rssBytes = text === null ? null : Number(text.split(" ")[1]) * 4096;
    if (this.#rssBytes !== null) this.#peakBytes = Math.max(this.#peakBytes ?? 0, this.#rssBytes);
    return this.#rssBytes;
  }

  #settle(message: Extract<FromWorker, { type: "done" | "failed" }>): void {
    const pending = this.#pending.get(message.id);
    this.#pending.delete(message.id);
    if (pending === undefined) return;
    if (message.type === "done") pending.resolve(message.result);
    else {
      pending.reject(errorOf(message.failure, pending.sql));
      if (message.failure.fatal === true) this.kill(null);
    }
  }

  #send(message: ToWorker): void {
    if (this.#child.connected) this.#child.send(message, () => {});
  }

  /** When memory runs out, the system ends a worker before the server. */
  #preferForKilling(): void {
    if (this.pid !== null) writeFile(`/proc/${this.pid}/oom_score_adj`, "500").catch(() => {});
  }
}

function workerLost(why: string): MillraceError {
  return new MillraceError("worker_lost", `The engine worker was lost: ${why}.`, {
    hint: "Try again; if the same statement loses its worker each time, it asks too much.",
    retryAfterS: 1,
  });
}

/** A failure in the worker's words as an error of ours. */
function errorOf(failure: WorkerFailure, sql: string): MillraceError {
  const code = failure.code === "interrupted" ? "query_cancelled" : failure.code;
  return new MillraceError(code, failure.message, {
    ...(failure.hint === undefined ? {} : { hint: failure.hint }),
    ...(failure.offset === undefined ? {} : { position: positionAt(sql, failure.offset) }),
    ...(failure.detail === undefined ? {} : { cause: new Error(failure.detail) }),
  });
}
