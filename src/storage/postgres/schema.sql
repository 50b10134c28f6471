-- Every table, as the migrations leave it. Written by `npm run schema`; a test holds it.

CREATE TABLE chain_blocks (
  dataset_id text NOT NULL,
  seq bigint NOT NULL,
  hash text NOT NULL,
  bytes bytea NOT NULL,
  statistics jsonb,
  PRIMARY KEY (dataset_id, seq)
);

CREATE TABLE chain_checkpoints (
  dataset_id text NOT NULL,
  seq bigint NOT NULL,
  head text NOT NULL,
  bytes bytea NOT NULL,
  PRIMARY KEY (dataset_id)
);

CREATE TABLE datasets (
  id text NOT NULL,
  project text NOT NULL,
  name text NOT NULL,
  created_at timestamp with time zone NOT NULL,
  UNIQUE (project, name),
  PRIMARY KEY (id)
);

CREATE TABLE event_subscriptions (
  name text NOT NULL,
  position bigint NOT NULL,
  updated_at timestamp with time zone NOT NULL DEFAULT now(),
  PRIMARY KEY (name)
);

CREATE TABLE events (
  position bigint GENERATED ALWAYS AS IDENTITY NOT NULL,
  id uuid NOT NULL DEFAULT gen_random_uuid(),
  at timestamp with time zone NOT NULL DEFAULT clock_timestamp(),
  type text NOT NULL,
  subject text NOT NULL,
  project text,
  data jsonb NOT NULL,
  PRIMARY KEY ("position")
);
CREATE INDEX events_age ON public.events USING btree (at);

CREATE TABLE ingests (
  id text NOT NULL,
  dataset_id text NOT NULL,
  dataset text NOT NULL,
  key text,
  body_hash text,
  receipt jsonb NOT NULL,
  created_at timestamp with time zone NOT NULL,
  log_id text,
  PRIMARY KEY (id)
);
CREATE INDEX ingests_age ON public.ingests USING btree (created_at);
CREATE INDEX ingests_claims ON public.ingests USING btree (log_id) WHERE (log_id IS NOT NULL);
CREATE UNIQUE INDEX ingests_key ON public.ingests USING btree (dataset_id, key) WHERE (key IS NOT NULL);

CREATE TABLE migrations (
  name text NOT NULL,
  hash text NOT NULL,
  applied_at timestamp with time zone NOT NULL DEFAULT now(),
  PRIMARY KEY (name)
);

CREATE TABLE mirror_progress (
  only_row boolean NOT NULL DEFAULT true,
  position bigint NOT NULL,
  PRIMARY KEY (only_row),
  CHECK (only_row)
);

CREATE TABLE resource_changes (
  position bigint NOT NULL,
  address text NOT NULL,
  body text NOT NULL,
  PRIMARY KEY ("position")
);

CREATE TABLE resources (
  id uuid NOT NULL,
  kind text NOT NULL,
  project text NOT NULL DEFAULT ''::text,
  name text NOT NULL,
  address text NOT NULL DEFAULT ((((kind || '/'::text) || project) || '/'::text) || name),
  generation bigint NOT NULL,
  labels jsonb NOT NULL,
  spec jsonb NOT NULL,
  status jsonb NOT NULL DEFAULT '{}'::jsonb,
  owners text[] NOT NULL,
  created_at timestamp with time zone NOT NULL,
  updated_at timestamp with time zone NOT NULL,
  updated_by text NOT NULL,
  UNIQUE (address),
  UNIQUE (kind, project, name),
  PRIMARY KEY (id)
);
CREATE INDEX resources_labels ON public.resources USING gin (labels);
CREATE INDEX resources_owners ON public.resources USING gin (owners);

CREATE TABLE task_attempts (
  task_id uuid NOT NULL,
  attempt integer NOT NULL,
  holder text NOT NULL,
  started_at timestamp with time zone NOT NULL,
  ended_at timestamp with time zone,
  outcome text,
  error text,
  PRIMARY KEY (task_id, attempt),
  FOREIGN KEY (task_id) REFERENCES tasks(id) ON DELETE CASCADE
);

CREATE TABLE tasks (
  id uuid NOT NULL,
  kind text NOT NULL,
  key text,
  project text,
  payload jsonb NOT NULL,
  state text NOT NULL,
  priority integer NOT NULL,
  tokens integer NOT NULL,
  attempts integer NOT NULL DEFAULT 0,
  max_attempts integer NOT NULL,
  not_before timestamp with time zone NOT NULL,
  deadline timestamp with time zone,
  holder text,
  lease_until timestamp with time zone,
  progress jsonb,
  result jsonb,
  error text,
  created_at timestamp with time zone NOT NULL,
  started_at timestamp with time zone,
  ended_at timestamp with time zone,
  PRIMARY KEY (id),
  CHECK ((state = ANY (ARRAY['queued'::text, 'running'::text, 'done'::text, 'failed'::text, 'cancelled'::text])))
);
CREATE UNIQUE INDEX tasks_key ON public.tasks USING btree (kind, key) WHERE ((key IS NOT NULL) AND (state = ANY (ARRAY['queued'::text, 'running'::text])));
CREATE INDEX tasks_leased ON public.tasks USING btree (lease_until) WHERE (state = 'running'::text);
CREATE INDEX tasks_waiting ON public.tasks USING btree (priority DESC, not_before, created_at) WHERE (state = 'queued'::text);

CREATE TABLE transform_leases (
  dataset_id text NOT NULL,
  holder text NOT NULL,
  held_until timestamp with time zone NOT NULL,
  PRIMARY KEY (dataset_id)
);
