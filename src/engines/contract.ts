import type { QueryId, TraceId, WorkerId } from "../base/index.ts";
import type { CopyColumn } from "../slices/index.ts";

/**
 * What an engine does for Millrace. `EnginePool` (DuckDB worker processes) is the first implementation; another one
 * fits when it passes conformance.ts.
 *
 * Held by every implementation:
 * - A result is whole or an error. A failure in the middle of a result never looks like its end.
 * - Every wait ends when its signal aborts: with the signal's reason if that is a MillraceError (query_timeout), else
 *   with query_cancelled.
 * - SQL handed to `query` is one statement that reads; everything else is refused (sql_refused).
 * - Parameters are bound, never spliced into the text.
 * - What a job costs (memory, a crash) is paid by that job alone: out_of_memory, worker_lost.
 */
export interface Engine extends SqlText, SliceEngine, CopyEngine {
  /**
   * Runs one reading statement and encodes its result. The caller owns the result and disposes it.
   * @throws sql_syntax, sql_binding, sql_runtime, sql_refused, sql_unsupported, bad_parameter, out_of_memory,
   *   result_too_large, query_cancelled, query_timeout, too_many_requests (queue full), worker_lost
   */
  query(query: EngineQuery, signal: AbortSignal): Promise<EngineResult>;
  /** Columns of a reading statement, without running it. @throws as query */
  describe(sql: string, signal: AbortSignal): Promise<readonly ResultColumn[]>;
  /**
   * Runs trusted statements, in order, on one fresh connection of a worker; temporary tables live as long as the
   * script. Answers, for each statement with `rows: true`, its rows (values as in the `json` format), else an empty list.
   * A script whose worker dies fails with worker_lost and may be run again.
   */
  script(script: EngineScript, signal: AbortSignal): Promise<readonly (readonly EngineRow[])[]>;
  /** Runs a script as `script` does, and tells of the Parquet slice that it has written what a commit says of it. */
  writeSlice(script: EngineScript, path: string, signal: AbortSignal): Promise<WrittenSlice>;
}

/** DuckDB's own parser: text to syntax tree and back. Never binds, so it touches no data. */
export interface SqlText {
  /** `json_serialize_sql`: the parsed tree of every statement as JSON text; a syntax error is in the text (`error: true`). */
  serialize(sql: string, signal?: AbortSignal): Promise<string>;
  /** `json_deserialize_sql`: the tree, as JSON text, as SQL text. */
  deserialize(tree: string, signal?: AbortSignal): Promise<string>;
}

/** Work on Parquet slices; done by ingest workers. Paths are absolute and lie in the pool's directories. */
export interface SliceEngine {
  /** Both hashes of a Parquet file, as multihash text; the logical one is ODF's arrow0-sha3-256 (RFC 002). */
  hashes(path: string, signal: AbortSignal): Promise<SliceHashes>;
  /** The logical hash only. */
  logicalHash(path: string, signal: AbortSignal): Promise<string>;
  /** From the file's metadata alone. */
  columnStatistics(path: string, signal: AbortSignal): Promise<readonly ColumnStatistics[]>;
  /** The numbers in the column `offset` of a Parquet file. */
  offsets(path: string, signal: AbortSignal): Promise<SliceOffsets>;
  /** Turns an Arrow IPC file or stream into a Parquet file (zstd) with the same rows in the same order. */
  arrowToParquet(input: string, output: string, signal: AbortSignal): Promise<ArrowImport>;
}

/** Work on layout copies of slices; done by upkeep workers, which give way to all others. */
export interface CopyEngine {
  /**
   * Writes one copy of rows that follow each other in these files. @throws bad_input where a file is not of these columns, or
   * the rows' offsets are not those that the order says
   */
  writeCopy(order: CopyOrder, signal: AbortSignal): Promise<WrittenCopy>;
  /**
   * The logical hashes that the slices of these ranges have, from the rows of a file that holds them: a copy, or a slice.
   * @throws bad_input where the file does not hold as many rows between the first offset and the last
   */
  rangeHashes(order: RangeOrder, signal: AbortSignal): Promise<readonly string[]>;
}

/** Offsets, the last one included. */
export interface OffsetRange {
  readonly firstOffset: number;
  readonly lastOffset: number;
}

export interface CopyOrder extends OffsetRange {
  /** In the order of their offsets. Slices or copies; of each, the rows of its range are taken. */
  readonly inputs: readonly ({ readonly path: string } & OffsetRange)[];
  readonly columns: readonly CopyColumn[];
  readonly output: string;
}

export interface WrittenCopy {
  readonly sizeBytes: number;
  readonly physicalHash: string;
  readonly statistics: readonly ColumnStatistics[];
}

export interface RangeOrder {
  readonly path: string;
  readonly columns: readonly CopyColumn[];
  /** In order, without overlap. */
  readonly ranges: readonly OffsetRange[];
}

export interface ArrowImport {
  readonly rows: number;
  readonly columns: readonly ResultColumn[];
}

export interface SliceOffsets {
  readonly rows: number;
  /** null where there is no row. */
  readonly first: number | null;
  /** Whether each row's offset is the one before it and one. */
  readonly gapFree: boolean;
}

export interface SliceHashes {
  readonly logicalHash: string;
  readonly physicalHash: string;
  readonly rows: number;
  readonly sizeBytes: number;
}

export interface WrittenSlice {
  /** Of the script's statements. */
  readonly answers: readonly (readonly EngineRow[])[];
  readonly hashes: SliceHashes;
  readonly statistics: readonly ColumnStatistics[];
}

export interface ColumnStatistics {
  readonly column: string;
  /** DuckDB type name. */
  readonly type: string;
  /** null where the file does not say. */
  readonly nullCount: number | null;
  /** As DuckDB writes the value as text; null where the file does not say or holds only nulls. */
  readonly min: string | null;
  readonly max: string | null;
}

export type ResultFormat = "json" | "ndjson" | "csv" | "parquet" | "arrow";

/**
 * What a keyed table in memory is filled from. The statement selects a row's columns, then `op`, then the columns of its key
 * (`keyColumns` of them). Each row is a record, numbers in little endian: 1 byte `op`, 4 bytes length of the key
 * (`0xffffffff`: a column of it is null, no key follows), 4 bytes length of the row, the key's text, the row as a JSON object
 * as in `ndjson`. A row that `op` takes away (1, 2) has the length 0. A key of several columns joins their texts by `:`, with
 * `\\` before each `:` and `\\` within; a single one is its text.
 */
export type EntriesFormat = "entries";

/**
 * A bound value. Numbers that are whole bind as BIGINT, others as DOUBLE; text as VARCHAR. `{ type, value }` says another
 * type by its DuckDB name (BIGINT, HUGEINT, DECIMAL(18,2), DATE, TIME, TIMESTAMP, TIMESTAMPTZ, UUID, BLOB as base64,
 * VARCHAR, DOUBLE, BOOLEAN): the text is cast to it by DuckDB's own rules.
 */
export type EngineParameter =
  | null
  | boolean
  | number
  | bigint
  | string
  | { readonly type: string; readonly value: string }
  | readonly EngineParameter[];

/** For `?` and `$1`: a list. For `$name`: a record. */
export type EngineParameters = readonly EngineParameter[] | Readonly<Record<string, EngineParameter>>;

export interface EngineQuery {
  readonly queryId: QueryId;
  readonly traceId: TraceId;
  /** What health views show: the user's own text or a name. */
  readonly label: string;
  readonly sql: string | SqlTree;
  readonly parameters: EngineParameters;
  readonly format: ResultFormat | EntriesFormat;
  /** `entries` only: how many of the last columns make the key. */
  readonly keyColumns?: number;
  /** Rows beyond it are cut and `truncated` says so; null: all. */
  readonly rowLimit: number | null;
  /** A longer encoded result fails with result_too_large. */
  readonly byteLimit: number;
  /** `json` only: members that the envelope begins with, such as the query's id. */
  readonly envelope?: Readonly<Record<string, string | number | boolean | null>>;
  /** Told now and then while a long statement runs: how far it is, from 0 to 1, as far as that is known. */
  readonly onProgress?: (fraction: number) => void;
}

/** A statement as `serialize` gives it; the engine turns it into text where it runs, which saves a way there and back. */
export interface SqlTree {
  /** Text before the statement, such as `EXPLAIN `. */
  readonly head: string;
  readonly tree: string;
}

export interface ResultColumn {
  /** As in the encoded result: made unique where the statement repeats a name (`a`, `a_1`). */
  readonly name: string;
  /** DuckDB type name, as in `DECIMAL(18,3)` or `STRUCT(a INTEGER)`. */
  readonly type: string;
}

export interface EngineResult extends AsyncDisposable {
  /** The text that ran: the query's own, or its tree's. */
  readonly sql: string;
  readonly columns: readonly ResultColumn[];
  readonly rows: number;
  readonly truncated: boolean;
  readonly body: ResultBody;
  /** Milliseconds in the worker. */
  readonly elapsedMs: number;
  /** Milliseconds in the queue before it. */
  readonly waitedMs: number;
  /** Most resident memory seen of the worker while it ran; null where nothing was sampled. */
  readonly peakMemoryBytes: number | null;
}

/** A file is readable until the result is disposed. */
export type ResultBody =
  | { readonly kind: "inline"; readonly bytes: Uint8Array }
  | { readonly kind: "file"; readonly path: string; readonly sizeBytes: number };

/** Under this name a script finds the database that it attaches. */
export const attachedDatabase = "mr:state";

export interface EngineScript {
  readonly traceId: TraceId;
  readonly label: string;
  readonly statements: readonly ScriptStatement[];
  /** Whose workers run it; `ingest` unless said. */
  readonly role?: "ingest" | "compute";
  /** A DuckDB database in the role's directories, made if absent; nobody else opens it meanwhile. */
  readonly attach?: string;
}

export interface ScriptStatement {
  readonly sql: string;
  readonly parameters?: EngineParameters;
  /** Answer its rows (at most 100,000). */
  readonly rows?: boolean;
}

/** Values as in the `json` format: whole numbers beyond 2^53 and decimals are strings. */
export type EngineValue =
  | null
  | boolean
  | number
  | string
  | readonly EngineValue[]
  | { readonly [member: string]: EngineValue };
export type EngineRow = Readonly<Record<string, EngineValue>>;

/** `compute` runs transforms; `upkeep` works on copies, at the lowest priority that the system has. */
export type WorkerRole = "query" | "ingest" | "compute" | "upkeep";

/** One worker, as health views and metrics show it. */
export interface WorkerStatus {
  readonly id: WorkerId;
  readonly role: WorkerRole;
  readonly state: "starting" | "idle" | "busy" | "stopping";
  readonly pid: number | null;
  /** Resident memory; null before the first sample. */
  readonly rssBytes: number | null;
  readonly busyForMs: number | null;
  readonly job: {
    readonly kind: string;
    readonly label: string;
    readonly traceId: TraceId | null;
    readonly queryId: QueryId | null;
  } | null;
  readonly jobsDone: number;
}

export interface PoolStatus {
  readonly workers: readonly WorkerStatus[];
  readonly queued: Readonly<Record<WorkerRole, number>>;
  readonly restarts: number;
}
