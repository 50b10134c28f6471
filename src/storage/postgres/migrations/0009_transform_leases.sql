-- Which server runs a transform: it spares the others the work. What a chain takes is decided by its log alone.
CREATE TABLE transform_leases (
  dataset_id text PRIMARY KEY,
  holder text NOT NULL,
  held_until timestamptz NOT NULL
);
