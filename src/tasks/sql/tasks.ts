import type { JSONValue, Statements } from "../../storage/index.ts";

export interface TaskRow {
  readonly id: string;
  readonly kind: string;
  readonly key: string | null;
  readonly project: string | null;
  readonly payload: unknown;
  readonly state: string;
  readonly priority: number;
  readonly tokens: number;
  readonly attempts: number;
  readonly max_attempts: number;
  readonly deadline: Date | null;
  readonly progress: unknown;
  readonly result: unknown;
  readonly error: string | null;
  readonly created_at: Date;
  readonly started_at: Date | null;
  readonly ended_at: Date | null;
}

export interface NewTaskRow {
  readonly id: string;
  readonly kind: string;
  readonly key: string | null;
  readonly project: string | null;
  readonly payload: JSONValue;
  readonly priority: number;
  readonly tokens: number;
  readonly maxAttempts: number;
  readonly notBefore: Date;
  readonly deadline: Date | null;
  readonly createdAt: Date;
}

export const insertTask = (sql: Statements, task: NewTaskRow) => sql<TaskRow[]>`
  INSERT INTO tasks (id, kind, key, project, payload, state, priority, tokens, max_attempts, not_before, deadline, created_at)
  VALUES (${task.id}, ${task.kind}, ${task.key}, ${task.project}, ${sql.json(task.payload)}, 'queued', ${task.priority},
    ${task.tokens}, ${task.maxAttempts}, ${task.notBefore}, ${task.deadline}, ${task.createdAt})
  ON CONFLICT (kind, key) WHERE key IS NOT NULL AND state IN ('queued', 'running') DO NOTHING
  RETURNING *`;

export const selectLiveByKey = (sql: Statements, kind: string, key: string) => sql<TaskRow[]>`
  SELECT * FROM tasks WHERE kind = ${kind} AND key = ${key} AND state IN ('queued', 'running')`;

export const selectTask = (sql: Statements, id: string) => sql<TaskRow[]>`SELECT * FROM tasks WHERE id = ${id}`;

export const selectTasks = (
  sql: Statements,
  filter: { project: string | null; state: string | null; kind: string | null; before: string | null; limit: number },
) => sql<TaskRow[]>`
  SELECT * FROM tasks
  WHERE (${filter.project}::text IS NULL OR project = ${filter.project})
    AND (${filter.state}::text IS NULL OR state = ${filter.state})
    AND (${filter.kind}::text IS NULL OR kind = ${filter.kind})
    AND (${filter.before}::uuid IS NULL OR id < ${filter.before})
  ORDER BY id DESC LIMIT ${filter.limit}`;

/** Takes the most urgent tasks that this runner has tokens and handlers for; other runners pass over them. */
export const claimTasks = (
  sql: Statements,
  claim: { kinds: readonly string[]; tokens: number; limit: number; holder: string; now: Date; leaseUntil: Date },
) => sql<TaskRow[]>`
  WITH next AS (
    SELECT id, sum(tokens) OVER (ORDER BY priority DESC, not_before, created_at, id) AS held FROM (
      SELECT id, tokens, priority, not_before, created_at FROM tasks
      WHERE state = 'queued' AND not_before <= ${claim.now} AND kind = ANY(${[...claim.kinds]})
      ORDER BY priority DESC, not_before, created_at, id
      LIMIT ${claim.limit} FOR UPDATE SKIP LOCKED) AS waiting
  ), claimed AS (
    UPDATE tasks SET state = 'running', holder = ${claim.holder}, lease_until = ${claim.leaseUntil},
      attempts = attempts + 1, started_at = coalesce(started_at, ${claim.now})
    WHERE id IN (SELECT id FROM next WHERE held <= ${claim.tokens})
    RETURNING *
  ), noted AS (
    INSERT INTO task_attempts (task_id, attempt, holder, started_at)
    SELECT id, attempts, ${claim.holder}, ${claim.now} FROM claimed
  )
  SELECT * FROM claimed ORDER BY priority DESC, created_at`;

/** The holders' lease goes on; ids of tasks that are no longer theirs are left out. */
export const renewLeases = (sql: Statements, holder: string, ids: readonly string[], leaseUntil: Date) => sql<
  { id: string }[]
>`
  UPDATE tasks SET lease_until = ${leaseUntil}
  WHERE id = ANY(${[...ids]}) AND holder = ${holder} AND state = 'running' RETURNING id`;

/**
 * Tasks that wait for a time that was named before the clock went back: those that were due when they were made, and
 * attempts anew that wait longer than any pause between attempts does.
 */
export const bringForward = (sql: Statements, now: Date, farthest: Date) => sql`
  UPDATE tasks SET not_before = ${now}
  WHERE state = 'queued' AND not_before > ${now}
    AND CASE WHEN attempts = 0 THEN not_before = created_at ELSE not_before > ${farthest} END`;

/**
 * Tasks of holders that have gone wait again, or have failed their last attempt. A lease that ends later than any lease can
 * was given before the clock went back.
 */
export const takeOver = (sql: Statements, now: Date, farthest: Date) => sql<TaskRow[]>`
  WITH lost AS (
    UPDATE tasks SET state = CASE WHEN attempts >= max_attempts THEN 'failed' ELSE 'queued' END,
      error = 'its holder was lost', holder = NULL, lease_until = NULL,
      ended_at = CASE WHEN attempts >= max_attempts THEN ${now}::timestamptz END
    WHERE state = 'running' AND (lease_until < ${now} OR lease_until > ${farthest}) RETURNING *
  ), noted AS (
    UPDATE task_attempts SET ended_at = ${now}, outcome = 'lost' FROM lost
    WHERE task_attempts.task_id = lost.id AND task_attempts.attempt = lost.attempts
  )
  SELECT * FROM lost`;

/** Ends an attempt, if the task is still the holder's and at it: a cancelled one stays cancelled. */
export const endAttempt = (
  sql: Statements,
  end: {
    id: string;
    holder: string;
    attempt: number;
    state: string;
    now: Date;
    notBefore: Date;
    result: JSONValue;
    error: string | null;
    outcome: string;
  },
) => sql<TaskRow[]>`
  WITH ended AS (
    UPDATE tasks SET state = ${end.state}, holder = NULL, lease_until = NULL, not_before = ${end.notBefore},
      result = ${sql.json(end.result)}, error = ${end.error},
      ended_at = CASE WHEN ${end.state} = 'queued' THEN NULL ELSE ${end.now}::timestamptz END
    WHERE id = ${end.id} AND holder = ${end.holder} AND attempts = ${end.attempt} AND state = 'running' RETURNING *
  ), noted AS (
    UPDATE task_attempts SET ended_at = ${end.now}, outcome = ${end.outcome}, error = ${end.error} FROM ended
    WHERE task_attempts.task_id = ended.id AND task_attempts.attempt = ended.attempts
  )
  SELECT * FROM ended`;

export const cancelTask = (sql: Statements, id: string, now: Date) => sql<TaskRow[]>`
  UPDATE tasks SET state = 'cancelled', ended_at = ${now}, holder = NULL, lease_until = NULL
  WHERE id = ${id} AND state IN ('queued', 'running') RETURNING *`;

export const updateProgress = (
  sql: Statements,
  { id, holder, attempt }: { id: string; holder: string; attempt: number },
  progress: JSONValue,
) => sql`
  UPDATE tasks SET progress = ${sql.json(progress)}
  WHERE id = ${id} AND holder = ${holder} AND attempts = ${attempt} AND state = 'running'`;
