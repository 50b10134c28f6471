import {
  type Clock,
  deadlineSignal,
  delay,
  type Logger,
  MillraceError,
  type Random,
  type Service,
} from "../base/index.ts";
import type { JSONValue, Sql } from "../storage/index.ts";
import type { TaskQueue } from "./queue.ts";
import {
  bringForward,
  claimTasks,
  endAttempt,
  renewLeases,
  type TaskRow,
  takeOver,
  updateProgress,
} from "./sql/tasks.ts";
import { type Task, type TaskProgress, taskOf } from "./task.ts";

export interface TaskContext {
  /** Aborts on cancel, deadline, lost lease and stop. */
  readonly signal: AbortSignal;
  progress(progress: TaskProgress): Promise<void>;
}

export type TaskHandler = (task: Task, context: TaskContext) => Promise<JSONValue | undefined>;

export interface TaskRunnerOptions {
  readonly sql: Sql;
  readonly queue: TaskQueue;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  /** Names this runner; another one of the same name must not run. */
  readonly holder: string;
  /** Tokens that running tasks share. */
  readonly tokens: number;
}

const pollMs = 1_000;
const leaseMs = 15_000;
const claimAtOnce = 20;
/** The longest pause before an attempt anew. */
const longestPauseMs = 300_000;
/** No lease and no pause ends later than this, unless the clock went back. Twice the pause, for clocks of servers differ. */
const farthestMs = 2 * longestPauseMs;
const bringForwardEveryMs = 10_000;
/** Between two tries to save how a task has ended. */
const saveAgainMs = 1_000;
interface AttemptEnd {
  readonly state: string;
  readonly notBefore: Date;
  readonly result: JSONValue;
  readonly error: string | null;
  readonly outcome: string;
}

const forever = new Date("9999-01-01T00:00:00Z");

/**
 * Runs tasks of the kinds that it has handlers for.
 *
 *   queued --claim--> running --done--> done
 *      ^                 |  \--fails for the last time--> failed
 *      '- backs off, or holder lost -'  \--cancel--> cancelled (final)
 */
export class TaskRunner implements Service {
  readonly name = "tasks";
  readonly #options: TaskRunnerOptions;
  readonly #handlers = new Map<string, TaskHandler>();
  readonly #running = new Map<string, { controller: AbortController; tokens: number; ended: Promise<void> }>();
  #stopped = true;
  #forget: () => void = () => {};
  #turn: Promise<void> = Promise.resolve();
  #broughtForwardMs = Number.NEGATIVE_INFINITY;

  constructor(options: TaskRunnerOptions) {
    this.#options = options;
  }

  register(kind: string, handler: TaskHandler): void {
    this.#handlers.set(kind, handler);
  }

  async start(): Promise<void> {
    this.#stopped = false;
    this.#schedule(0);
  }

  /** What runs is aborted and waits again for another runner. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#forget();
    await this.#turn;
    for (const { controller } of this.#running.values())
      controller.abort(new MillraceError("shutting_down", "The server is stopping."));
    await Promise.all([...this.#running.values()].map(({ ended }) => ended));
  }

  #schedule(delayMs: number): void {
    this.#forget = this.#options.clock.timer(delayMs, () => {
      this.#turn = this.#round()
        .catch((error: unknown) => this.#options.log.warn("the task runner failed; it goes on", { error }))
        .finally(() => {
          if (!this.#stopped) this.#schedule(pollMs);
        });
    });
  }

  /** Renews what it holds, takes over what others lost, and claims what it can. */
  async #round(): Promise<void> {
    const { sql, queue, clock, holder, tokens } = this.#options;
    const now = new Date(clock.now());
    const leaseUntil = new Date(clock.now() + leaseMs);
    const held = [...this.#running.keys()];
    if (held.length > 0) {
      const mine = new Set((await renewLeases(sql, holder, held, leaseUntil)).map((row) => row.id));
      for (const [id, { controller }] of this.#running) {
        if (!mine.has(id))
          controller.abort(new MillraceError("query_cancelled", "The task was cancelled, or another runner has it."));
      }
    }
    const farthest = new Date(clock.now() + farthestMs);
    for (const row of await takeOver(sql, now, farthest)) await queue.announce(row);
    if (clock.monotonicMs() - this.#broughtForwardMs >= bringForwardEveryMs) {
      await bringForward(sql, now, farthest);
      this.#broughtForwardMs = clock.monotonicMs();
    }
    const used = [...this.#running.values()].reduce((sum, one) => sum + one.tokens, 0);
    const kinds = [...this.#handlers.keys()];
    if (used >= tokens || kinds.length === 0) return;
    const claimed = await claimTasks(sql, {
      kinds,
      tokens: tokens - used,
      limit: claimAtOnce,
      holder,
      now,
      leaseUntil,
    });
    for (const row of claimed) this.#begin(row);
  }

  #begin(row: TaskRow): void {
    const controller = new AbortController();
    const before = this.#running.get(row.id)?.controller;
    const ended = this.#perform(row, controller).finally(() => {
      if (this.#running.get(row.id)?.controller === controller) this.#running.delete(row.id);
    });
    this.#running.set(row.id, { controller, tokens: row.tokens, ended });
    // This runner was frozen, lost the task, and has claimed it anew: the attempt of before is nobody's.
    before?.abort(new MillraceError("query_cancelled", "Another attempt of the task has begun."));
  }

  async #perform(row: TaskRow, controller: AbortController): Promise<void> {
    const { sql, queue, clock, holder, log } = this.#options;
    const handler = this.#handlers.get(row.kind);
    if (handler === undefined) return;
    await queue.announce(row);
    const leftMs = row.deadline === null ? 2 ** 30 : Math.max(0, row.deadline.getTime() - clock.now());
    using deadline = deadlineSignal(
      clock,
      leftMs,
      () => new MillraceError("query_timeout", "The task did not end by its deadline."),
      controller.signal,
    );
    const context: TaskContext = {
      signal: deadline.signal,
      progress: async (progress) => {
        await updateProgress(sql, { id: row.id, holder, attempt: row.attempts }, { ...progress });
      },
    };
    try {
      const result = await handler(taskOf(row), context);
      const end = { state: "done", notBefore: forever, result: result ?? null, error: null, outcome: "done" };
      await this.#end(row, end, controller.signal);
    } catch (error) {
      if (controller.signal.aborted && !this.#stopped) return; // cancelled or taken over: it is no longer ours to end
      log.warn("a task failed", { taskId: row.id, kind: row.kind, attempt: row.attempts, error });
      await this.#fail(row, error, deadline.signal.aborted && !controller.signal.aborted, controller.signal);
    }
  }

  async #fail(row: TaskRow, error: unknown, overdue: boolean, lost: AbortSignal): Promise<void> {
    const { clock, random } = this.#options;
    const message = error instanceof Error ? error.message : String(error);
    const last = overdue || (!this.#stopped && row.attempts >= row.max_attempts);
    // Full jitter (Brooker, "Exponential Backoff And Jitter"): many failures of one cause do not come back together.
    const waitMs = this.#stopped ? 0 : random.float() * Math.min(longestPauseMs, 1_000 * 2 ** row.attempts);
    const notBefore = last ? forever : new Date(clock.now() + waitMs);
    const state = last ? "failed" : "queued";
    await this.#end(row, { state, notBefore, result: null, error: message, outcome: "failed" }, lost);
  }

  /**
   * Saves how an attempt has ended; while the database is away, again and again, until it is saved or the task is another's.
   * A stopping runner tries once: its lease runs out, and the attempt counts as lost. Never rejects.
   */
  async #end(row: TaskRow, end: AttemptEnd, lost: AbortSignal): Promise<void> {
    const { sql, queue, clock, holder, log } = this.#options;
    for (;;) {
      try {
        const [ended] = await endAttempt(sql, {
          ...{ id: row.id, holder, attempt: row.attempts, now: new Date(clock.now()) },
          ...end,
        });
        if (ended !== undefined) await queue.announce(ended);
        return;
      } catch (error) {
        log.warn("the end of a task could not be saved", { taskId: row.id, state: end.state, error });
      }
      if (this.#stopped || lost.aborted) return;
      await delay(clock, saveAgainMs, lost).catch(() => {});
    }
  }
}
