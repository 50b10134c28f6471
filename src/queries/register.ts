import {
  type Clock,
  formatDatasetPath,
  type Instant,
  type MillraceError,
  type QueryId,
  type TraceId,
} from "../base/index.ts";
import type { ResultFormat } from "../engines/index.ts";
import type { Principal } from "../identity/index.ts";
import type { About, Ending, QueryRecord, QueryRequest, QueryState } from "./contract.ts";

/** A query that waits, runs, or has ended not long ago. */
export interface Registered {
  readonly queryId: QueryId;
  readonly user: Principal["user"];
  readonly origin: string;
  readonly traceId: TraceId;
  readonly format: ResultFormat;
  readonly startedAt: Instant;
  readonly startedMs: number;
  readonly controller: AbortController;
  /** Nobody waits for it: its result is kept. */
  readonly isStarted: boolean;
  readonly about: About;
  /** Cut once the query has ended. */
  sql: string;
  state: QueryState["state"];
  endedMs: number | null;
  rows: number | null;
  error: MillraceError | null;
  progress: number | null;
}

/** Ended queries whose state can still be asked for, and how much of each one's text. */
const keptQueries = 1_000;
const keptText = 10_000;

/**
 * The queries of this process by their ids. Ended ones are forgotten oldest first, and keep neither parameters nor more
 * than the beginning of their text.
 */
export class Register {
  readonly #clock: Clock;
  readonly #queries = new Map<QueryId, Registered>();
  #ended = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Queries that have ended since the start. */
  get ended(): number {
    return this.#ended;
  }

  add(queryId: QueryId, request: QueryRequest, isStarted: boolean): Registered {
    const query: Registered = {
      queryId,
      user: request.principal.user,
      origin: request.origin,
      traceId: request.traceId,
      format: request.format,
      startedAt: this.#clock.now(),
      startedMs: this.#clock.monotonicMs(),
      controller: new AbortController(),
      isStarted,
      about: { datasets: [], slicesRead: 0, slicesSkipped: 0 },
      sql: request.sql,
      state: "queued",
      endedMs: null,
      rows: null,
      error: null,
      progress: null,
    };
    this.#queries.set(queryId, query);
    this.#forgetOldest();
    return query;
  }

  /** undefined where the principal may not see it, or where there is none. */
  visible(id: QueryId, principal: Principal): Registered | undefined {
    const query = this.#queries.get(id);
    return query !== undefined && maySee(query, principal) ? query : undefined;
  }

  running(principal: Principal): Registered[] {
    return [...this.#queries.values()].filter((query) => query.endedMs === null && maySee(query, principal));
  }

  /** Started queries of a user that have not ended. */
  unfinished(user: Principal["user"]): number {
    let count = 0;
    for (const query of this.#queries.values())
      if (query.isStarted && query.endedMs === null && query.user === user) count++;
    return count;
  }

  /** Marks a query's end, tells its record, and forgets what only a running query needs. */
  end(query: Registered, ending: Ending): QueryRecord {
    query.state = ending.state;
    query.endedMs = this.#clock.monotonicMs();
    this.#ended++;
    const result = ending.state === "done" ? ending.result : null;
    const error = ending.state === "done" ? null : ending.error;
    query.rows = result?.rows ?? null;
    query.error = error;
    const body = result?.body;
    const record: QueryRecord = {
      ...this.view(query, null),
      ...query.about,
      datasets: query.about.datasets.map(formatDatasetPath),
      state: ending.state,
      waitedMs: result?.waitedMs ?? 0,
      bytes: body === undefined ? null : body.kind === "inline" ? body.bytes.byteLength : body.sizeBytes,
      peakMemoryBytes: result?.peakMemoryBytes ?? null,
      format: query.format,
      errorMessage: error?.message ?? null,
    };
    // A slice of a long text would hold the whole of it.
    if (query.sql.length > keptText) query.sql = Buffer.from(query.sql.slice(0, keptText)).toString();
    return record;
  }

  view(query: Registered, resultUntil: Instant | null): QueryState {
    const { queryId, state, sql, user, origin, startedAt, rows, traceId } = query;
    const elapsedMs = (query.endedMs ?? this.#clock.monotonicMs()) - query.startedMs;
    const errorCode = query.error?.code ?? null;
    const progress = query.endedMs === null ? query.progress : null;
    return { queryId, state, sql, user, origin, startedAt, elapsedMs, rows, errorCode, traceId, resultUntil, progress };
  }

  #forgetOldest(): void {
    if (this.#queries.size <= keptQueries) return;
    for (const [id, { endedMs }] of this.#queries) {
      if (endedMs === null) continue;
      this.#queries.delete(id);
      return;
    }
  }
}

function maySee(query: Registered, principal: Principal): boolean {
  return principal.isOwner || query.user === principal.user;
}
