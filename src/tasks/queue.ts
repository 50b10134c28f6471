import { type Clock, type IdSource, type Instant, type Logger, MillraceError, type TaskId } from "../base/index.ts";
import type { JSONValue, Sql, Statements } from "../storage/index.ts";
import { cancelTask, insertTask, selectLiveByKey, selectTask, selectTasks, type TaskRow } from "./sql/tasks.ts";
import { type Task, taskOf } from "./task.ts";

export interface NewTask {
  readonly kind: string;
  readonly payload: JSONValue;
  readonly project?: string;
  /** While a task of the kind and key waits or runs, another is the same task. */
  readonly key?: string;
  /** Greater goes first; 0 unless said. */
  readonly priority?: number;
  readonly tokens?: number;
  readonly maxAttempts?: number;
  readonly notBefore?: Instant;
  readonly deadline?: Instant;
}

/** The bus fits it. */
export interface TaskEvents {
  append(
    event: { type: string; subject: string; project?: string | null; data: JSONValue },
    transaction?: Statements,
  ): Promise<number>;
}

export interface TaskQueueOptions {
  readonly sql: Sql;
  readonly events: TaskEvents;
  readonly clock: Clock;
  readonly ids: IdSource;
  readonly log: Logger;
}

export interface TaskFilter {
  readonly project: string | null;
  readonly state: string | null;
  readonly kind: string | null;
  readonly before: string | null;
  readonly limit: number;
}

const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** Work that outlives the process that asked for it. */
export class TaskQueue {
  readonly #options: TaskQueueOptions;

  constructor(options: TaskQueueOptions) {
    this.#options = options;
  }

  async enqueue(task: NewTask, transaction?: Statements): Promise<Task> {
    const { sql, clock, ids } = this.#options;
    const now = new Date(clock.now());
    const [row] = await insertTask(transaction ?? sql, {
      id: ids.uuid(),
      kind: task.kind,
      key: task.key ?? null,
      project: task.project ?? null,
      payload: task.payload,
      priority: task.priority ?? 0,
      tokens: task.tokens ?? 1,
      maxAttempts: task.maxAttempts ?? 5,
      notBefore: task.notBefore === undefined ? now : new Date(task.notBefore),
      deadline: task.deadline === undefined ? null : new Date(task.deadline),
      createdAt: now,
    });
    if (row !== undefined) {
      await this.announce(row);
      return taskOf(row);
    }
    const [same] = await selectLiveByKey(transaction ?? sql, task.kind, task.key ?? "");
    if (same !== undefined) return taskOf(same);
    return await this.enqueue(task, transaction); // the other one has just ended
  }

  async get(id: TaskId): Promise<Task | null> {
    if (!uuid.test(id)) return null;
    const [row] = await selectTask(this.#options.sql, id);
    return row === undefined ? null : taskOf(row);
  }

  /** Newest first. */
  async list(filter: TaskFilter): Promise<Task[]> {
    return (await selectTasks(this.#options.sql, filter)).map(taskOf);
  }

  /** Cancelled for good: a runner that has it is told, and what it answers later is not taken. @throws not_found, conflict */
  async cancel(id: TaskId): Promise<Task> {
    const { sql, clock } = this.#options;
    const [row] = await cancelTask(sql, id, new Date(clock.now()));
    if (row !== undefined) {
      await this.announce(row);
      return taskOf(row);
    }
    const known = await this.get(id);
    if (known === null) throw new MillraceError("not_found", "There is no such task.");
    throw new MillraceError("conflict", `The task is ${known.state} already.`);
  }

  /** Tells the bus; a lost event costs a runner one poll. */
  async announce(row: TaskRow): Promise<void> {
    const { events, log } = this.#options;
    const data = { id: row.id, kind: row.kind, state: row.state, attempts: row.attempts, error: row.error };
    try {
      await events.append({ type: "task.changed", subject: row.id, project: row.project, data });
    } catch (error) {
      log.warn("a task's change was not announced", { taskId: row.id, error });
    }
  }
}
