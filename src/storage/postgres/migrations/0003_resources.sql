-- Everything that people declare: projects, datasets, users, tokens, grants, ...
CREATE TABLE resources (
  id uuid PRIMARY KEY,
  kind text NOT NULL,
  project text NOT NULL DEFAULT '', -- '': of the organization
  name text NOT NULL,
  address text NOT NULL GENERATED ALWAYS AS (kind || '/' || project || '/' || name) STORED UNIQUE,
  generation bigint NOT NULL,
  labels jsonb NOT NULL,
  spec jsonb NOT NULL,
  status jsonb NOT NULL DEFAULT '{}',
  owners text[] NOT NULL, -- addresses of what it cannot be without
  created_at timestamptz NOT NULL,
  updated_at timestamptz NOT NULL,
  updated_by text NOT NULL,
  UNIQUE (kind, project, name)
);
CREATE INDEX resources_labels ON resources USING gin (labels);
CREATE INDEX resources_owners ON resources USING gin (owners);
-- Accepted changes that the mirror in the object store does not hold yet: the exact text of each object.
CREATE TABLE resource_changes (
  position bigint PRIMARY KEY,
  address text NOT NULL,
  body text NOT NULL
);
-- How far the mirror has come in the order of events.
CREATE TABLE mirror_progress (
  only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
  position bigint NOT NULL
);
