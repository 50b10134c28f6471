import { asMillraceError, deadlineSignal, MillraceError, type QueryId } from "../base/index.ts";
import { type Definition, inUsersText, readDefinition, readStatementText, valuesSql } from "../compiler/index.ts";
import type { Principal } from "../identity/index.ts";
import { type Compilation, Compiler } from "./compiler.ts";
import type { Ending, QueriesOptions, QueryRequest, QueryResult, QueryState, StartedResult } from "./contract.ts";
import { KeptResults } from "./kept-results.ts";
import { Register, type Registered } from "./register.ts";

/**
 * Runs queries: read ▸ parse ▸ check ▸ resolve names to one snapshot each ▸ prune ▸ rewrite ▸ run.
 *
 *   queued --worker--> running --result--> done
 *      \                   \--error--> failed
 *       '---- cancel, time-out, client gone ----> cancelled | failed
 */
export class Queries {
  readonly #options: QueriesOptions;
  readonly #compiler: Compiler;
  readonly #register: Register;
  readonly #kept: KeptResults;
  readonly #stop = new AbortController();
  readonly #started = new Set<Promise<void>>();

  constructor(options: QueriesOptions) {
    this.#options = options;
    this.#compiler = new Compiler(options);
    this.#register = new Register(options.clock);
    this.#kept = new KeptResults(options.kept, options.clock);
  }

  /** Queries that have ended since the start. */
  get ended(): number {
    return this.#register.ended;
  }

  /**
   * The caller owns the result and disposes it.
   * @throws sql_*, dataset_not_found, version_not_found, bad_parameter, out_of_memory, result_too_large, query_cancelled,
   *   query_timeout, too_many_requests, worker_lost
   */
  async run(request: QueryRequest, signal: AbortSignal): Promise<QueryResult> {
    const query = this.#register.add(this.#newId(), request, false);
    return await this.#finish(query, request, this.#options.resultBytes, signal);
  }

  /** Begins a query that nobody waits for: it goes on when its client has gone, and its result is kept. @throws too_many_requests */
  start(request: QueryRequest): QueryState {
    const { user } = request.principal;
    const { unfinishedPerUser, bytesPerUser } = this.#options.kept;
    if (this.#register.unfinished(user) >= unfinishedPerUser) {
      throw new MillraceError(
        "too_many_requests",
        `You have ${unfinishedPerUser} started queries that have not ended.`,
        {
          hint: "Wait for one, or cancel it.",
        },
      );
    }
    const query = this.#register.add(this.#newId(), request, true);
    const bytes = Math.min(this.#options.resultBytes, bytesPerUser);
    const work = this.#finish(query, request, bytes, this.#stop.signal)
      .then((result) => this.#kept.add(user, result))
      .catch(() => {}) // its error stands in the register
      .finally(() => this.#started.delete(work));
    this.#started.add(work);
    return this.#view(query);
  }

  /**
   * The result of a query that the principal started; its error where it failed. null where there is no such query of
   * theirs, or where they may no longer read what it read.
   * @throws the query's error, data_expired
   */
  async result(id: QueryId, principal: Principal): Promise<StartedResult | null> {
    const query = this.#register.visible(id, principal);
    if (query === undefined || query.user !== principal.user) return null;
    if (query.endedMs === null) return { kind: "pending", state: this.#view(query) };
    for (const dataset of query.about.datasets)
      if (!(await this.#options.identity.allows(principal, "dataset.select", { dataset }))) return null;
    if (query.error !== null) throw query.error;
    return { kind: "ready", result: this.#kept.open(id) };
  }

  /** null where the principal may not see it. */
  async get(id: QueryId, principal: Principal): Promise<QueryState | null> {
    const query = this.#register.visible(id, principal);
    return query === undefined ? null : this.#view(query);
  }

  /** Ends the query, and drops its result where one is kept. null where the principal may not see it. */
  async cancel(id: QueryId, principal: Principal): Promise<QueryState | null> {
    const query = this.#register.visible(id, principal);
    if (query === undefined) return null;
    query.controller.abort(new MillraceError("query_cancelled", "The query was cancelled."));
    await this.#kept.drop(id);
    return this.#view(query);
  }

  /** Queries that wait or run; all of them for an owner. */
  async running(principal: Principal): Promise<QueryState[]> {
    return this.#register.running(principal).map((query) => this.#view(query));
  }

  /** Ends started queries and drops what is kept. */
  async stop(): Promise<void> {
    this.#stop.abort(new MillraceError("shutting_down", "The server is stopping."));
    await Promise.all(this.#started);
    await this.#kept[Symbol.asyncDispose]();
  }

  #newId(): QueryId {
    return this.#options.ids.uuid() as QueryId;
  }

  #view(query: Registered): QueryState {
    return this.#register.view(query, this.#kept.until(query.queryId));
  }

  /** Runs a registered query to its end, under its deadline, and tells its record. */
  async #finish(
    query: Registered,
    request: QueryRequest,
    byteLimit: number,
    parent: AbortSignal,
  ): Promise<QueryResult> {
    const { clock, timeoutMs } = this.#options;
    const limitMs = Math.min(request.timeoutMs ?? timeoutMs, timeoutMs);
    const timeout = () =>
      new MillraceError("query_timeout", `The query ran longer than ${limitMs} ms.`, {
        hint: "Ask for less, or for a longer timeoutMs.",
      });
    using deadline = deadlineSignal(clock, limitMs, timeout, AbortSignal.any([parent, query.controller.signal]));
    try {
      const result = await this.#execute(query, request, byteLimit, deadline.signal);
      this.#end(query, { state: "done", result });
      const { rows, truncated, body } = result;
      const dispose = () => result[Symbol.asyncDispose]();
      return { queryId: query.queryId, format: request.format, rows, truncated, body, [Symbol.asyncDispose]: dispose };
    } catch (cause) {
      const error = deadline.signal.aborted ? abortError(deadline.signal) : asMillraceError(cause);
      this.#end(query, { state: error.code === "query_cancelled" ? "cancelled" : "failed", error });
      throw error;
    }
  }

  /**
   * Once more where another server has committed meanwhile, and once where a file was gone: compaction puts rows into other
   * files, and collects those that it has replaced.
   */
  async #execute(query: Registered, request: QueryRequest, byteLimit: number, signal: AbortSignal) {
    for (let hasRefreshed = false; ; ) {
      const files: Compilation["files"] = new Map();
      try {
        const result = await this.#attempt(query, request, byteLimit, files, signal);
        if (result !== null) return result;
      } catch (error) {
        signal.throwIfAborted();
        if (hasRefreshed || !(await this.#hasGone(error, files))) throw error;
        hasRefreshed = true;
        await Promise.all([...files.keys()].map((id) => this.#options.datasets.refresh(id, signal)));
      }
      query.about.slicesRead = 0;
      query.about.slicesSkipped = 0;
    }
  }

  async #hasGone(error: unknown, files: Compilation["files"]): Promise<boolean> {
    if (!(error instanceof MillraceError)) return false;
    if (error.code === "data_expired") return files.size > 0;
    return error.code === "internal" && (await this.#options.datasets.hasGone([...files.values()].flat()));
  }

  async #attempt(
    query: Registered,
    request: QueryRequest,
    byteLimit: number,
    files: Compilation["files"],
    signal: AbortSignal,
  ) {
    const text = readStatementText(request.sql);
    const definition = readDefinition(request.sql);
    if (definition !== null) return await this.#define(definition, query, request, byteLimit, signal);
    await using held = new AsyncDisposableStack();
    const { principal, parameters, format, rowLimit, traceId } = request;
    const { sql, ran, isCurrent } = await this.#compiler.compile(text, {
      principal,
      about: query.about,
      held,
      files,
      signal,
    });
    query.state = "running";
    const { queryId } = query;
    const label = request.sql.slice(0, 200);
    const onProgress = (fraction: number) => {
      query.progress = fraction;
    };
    const envelope = { queryId };
    const asked = { queryId, traceId, label, sql, parameters, format, rowLimit, byteLimit, envelope, onProgress };
    try {
      const result = await whileCurrent(isCurrent, signal, (within) => this.#options.engine.query(asked, within));
      if (result !== null) ran(result.sql);
      return result;
    } catch (error) {
      throw inUsersText(error, text.sql);
    }
  }

  /** Does what the statement defines, and answers as a query does. */
  async #define(
    definition: Definition,
    query: Registered,
    { sql: said, principal, format, rowLimit, traceId }: QueryRequest,
    byteLimit: number,
    signal: AbortSignal,
  ) {
    const { definer, engine } = this.#options;
    query.state = "running";
    const { columns, rows } = await definer.define(definition, { sql: said, principal }, signal);
    const { queryId } = query;
    const sql = valuesSql(columns, rows);
    const asked = { queryId, traceId, label: said.slice(0, 200), sql, parameters: [], format, rowLimit, byteLimit };
    return await engine.query({ ...asked, envelope: { queryId } }, signal);
  }

  #end(query: Registered, ending: Ending): void {
    this.#options.record(this.#register.end(query, ending));
    if (ending.state === "done" || ending.error.code !== "internal") return;
    const { queryId, traceId } = query;
    this.#options.telemetry.log.error("a query failed by our fault", { queryId, traceId, error: ending.error });
  }
}

/** What a run makes; null, and the run ends, where a look finds meanwhile that it does not read all that it should. */
async function whileCurrent<Result extends AsyncDisposable>(
  isCurrent: Promise<boolean>,
  signal: AbortSignal,
  run: (signal: AbortSignal) => Promise<Result>,
): Promise<Result | null> {
  const overtaken = new AbortController();
  const running = run(AbortSignal.any([signal, overtaken.signal]));
  const looked = isCurrent.finally(async () => {
    if (!(await isCurrent.catch(() => false))) overtaken.abort();
  });
  looked.catch(() => {}); // awaited below, when the run has ended
  let result: Result;
  try {
    result = await running;
  } catch (error) {
    if (await looked) throw error;
    return null;
  }
  let counts = false;
  try {
    counts = await looked;
  } finally {
    if (!counts) await result[Symbol.asyncDispose]();
  }
  return counts ? result : null;
}

function abortError(signal: AbortSignal): MillraceError {
  const reason: unknown = signal.reason;
  return reason instanceof MillraceError ? reason : new MillraceError("query_cancelled", "The query was cancelled.");
}
