-- The index of chains: for speed only. `millrace reindex` rebuilds it from the object store.
CREATE TABLE datasets (
  id text PRIMARY KEY,
  project text NOT NULL,
  name text NOT NULL,
  created_at timestamptz NOT NULL,
  UNIQUE (project, name)
);
CREATE TABLE chain_blocks (
  dataset_id text NOT NULL,
  seq bigint NOT NULL,
  hash text NOT NULL,
  bytes bytea NOT NULL,
  statistics jsonb,
  PRIMARY KEY (dataset_id, seq)
);
