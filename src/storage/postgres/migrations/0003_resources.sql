-- Everything that people declare: projects, datasets, users, tokens, grants, ...
CREATE TABLE resources (
  id uuid PRIMARY KEY,
  kind text NOT NULL,
  project text NOT NULL DEFAULT '',
  name text NOT NULL,
  generation bigint NOT NULL,
  labels jsonb NOT NULL,
  spec jsonb NOT NULL,
  status jsonb NOT NULL DEFAULT '{}',
  created_at timestamptz NOT NULL,
  updated_at timestamptz NOT NULL,
  updated_by text NOT NULL,
  UNIQUE (kind, project, name)
);
CREATE INDEX resources_labels ON resources USING gin (labels);
-- How far the mirror in the object store has come in the order of events.
CREATE TABLE mirror_progress (
  only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
  position bigint NOT NULL
);
