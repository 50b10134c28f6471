import type {
  Clock,
  DatasetId,
  DatasetPath,
  IdSource,
  Instant,
  MillraceError,
  QueryId,
  Telemetry,
  TraceId,
} from "../base/index.ts";
import type { Definition } from "../compiler/index.ts";
import type { Datasets } from "../datasets/index.ts";
import type { Engine, EngineParameters, EngineResult, ResultFormat } from "../engines/index.ts";
import type { Identity, Principal } from "../identity/index.ts";
import type { KeptLimits } from "./kept-results.ts";

export interface QueryRequest {
  readonly sql: string;
  readonly parameters: EngineParameters;
  readonly format: ResultFormat;
  readonly rowLimit: number | null;
  readonly timeoutMs: number | null;
  readonly principal: Principal;
  readonly traceId: TraceId;
  /** The door it came by. */
  readonly origin: string;
}

export interface QueryResult extends AsyncDisposable {
  readonly queryId: QueryId;
  readonly format: ResultFormat;
  readonly rows: number;
  readonly truncated: boolean;
  readonly body: EngineResult["body"];
}

export interface QueryState {
  readonly queryId: QueryId;
  readonly state: "queued" | "running" | "done" | "failed" | "cancelled";
  /** Its beginning, once it has ended. */
  readonly sql: string;
  readonly user: string;
  readonly origin: string;
  readonly startedAt: Instant;
  readonly elapsedMs: number;
  readonly rows: number | null;
  readonly errorCode: string | null;
  readonly traceId: TraceId;
  /** Until when its result can be fetched; null where none is kept. */
  readonly resultUntil: Instant | null;
  /** Of the work of a running query, from 0 to 1; null where it is not known. */
  readonly progress: number | null;
}

/** What became of a query that was started without waiting. */
export type StartedResult =
  | { readonly kind: "pending"; readonly state: QueryState }
  | { readonly kind: "ready"; readonly result: QueryResult };

/** One ended query, for history. */
export interface QueryRecord extends QueryState {
  readonly state: "done" | "failed" | "cancelled";
  readonly waitedMs: number;
  readonly bytes: number | null;
  readonly peakMemoryBytes: number | null;
  readonly datasets: readonly string[];
  readonly slicesRead: number;
  readonly slicesSkipped: number;
  readonly format: ResultFormat;
  readonly errorMessage: string | null;
}

/** Makes rows that wait visible; ingest fits it. */
export interface Flusher {
  flush(id: DatasetId, signal: AbortSignal): Promise<void>;
}

/** What a definition answers: one row for each thing that it did or tells. */
export interface DefinitionAnswer {
  readonly columns: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

/** Does what statements define; the server joins it to what manifests end in. */
export interface Definer {
  /** @throws what the `apply` of a manifest throws; with the place in the statement where there is one */
  define(
    definition: Definition,
    about: { readonly sql: string; readonly principal: Principal },
    signal: AbortSignal,
  ): Promise<DefinitionAnswer>;
}

export interface QueriesOptions {
  readonly engine: Engine;
  readonly definer: Definer;
  readonly datasets: Datasets;
  readonly identity: Identity;
  readonly flusher: Flusher;
  /** Told of every ended query. */
  readonly record: (query: QueryRecord) => void;
  readonly clock: Clock;
  readonly ids: IdSource;
  readonly telemetry: Telemetry;
  readonly timeoutMs: number;
  readonly resultBytes: number;
  readonly kept: KeptLimits;
}

/** What a query read, for its record. */
export interface About {
  datasets: readonly DatasetPath[];
  slicesRead: number;
  slicesSkipped: number;
}

/** How a query ended. */
export type Ending =
  | { readonly state: "done"; readonly result: EngineResult }
  | { readonly state: "failed" | "cancelled"; readonly error: MillraceError };
