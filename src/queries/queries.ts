import {
  asMillraceError,
  type Clock,
  type DatasetId,
  deadlineSignal,
  type ErrorCode,
  formatDatasetPath,
  type IdSource,
  type Instant,
  MillraceError,
  positionAt,
  type QueryId,
  type Telemetry,
  type TraceId,
} from "../base/index.ts";
import {
  checkStatement,
  isNode,
  openStatement,
  parseStatement,
  readStatementText,
  references,
  type Statement,
  type StatementText,
  textOf,
  valuesSql,
} from "../compiler/index.ts";
import type { Datasets } from "../datasets/index.ts";
import type { Engine, EngineParameters, EngineResult, ResultFormat } from "../engines/index.ts";
import type { Identity, Principal } from "../identity/index.ts";
import { type Plan, Plans } from "./plans.ts";
import { neededSlices } from "./pruning.ts";
import { asOf, RelationTrees, type Resolved, replaceWithFiles, resolveReference, visibleDatasets } from "./resolve.ts";

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
  readonly rows: number;
  readonly truncated: boolean;
  readonly body: EngineResult["body"];
}

export interface QueryState {
  readonly queryId: QueryId;
  readonly state: "queued" | "running" | "done" | "failed" | "cancelled";
  readonly sql: string;
  readonly user: string;
  readonly origin: string;
  readonly startedAt: Instant;
  readonly elapsedMs: number;
  readonly rows: number | null;
  readonly errorCode: string | null;
  readonly traceId: TraceId;
}

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

export interface QueriesOptions {
  readonly engine: Engine;
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
}

interface Live {
  readonly request: QueryRequest;
  readonly startedAt: Instant;
  readonly startedMs: number;
  readonly controller: AbortController;
  state: QueryState["state"];
  endedMs: number | null;
  rows: number | null;
  errorCode: ErrorCode | null;
}

/** Ended queries whose state can still be asked for. */
const keptQueries = 1_000;
const cachedTrees = 500;
const cachedTreeLength = 100_000;

/**
 * Runs queries: read ▸ parse ▸ check ▸ resolve names to one snapshot each ▸ prune ▸ rewrite ▸ run.
 *
 *   queued --worker--> running --result--> done
 *      \                   \--error--> failed
 *       '---- cancel, time-out, client gone ----> cancelled | failed
 */
export class Queries {
  readonly #options: QueriesOptions;
  readonly #queries = new Map<QueryId, Live>();
  readonly #trees = new Map<string, string>();
  readonly #plans = new Plans();
  readonly #relations = new RelationTrees();
  #ended = 0;

  constructor(options: QueriesOptions) {
    this.#options = options;
  }

  /** Queries that have ended since the start. */
  get ended(): number {
    return this.#ended;
  }

  /**
   * The caller owns the result and disposes it.
   * @throws sql_*, dataset_not_found, version_not_found, bad_parameter, out_of_memory, result_too_large, query_cancelled,
   *   query_timeout, too_many_requests, worker_lost
   */
  async run(request: QueryRequest, signal: AbortSignal): Promise<QueryResult> {
    const { clock, ids, timeoutMs } = this.#options;
    const queryId = ids.uuid() as QueryId;
    const controller = new AbortController();
    const live: Live = {
      request,
      startedAt: clock.now(),
      startedMs: clock.monotonicMs(),
      controller,
      state: "queued",
      endedMs: null,
      rows: null,
      errorCode: null,
    };
    this.#remember(queryId, live);
    const limitMs = Math.min(request.timeoutMs ?? timeoutMs, timeoutMs);
    const timeout = () =>
      new MillraceError("query_timeout", `The query ran longer than ${limitMs} ms.`, {
        hint: "Ask for less, or for a longer timeoutMs.",
      });
    using deadline = deadlineSignal(clock, limitMs, timeout, AbortSignal.any([signal, controller.signal]));
    const about: About = { datasets: [], slicesRead: 0, slicesSkipped: 0 };
    try {
      const result = await this.#execute(queryId, live, about, deadline.signal);
      live.rows = result.rows;
      this.#end(queryId, live, "done", about, result, null);
      return {
        queryId,
        rows: result.rows,
        truncated: result.truncated,
        body: result.body,
        [Symbol.asyncDispose]: () => result[Symbol.asyncDispose](),
      };
    } catch (cause) {
      const error = deadline.signal.aborted ? abortError(deadline.signal) : asMillraceError(cause);
      live.errorCode = error.code;
      this.#end(queryId, live, error.code === "query_cancelled" ? "cancelled" : "failed", about, null, error);
      throw error;
    }
  }

  /** null where the principal may not see it. */
  async get(id: QueryId, principal: Principal): Promise<QueryState | null> {
    const live = this.#queries.get(id);
    return live === undefined || !maySee(live, principal) ? null : this.#view(id, live);
  }

  async cancel(id: QueryId, principal: Principal): Promise<QueryState | null> {
    const live = this.#queries.get(id);
    if (live === undefined || !maySee(live, principal)) return null;
    live.controller.abort(new MillraceError("query_cancelled", "The query was cancelled."));
    return this.#view(id, live);
  }

  /** Queries that wait or run; all of them for an owner. */
  async running(principal: Principal): Promise<QueryState[]> {
    return [...this.#queries]
      .filter(([, live]) => live.endedMs === null && maySee(live, principal))
      .map(([id, live]) => this.#view(id, live));
  }

  async #execute(queryId: QueryId, live: Live, about: About, signal: AbortSignal): Promise<EngineResult> {
    const { engine, resultBytes } = this.#options;
    const { request } = live;
    const text = readStatementText(request.sql);
    await using held = new AsyncDisposableStack();
    const sql = await this.#compile(text, request.principal, about, held, signal);
    live.state = "running";
    try {
      return await engine.query(
        {
          queryId,
          traceId: request.traceId,
          label: request.sql.slice(0, 200),
          sql,
          parameters: request.parameters,
          format: request.format,
          rowLimit: request.rowLimit,
          byteLimit: resultBytes,
          envelope: { queryId },
        },
        signal,
      );
    } catch (error) {
      throw inUsersText(error, text);
    }
  }

  /** The statement that a worker runs: names replaced by files, which stay open until `held` is disposed. */
  async #compile(
    text: StatementText,
    principal: Principal,
    about: About,
    held: AsyncDisposableStack,
    signal: AbortSignal,
  ): Promise<string> {
    const { engine } = this.#options;
    const known = this.#plans.get(text.sql);
    if (known !== undefined && (await this.#isCurrent(known, principal, about, held, signal))) return known.sql;
    const statement = openStatement(text, await this.#parse(text, signal));
    checkStatement(statement);
    const listing = await this.#listing(statement, principal);
    if (listing !== null) return listing;
    const named = references(statement.node);
    const { datasets, identity } = this.#options;
    const resolved = await Promise.all(
      named.map((reference) => resolveReference(statement, reference, { datasets, identity, principal })),
    );
    await this.#flush(
      resolved.filter((one) => one.past === null).map((one) => one.ref.id),
      signal,
    );
    const inputs: Plan["inputs"][number][] = [];
    for (const one of resolved) inputs.push(await this.#replace(one, about, held, signal));
    about.datasets = namesOf(inputs);
    const query = resolved.length === 0 ? text.query : await engine.deserialize(JSON.stringify(statement.root), signal);
    const sql = text.head + query.replace(/;\s*$/, "");
    if (resolved.every((one) => one.past === null)) this.#plans.set(text.sql, { sql, inputs });
    return sql;
  }

  /** Whether a kept plan is still the plan: each input allowed, under its name, and at its version. Holds its slices open. */
  async #isCurrent(
    plan: Plan,
    principal: Principal,
    about: About,
    held: AsyncDisposableStack,
    signal: AbortSignal,
  ): Promise<boolean> {
    const { datasets, identity } = this.#options;
    for (const { path, id } of plan.inputs) {
      if (!(await identity.allows(principal, "dataset.select", { dataset: path }))) return false;
      if ((await datasets.find(path))?.id !== id) return false;
    }
    await this.#flush(
      plan.inputs.map((input) => input.id),
      signal,
    );
    for (const input of plan.inputs) if ((await datasets.head(input.id, signal)).seq !== input.seq) return false;
    for (const { id, part, hashes } of plan.inputs) held.use(await datasets.openSlices(id, hashes, part, signal));
    about.datasets = namesOf(plan.inputs);
    about.slicesRead = plan.inputs.reduce((sum, input) => sum + input.hashes.length, 0);
    about.slicesSkipped = plan.inputs.reduce((sum, input) => sum + input.skipped, 0);
    return true;
  }

  async #parse(text: StatementText, signal: AbortSignal): Promise<string> {
    const known = this.#trees.get(text.query);
    if (known !== undefined) return known;
    const tree = await parseStatement(text, this.#options.engine, signal);
    if (tree.length <= cachedTreeLength) {
      if (this.#trees.size >= cachedTrees) {
        const [oldest] = this.#trees.keys();
        if (oldest !== undefined) this.#trees.delete(oldest);
      }
      this.#trees.set(text.query, tree);
    }
    return tree;
  }

  /** SHOW TABLES: the datasets that the caller may read. */
  async #listing(statement: Statement, principal: Principal): Promise<string | null> {
    const from = statement.node.from_table;
    if (!isNode(from) || from.type !== "SHOW_REF" || isNode(from.query)) return null;
    const what = textOf(from, "table_name").replaceAll('"', "").toLowerCase();
    if (!["tables", "__show_tables_expanded", "datasets"].includes(what)) {
      throw new MillraceError("sql_unsupported", `SHOW ${what.slice(0, 100)} is not known.`, {
        hint: "SHOW TABLES lists datasets; DESCRIBE PROJECT.DATASET its columns.",
      });
    }
    const { datasets, identity } = this.#options;
    const visible = await visibleDatasets({ datasets, identity, principal });
    return valuesSql(
      ["project", "dataset", "name"],
      visible.map(({ path }) => [path.project, path.dataset, formatDatasetPath(path)]),
    );
  }

  async #flush(ids: readonly DatasetId[], signal: AbortSignal): Promise<void> {
    await Promise.all([...new Set(ids)].map((id) => this.#options.flusher.flush(id, signal)));
  }

  async #replace(
    resolved: Resolved,
    about: About,
    held: AsyncDisposableStack,
    signal: AbortSignal,
  ): Promise<Plan["inputs"][number]> {
    const { datasets, engine } = this.#options;
    const { id, path } = resolved.ref;
    const { part } = resolved;
    const snapshot = await datasets.snapshot(id, asOf(resolved.past), signal);
    const slices = part === "data" ? neededSlices(resolved.reference, snapshot) : [];
    const hashes = part === "data" ? slices.map((slice) => slice.hash) : snapshot.quarantines.map((one) => one.hash);
    const skipped = part === "data" ? snapshot.slices.length - slices.length : 0;
    const open = held.use(await datasets.openSlices(id, hashes, part, signal));
    about.slicesRead += hashes.length;
    about.slicesSkipped += skipped;
    const relations = { parser: engine, trees: this.#relations };
    await replaceWithFiles(resolved, snapshot, { slices, paths: open.paths }, relations, signal);
    return { id, path, part, seq: snapshot.seq, hashes, skipped };
  }

  #remember(id: QueryId, live: Live): void {
    this.#queries.set(id, live);
    if (this.#queries.size <= keptQueries) return;
    for (const [old, { endedMs }] of this.#queries) {
      if (endedMs !== null) {
        this.#queries.delete(old);
        return;
      }
    }
  }

  #view(queryId: QueryId, live: Live): QueryState {
    const { request, state, startedAt, rows, errorCode } = live;
    const elapsedMs = (live.endedMs ?? this.#options.clock.monotonicMs()) - live.startedMs;
    return {
      queryId,
      state,
      sql: request.sql,
      user: request.principal.user,
      origin: request.origin,
      startedAt,
      elapsedMs,
      rows,
      errorCode,
      traceId: request.traceId,
    };
  }

  #end(
    id: QueryId,
    live: Live,
    state: QueryRecord["state"],
    about: About,
    result: EngineResult | null,
    error: MillraceError | null,
  ): void {
    const { clock, record, telemetry } = this.#options;
    live.state = state;
    live.endedMs = clock.monotonicMs();
    this.#ended++;
    const view = this.#view(id, live);
    const body = result?.body;
    record({
      ...view,
      ...about,
      state,
      waitedMs: result?.waitedMs ?? 0,
      bytes: body === undefined ? null : body.kind === "inline" ? body.bytes.byteLength : body.sizeBytes,
      peakMemoryBytes: result?.peakMemoryBytes ?? null,
      format: live.request.format,
      errorMessage: error?.message ?? null,
    });
    if (error?.code === "internal") {
      telemetry.log.error("a query failed by our fault", { queryId: id, traceId: view.traceId, error });
    }
  }
}

interface About {
  datasets: string[];
  slicesRead: number;
  slicesSkipped: number;
}

function namesOf(inputs: Plan["inputs"]): string[] {
  return [...new Set(inputs.map((input) => formatDatasetPath(input.path)))];
}

function maySee(live: Live, principal: Principal): boolean {
  return principal.isOwner || live.request.principal.user === principal.user;
}

function abortError(signal: AbortSignal): MillraceError {
  const reason: unknown = signal.reason;
  return reason instanceof MillraceError ? reason : new MillraceError("query_cancelled", "The query was cancelled.");
}

/**
 * A worker's error speaks of the rewritten text: its positions are not the caller's. Where it names something, the first
 * place of that name in the caller's own text is a good guess; else there is no position.
 */
function inUsersText(error: unknown, text: StatementText): unknown {
  if (!(error instanceof MillraceError) || error.position === undefined) return error;
  const named = /"([^"]+)"/.exec(error.message)?.[1];
  const at = named === undefined ? -1 : text.sql.indexOf(named);
  const message = error.message.split("\n")[0] ?? error.message;
  return new MillraceError(error.code, message, {
    ...(error.hint === undefined ? {} : { hint: error.hint }),
    ...(at < 0 ? {} : { position: positionAt(text.sql, at) }),
    cause: error,
  });
}
