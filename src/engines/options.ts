import type { Clock, Disk, IdSource, Random, Telemetry } from "../base/index.ts";
import type { WorkerRole } from "./contract.ts";

/** What one role of the pool may use. */
export interface RoleOptions {
  /** Workers kept ready. */
  readonly minWorkers: number;
  readonly maxWorkers: number;
  /** Threads of one worker's DuckDB. */
  readonly threads: number;
  /** DuckDB's memory limit of one worker. */
  readonly memoryBytes: number;
  /** Resident memory at which the operating system's view ends the worker: its job fails with out_of_memory. */
  readonly hardMemoryBytes: number;
  /** Disk that one worker may spill to. */
  readonly spillBytes: number;
  /** Jobs that may wait; one more is refused with too_many_requests. */
  readonly maxQueued: number;
  /** Folders whose files SQL may touch, beside the pool's own spool folder. Absolute. */
  readonly directories: readonly string[];
}

export interface EnginePoolOptions {
  /** The pool's own folder (spool and spill files). Private to one pool; emptied at start. Absolute. */
  readonly directory: string;
  readonly roles: Readonly<Record<WorkerRole, RoleOptions>>;
  /** An idle worker above the minimum ends after this. */
  readonly idleMs: number;
  /** After an interrupt without effect, the worker is killed. */
  readonly graceMs: number;
  readonly clock: Clock;
  readonly random: Random;
  readonly ids: IdSource;
  readonly disk: Disk;
  readonly telemetry: Telemetry;
}
