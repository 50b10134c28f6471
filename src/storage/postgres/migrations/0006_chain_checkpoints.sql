-- The state of each chain behind one of its blocks: a chain is opened from it and the few rows of chain_blocks behind it.
CREATE TABLE chain_checkpoints (
  dataset_id text PRIMARY KEY,
  seq bigint NOT NULL,
  head text NOT NULL,
  bytes bytea NOT NULL
);
