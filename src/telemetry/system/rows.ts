import { type DatasetPath, formatDatasetPath, formatInstant, type Instant } from "../../base/index.ts";

export type JsonValue =
  | null
  | boolean
  | number
  | string
  | readonly JsonValue[]
  | { readonly [member: string]: JsonValue };
export type SystemRow = Readonly<Record<string, JsonValue>>;

/** Where rows of the system datasets go: ingest happens to fit it. Resolves when the rows are durable. */
export interface RowSink {
  pushRows(path: string, rows: SystemRow[]): Promise<unknown>;
}

/** The project of the system datasets. What concerns it is not written into it again: that would never end. */
export const systemProject = "system";
export const systemDatasets = [
  "system.queries",
  "system.ingests",
  "system.tasks",
  "system.events",
  "system.lookups",
  "system.transform_runs",
  "system.late_rows",
] as const;
export type SystemDataset = (typeof systemDatasets)[number];

/** Whether `project.dataset` lies in the project `system`. */
export function isSystemPath(dataset: string): boolean {
  return dataset.startsWith(`${systemProject}.`);
}

export interface QueryRecord {
  readonly queryId: string;
  readonly user: string;
  /** `http`, `cli`, ...: the door it came by. */
  readonly origin: string;
  readonly sql: string;
  readonly state: string;
  readonly startedAt: Instant;
  readonly elapsedMs: number;
  readonly waitedMs?: number;
  readonly rows: number | null;
  readonly bytes?: number | null;
  readonly peakMemoryBytes?: number | null;
  readonly datasets?: readonly string[];
  readonly format?: string;
  readonly errorCode: string | null;
  readonly errorMessage?: string | null;
  readonly traceId: string;
}

export interface IngestRecord {
  readonly ingestId: string;
  /** `project.dataset`. */
  readonly dataset: string;
  readonly user: string;
  readonly state: string;
  readonly receivedAt: Instant;
  readonly elapsedMs: number;
  readonly format: string;
  readonly bytes: number;
  readonly wireBytes: number;
  readonly rows: number | null;
  readonly quarantined: number | null;
  readonly firstOffset: number | null;
  readonly lastOffset: number | null;
  readonly errorCode: string | null;
  readonly traceId: string;
}

export interface LookupRecord {
  readonly project: string;
  readonly name: string;
  readonly at: Instant;
  readonly dataset: DatasetPath;
  readonly state: string;
  readonly entries: number;
  readonly bytes: number;
  readonly appliedOffset: number;
  readonly behindRows: number;
  readonly behindMs: number;
  readonly skippedRows: number;
  readonly problem: { readonly code: string; readonly message: string } | null;
}

export interface TransformRunRecord {
  /** `project.dataset` of the derivative. */
  readonly dataset: string;
  readonly mode: string;
  readonly state: string;
  readonly startedAt: Instant;
  readonly elapsedMs: number;
  readonly rowsRead: number;
  readonly rowsWritten: number;
  readonly rowsLate: number;
  readonly late: readonly { readonly dataset: string; readonly offset: number }[];
  readonly seq: number | null;
  readonly inputs: readonly { readonly dataset: string; readonly fromOffset: number; readonly belowOffset: number }[];
  readonly errorCode: string | null;
  readonly errorMessage: string | null;
  readonly traceId: string;
}

/** Longest text of a statement or message that a row keeps. */
const maxText = 10_000;
const cut = (text: string) => (text.length > maxText ? `${text.slice(0, maxText)}...` : text);

const texts = (...names: readonly string[]) => names.map((name) => ({ name, type: "VARCHAR" }));
const counts = (...names: readonly string[]) => names.map((name) => ({ name, type: "BIGINT" }));
const columnOf = (name: string, type: string) => ({ name, type });

/** The columns of each dataset besides `event_time`, with DuckDB types, so that they can be asked before the first row. */
export const systemColumns: Readonly<
  Record<SystemDataset, readonly { readonly name: string; readonly type: string }[]>
> = {
  "system.queries": [
    ...texts("query_id", "user_name", "origin", "sql", "state"),
    columnOf("elapsed_ms", "DOUBLE"),
    columnOf("waited_ms", "DOUBLE"),
    ...counts("rows", "bytes", "peak_memory_bytes"),
    columnOf("datasets", "VARCHAR[]"),
    ...texts("format", "error_code", "error_message", "trace_id"),
  ],
  "system.ingests": [
    ...texts("ingest_id", "dataset", "user_name", "state"),
    columnOf("elapsed_ms", "DOUBLE"),
    ...texts("format"),
    ...counts("bytes", "wire_bytes", "rows", "quarantined", "first_offset", "last_offset"),
    ...texts("error_code", "trace_id"),
  ],
  "system.tasks": [
    ...counts("position"),
    ...texts("task_id", "kind", "state", "project"),
    ...counts("attempt"),
    ...texts("error_code", "holder"),
  ],
  "system.lookups": [
    ...texts("project", "lookup", "dataset", "state"),
    ...counts("entries", "bytes", "applied_offset", "behind_rows", "behind_ms", "skipped_rows"),
    ...texts("error_code", "error_message"),
  ],
  "system.transform_runs": [
    ...texts("dataset", "mode", "state"),
    columnOf("elapsed_ms", "DOUBLE"),
    ...counts("rows_read", "rows_written", "seq"),
    columnOf("inputs", "STRUCT(dataset VARCHAR, from_offset BIGINT, below_offset BIGINT)[]"),
    ...texts("error_code", "error_message", "trace_id"),
    ...counts("rows_late"),
    columnOf("late", "STRUCT(dataset VARCHAR, row_offset BIGINT)[]"),
  ],
  // Written by the transforms themselves, once a row.
  "system.late_rows": [
    ...texts("dataset", "input"),
    ...counts("row_offset"),
    columnOf("window_end", "TIMESTAMPTZ"),
    columnOf("watermark", "TIMESTAMPTZ"),
    columnOf("row", "JSON"),
    ...counts("seq"),
  ],
  "system.events": [...counts("position"), ...texts("event_id", "type", "subject", "project", "data")],
};

export function lookupRow(lookup: LookupRecord): SystemRow {
  return {
    event_time: formatInstant(lookup.at),
    project: lookup.project,
    lookup: lookup.name,
    dataset: formatDatasetPath(lookup.dataset),
    state: lookup.state,
    entries: lookup.entries,
    bytes: lookup.bytes,
    applied_offset: lookup.appliedOffset,
    behind_rows: lookup.behindRows,
    behind_ms: lookup.behindMs,
    skipped_rows: lookup.skippedRows,
    error_code: lookup.problem?.code ?? null,
    error_message: lookup.problem === null ? null : cut(lookup.problem.message),
  };
}

export function queryRow(query: QueryRecord): SystemRow {
  return {
    event_time: formatInstant(query.startedAt),
    query_id: query.queryId,
    user_name: query.user,
    origin: query.origin,
    sql: cut(query.sql),
    state: query.state,
    elapsed_ms: query.elapsedMs,
    waited_ms: query.waitedMs ?? null,
    rows: query.rows,
    bytes: query.bytes ?? null,
    peak_memory_bytes: query.peakMemoryBytes ?? null,
    datasets: query.datasets ?? [],
    format: query.format ?? null,
    error_code: query.errorCode,
    error_message: query.errorMessage === undefined || query.errorMessage === null ? null : cut(query.errorMessage),
    trace_id: query.traceId,
  };
}

export function ingestRow(ingest: IngestRecord): SystemRow {
  return {
    event_time: formatInstant(ingest.receivedAt),
    ingest_id: ingest.ingestId,
    dataset: ingest.dataset,
    user_name: ingest.user,
    state: ingest.state,
    elapsed_ms: ingest.elapsedMs,
    format: ingest.format,
    bytes: ingest.bytes,
    wire_bytes: ingest.wireBytes,
    rows: ingest.rows,
    quarantined: ingest.quarantined,
    first_offset: ingest.firstOffset,
    last_offset: ingest.lastOffset,
    error_code: ingest.errorCode,
    trace_id: ingest.traceId,
  };
}

export function transformRunRow(run: TransformRunRecord): SystemRow {
  return {
    event_time: formatInstant(run.startedAt),
    dataset: run.dataset,
    mode: run.mode,
    state: run.state,
    elapsed_ms: run.elapsedMs,
    rows_read: run.rowsRead,
    rows_written: run.rowsWritten,
    seq: run.seq,
    inputs: run.inputs.map(({ dataset, fromOffset, belowOffset }) => ({
      dataset,
      from_offset: fromOffset,
      below_offset: belowOffset,
    })),
    error_code: run.errorCode,
    error_message: run.errorMessage === null ? null : cut(run.errorMessage),
    trace_id: run.traceId,
    rows_late: run.rowsLate,
    late: run.late.map(({ dataset, offset }) => ({ dataset, row_offset: offset })),
  };
}

/** An event of the bus. */
export interface SystemEvent {
  readonly position: number;
  readonly id: string;
  readonly at: Instant;
  readonly type: string;
  readonly subject: string;
  readonly project: string | null;
  readonly data: unknown;
}

/** The data travels as JSON text: its shape differs by type, and a column has one. */
export function eventRow(event: SystemEvent): SystemRow {
  return {
    event_time: formatInstant(event.at),
    position: event.position,
    event_id: event.id,
    type: event.type,
    subject: event.subject,
    project: event.project,
    data: cut(JSON.stringify(event.data ?? null)),
  };
}

/** A task as it stood at `event`: `task.changed` carries it. */
export function taskRow(event: SystemEvent): SystemRow {
  const data: Readonly<Record<string, unknown>> =
    typeof event.data === "object" && event.data !== null ? { ...event.data } : {};
  const text = (name: string) => (typeof data[name] === "string" ? data[name] : null);
  const count = (name: string) => (typeof data[name] === "number" ? data[name] : null);
  return {
    event_time: formatInstant(event.at),
    position: event.position,
    task_id: text("id") ?? text("taskId") ?? event.subject,
    kind: text("kind"),
    state: text("state"),
    project: event.project,
    attempt: count("attempt") ?? count("attempts"),
    error_code: text("errorCode") ?? text("error"),
    holder: text("holder"),
  };
}
