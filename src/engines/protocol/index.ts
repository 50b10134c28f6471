import type {
  ArrowImport,
  ColumnStatistics,
  CopyOrder,
  EngineParameters,
  EngineRow,
  EntriesFormat,
  RangeOrder,
  ResultBody,
  ResultColumn,
  ResultFormat,
  ScriptStatement,
  SliceHashes,
  SliceOffsets,
  SqlTree,
  WorkerRole,
  WrittenCopy,
  WrittenSlice,
} from "../contract.ts";

/** How a worker sets its DuckDB up; it comes as the first message and is answered by `ready`. */
export interface WorkerSetup {
  readonly role: WorkerRole;
  readonly threads: number;
  readonly memoryBytes: number;
  readonly spillBytes: number;
  /** Folders SQL may touch, the spool included. */
  readonly directories: readonly string[];
  /** Where DuckDB spills. Private to this worker. */
  readonly temporaryDirectory: string;
}

/** Everything a worker can be asked. `exclusive` jobs run one at a time; parsing goes on beside them. */
export type Job =
  | { readonly kind: "serialize"; readonly sql: string }
  | { readonly kind: "deserialize"; readonly tree: string }
  | { readonly kind: "describe"; readonly sql: string }
  | QueryJob
  | ({ readonly kind: "script" } & ScriptJob)
  | ({ readonly kind: "writeSlice"; readonly path: string } & ScriptJob)
  | { readonly kind: "hashes"; readonly path: string; readonly physical: boolean }
  | { readonly kind: "columnStatistics"; readonly path: string }
  | { readonly kind: "offsets"; readonly path: string }
  | { readonly kind: "writeCopy"; readonly order: CopyOrder }
  | { readonly kind: "rangeHashes"; readonly order: RangeOrder }
  | { readonly kind: "arrowToParquet"; readonly input: string; readonly output: string };

export interface ScriptJob {
  readonly statements: readonly ScriptStatement[];
  /** A database that is there while they run. */
  readonly attach: string | null;
}

export interface QueryJob {
  readonly kind: "query";
  readonly sql: string | SqlTree;
  readonly parameters: EngineParameters;
  readonly format: ResultFormat | EntriesFormat;
  readonly keyColumns: number;
  readonly rowLimit: number | null;
  readonly byteLimit: number;
  readonly envelope: Readonly<Record<string, string | number | boolean | null>>;
  /** The file a large result goes to; in the spool folder, absent before. */
  readonly spoolPath: string;
}

/** A query whose text is known. */
export interface TextQuery extends QueryJob {
  readonly sql: string;
  /** DuckDB has written the text from one statement's tree: it need not be taken apart to know that. */
  readonly isOneStatement: boolean;
}

/** What each kind of job answers. */
export interface JobResults {
  readonly serialize: string;
  readonly deserialize: string;
  readonly describe: readonly ResultColumn[];
  readonly query: QueryOutcome;
  readonly script: readonly (readonly EngineRow[])[];
  readonly writeSlice: WrittenSlice;
  readonly hashes: SliceHashes;
  readonly columnStatistics: readonly ColumnStatistics[];
  readonly offsets: SliceOffsets;
  readonly writeCopy: WrittenCopy;
  readonly rangeHashes: readonly string[];
  readonly arrowToParquet: ArrowImport;
}

/** An encoded result. */
export interface QueryBody {
  readonly columns: readonly ResultColumn[];
  readonly rows: number;
  readonly truncated: boolean;
  readonly body: ResultBody;
}

export interface QueryOutcome extends QueryBody {
  readonly sql: string;
  readonly elapsedMs: number;
}

export type ToWorker =
  | { readonly type: "setup"; readonly setup: WorkerSetup }
  | { readonly type: "job"; readonly id: number; readonly job: Job }
  /** Interrupts the job; it then answers with `interrupted`, if it did not finish first. */
  | { readonly type: "cancel"; readonly id: number };

export type FromWorker =
  | { readonly type: "ready" }
  | { readonly type: "broken"; readonly message: string }
  /** How far a query is, from 0 to 1. */
  | { readonly type: "progress"; readonly id: number; readonly fraction: number }
  | { readonly type: "done"; readonly id: number; readonly result: JobResults[keyof JobResults] }
  | { readonly type: "failed"; readonly id: number; readonly failure: WorkerFailure };

/** Why a job failed, in the worker's words; the pool makes a MillraceError of it. */
export interface WorkerFailure {
  readonly code:
    | "sql_syntax"
    | "sql_binding"
    | "sql_runtime"
    | "sql_refused"
    | "sql_unsupported"
    | "bad_parameter"
    | "bad_input"
    | "out_of_memory"
    | "result_too_large"
    | "disk_full"
    | "interrupted"
    | "internal";
  readonly message: string;
  readonly hint?: string;
  /** In characters of the statement handed in. */
  readonly offset?: number;
  /** What the engine itself said, for the log. */
  readonly detail?: string;
  /** The instance can no longer be trusted: the worker must be replaced. */
  readonly fatal?: boolean;
}
