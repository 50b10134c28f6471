-- The event bus: one ordered log, and the cursors of its durable subscribers.
CREATE TABLE events (
  position bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  id uuid NOT NULL DEFAULT gen_random_uuid(),
  at timestamptz NOT NULL DEFAULT clock_timestamp(),
  type text NOT NULL,
  subject text NOT NULL,
  project text,
  data jsonb NOT NULL
);
CREATE TABLE event_subscriptions (
  name text PRIMARY KEY,
  position bigint NOT NULL,
  updated_at timestamptz NOT NULL DEFAULT now()
);
