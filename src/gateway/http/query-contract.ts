import type { QueryId, TraceId } from "../../base/index.ts";
import type { Principal } from "./access-contract.ts";
import type { QueryView } from "./views.ts";

export type ResultFormat = "json" | "ndjson" | "csv" | "parquet" | "arrow";
export type Parameter =
  | null
  | boolean
  | number
  | bigint
  | string
  | { readonly type: string; readonly value: string }
  | readonly Parameter[];
export interface QueryInput {
  readonly sql: string;
  readonly parameters: readonly Parameter[] | Readonly<Record<string, Parameter>>;
  readonly format: ResultFormat;
  readonly rowLimit: number | null;
  readonly timeoutMs: number | null;
  readonly principal: Principal;
  readonly traceId: TraceId;
  readonly origin: "http";
}
export interface QueryOutput extends AsyncDisposable {
  readonly queryId: QueryId;
  readonly format: ResultFormat;
  readonly rows: number;
  readonly truncated: boolean;
  readonly body:
    | { readonly kind: "inline"; readonly bytes: Uint8Array }
    | { readonly kind: "file"; readonly path: string; readonly sizeBytes: number };
}
export interface QueryDoor {
  run(input: QueryInput, signal: AbortSignal): Promise<QueryOutput>;
  /** Begins a query that nobody waits for. */
  start(input: QueryInput): Promise<QueryView>;
  /** What a started query gave; null where there is none of theirs. Throws the query's own error. */
  result(
    id: QueryId,
    principal: Principal,
  ): Promise<
    | { readonly kind: "pending"; readonly state: QueryView }
    | { readonly kind: "ready"; readonly result: QueryOutput }
    | null
  >;
  /** null where the principal may not see it. */
  get(id: QueryId, principal: Principal): Promise<QueryView | null>;
  cancel(id: QueryId, principal: Principal): Promise<QueryView | null>;
  running(principal: Principal): Promise<readonly QueryView[]>;
}
