import { z } from "zod";
import { type Instant, instant, type TaskId } from "../base/index.ts";
import type { TaskRow } from "./sql/tasks.ts";

export type TaskState = "queued" | "running" | "done" | "failed" | "cancelled";

export interface TaskProgress {
  readonly done: number;
  readonly total: number | null;
  readonly text: string | null;
}

/** One queued unit of work. */
export interface Task {
  readonly id: TaskId;
  readonly kind: string;
  readonly key: string | null;
  readonly project: string | null;
  readonly payload: unknown;
  readonly state: TaskState;
  readonly priority: number;
  /** How much of a runner it takes while it runs. */
  readonly tokens: number;
  readonly attempts: number;
  readonly maxAttempts: number;
  readonly deadline: Instant | null;
  readonly progress: TaskProgress | null;
  readonly result: unknown;
  readonly error: string | null;
  readonly createdAt: Instant;
  readonly startedAt: Instant | null;
  readonly endedAt: Instant | null;
}

const state = z.enum(["queued", "running", "done", "failed", "cancelled"]);
const progress = z.object({ done: z.number(), total: z.number().nullable(), text: z.string().nullable() }).nullable();
const time = (at: Date | null) => (at === null ? null : instant(at.getTime()));

export function taskOf(row: TaskRow): Task {
  return {
    id: row.id as TaskId, // made by this room alone
    kind: row.kind,
    key: row.key,
    project: row.project,
    payload: row.payload,
    state: state.parse(row.state),
    priority: row.priority,
    tokens: row.tokens,
    attempts: row.attempts,
    maxAttempts: row.max_attempts,
    deadline: time(row.deadline),
    progress: progress.parse(row.progress),
    result: row.result,
    error: row.error,
    createdAt: instant(row.created_at.getTime()),
    startedAt: time(row.started_at),
    endedAt: time(row.ended_at),
  };
}
