-- Queued units of work, and what became of each attempt.
CREATE TABLE tasks (
  id uuid PRIMARY KEY,
  kind text NOT NULL,
  key text,
  project text,
  payload jsonb NOT NULL,
  state text NOT NULL CHECK (state IN ('queued', 'running', 'done', 'failed', 'cancelled')),
  priority integer NOT NULL,
  tokens integer NOT NULL,
  attempts integer NOT NULL DEFAULT 0,
  max_attempts integer NOT NULL,
  not_before timestamptz NOT NULL,
  deadline timestamptz,
  holder text,
  lease_until timestamptz,
  progress jsonb,
  result jsonb,
  error text,
  created_at timestamptz NOT NULL,
  started_at timestamptz,
  ended_at timestamptz
);
CREATE INDEX tasks_waiting ON tasks (priority DESC, not_before, created_at) WHERE state = 'queued';
CREATE INDEX tasks_leased ON tasks (lease_until) WHERE state = 'running';
-- While a task of a key waits or runs, another of that key is the same task.
CREATE UNIQUE INDEX tasks_key ON tasks (kind, key) WHERE key IS NOT NULL AND state IN ('queued', 'running');
CREATE TABLE task_attempts (
  task_id uuid NOT NULL REFERENCES tasks ON DELETE CASCADE,
  attempt integer NOT NULL,
  holder text NOT NULL,
  started_at timestamptz NOT NULL,
  ended_at timestamptz,
  outcome text,
  error text,
  PRIMARY KEY (task_id, attempt)
);
