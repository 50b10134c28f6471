-- Receipts of ingests: what a repeated request is answered with.
CREATE TABLE ingests (
  id text PRIMARY KEY,
  dataset_id text NOT NULL,
  dataset text NOT NULL,
  key text,
  body_hash text,
  receipt jsonb NOT NULL,
  created_at timestamptz NOT NULL
);
CREATE UNIQUE INDEX ingests_key ON ingests (dataset_id, key) WHERE key IS NOT NULL;
CREATE INDEX ingests_age ON ingests (created_at);
