import type { JSONValue, Statements } from "../../storage/index.ts";

export interface EventRow {
  readonly position: string;
  readonly id: string;
  readonly at: Date;
  readonly type: string;
  readonly subject: string;
  readonly project: string | null;
  readonly data: unknown;
}

/** Any number that no other use of advisory locks in this program takes: "EVNT". */
const lockKey = 0x45564e54;

export const lockEvents = (sql: Statements) => sql`SELECT pg_advisory_xact_lock(${lockKey})`;

export const insertEvent = (
  sql: Statements,
  event: { type: string; subject: string; project: string | null; data: JSONValue },
) => sql<{ position: string }[]>`
  WITH added AS (
    INSERT INTO events (type, subject, project, data)
    VALUES (${event.type}, ${event.subject}, ${event.project}, ${sql.json(event.data)})
    RETURNING position
  )
  SELECT position, pg_notify('events', position::text) FROM added`;

export const selectEvents = (sql: Statements, after: number, limit: number, types: readonly string[] | null) => sql<
  EventRow[]
>`
  SELECT position, id, at, type, subject, project, data FROM events
  WHERE position > ${after} AND (${types === null} OR type = ANY(${types === null ? [] : [...types]}))
  ORDER BY position LIMIT ${limit}`;

/** The newest first. */
export const selectEventsBack = (
  sql: Statements,
  before: number,
  limit: number,
  types: readonly string[] | null,
) => sql<EventRow[]>`
  SELECT position, id, at, type, subject, project, data FROM events
  WHERE position < ${before} AND (${types === null} OR type = ANY(${types === null ? [] : [...types]}))
  ORDER BY position DESC LIMIT ${limit}`;

export const selectNewest = (sql: Statements) => sql<{ position: string }[]>`
  SELECT coalesce(max(position), 0)::text AS position FROM events`;

/** The newest stays, however old: new positions are told from it. */
export const deleteOldEvents = (sql: Statements, before: Date, most: number) => sql`
  DELETE FROM events WHERE position IN (
    SELECT position FROM events WHERE at < ${before} AND position < (SELECT max(position) FROM events)
    ORDER BY position LIMIT ${most})`;
