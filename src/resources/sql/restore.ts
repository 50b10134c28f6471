import type { JSONValue, Statements } from "../../storage/index.ts";

/** The objects are read between the statements, however long the store takes. */
export const idleAsLongAsItTakes = (sql: Statements) => sql`SET LOCAL idle_in_transaction_session_timeout = 0`;

/** Nobody else changes definitions until the transaction ends. */
export const lockResources = (sql: Statements) => sql`LOCK TABLE resources IN EXCLUSIVE MODE`;

export const countResources = (sql: Statements) => sql<{ count: string }[]>`SELECT count(*) FROM resources`;

export const deleteEverything = (sql: Statements) => sql`
  WITH waiting AS (DELETE FROM resource_changes) DELETE FROM resources`;

/** Definitions as the mirror holds them; what stands under a name is replaced, its id too. */
export const writeDefinitions = (sql: Statements, rows: readonly JSONValue[]) => sql`
  INSERT INTO resources (id, kind, project, name, generation, labels, spec, owners, created_at, updated_at, updated_by)
  SELECT id, kind, project, name, generation, labels, spec, owners, created_at, updated_at, updated_by
  FROM jsonb_to_recordset(${sql.json([...rows])}) AS row (id uuid, kind text, project text, name text,
    generation bigint, labels jsonb, spec jsonb, owners text[], created_at timestamptz, updated_at timestamptz,
    updated_by text)
  ON CONFLICT (kind, project, name) DO UPDATE SET id = excluded.id, generation = excluded.generation,
    labels = excluded.labels, spec = excluded.spec, status = '{}', owners = excluded.owners,
    created_at = excluded.created_at, updated_at = excluded.updated_at, updated_by = excluded.updated_by`;

export const deleteAddresses = (sql: Statements, addresses: readonly string[]) => sql`
  DELETE FROM resources WHERE address = ANY(${[...addresses]})`;

/** New events stand behind all that the mirror holds: a position names one change for ever. */
export const continueAfter = (sql: Statements, position: number) => sql`
  SELECT setval('events_position_seq', greatest(${position}, (SELECT last_value FROM events_position_seq)))`;
