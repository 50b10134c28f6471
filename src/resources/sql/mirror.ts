import type { Statements } from "../../storage/index.ts";

export const insertChange = (sql: Statements, change: { position: number; address: string; body: string }) => sql`
  INSERT INTO resource_changes (position, address, body) VALUES (${change.position}, ${change.address}, ${change.body})`;

export const selectChanges = (sql: Statements, limit: number) => sql<{ position: string; body: string }[]>`
  SELECT position, body FROM resource_changes ORDER BY position LIMIT ${limit}`;

export const selectChange = (sql: Statements, position: number) => sql<{ body: string }[]>`
  SELECT body FROM resource_changes WHERE position = ${position}`;

/** The newest change of a name that the mirror does not hold yet. */
export const selectWaiting = (sql: Statements, address: string) => sql<{ position: string | null }[]>`
  SELECT max(position)::text AS position FROM resource_changes WHERE address = ${address}`;

export const selectProgress = (sql: Statements) => sql<{ position: string }[]>`SELECT position FROM mirror_progress`;

/** What the mirror holds is told and let go in one statement: a change is always in one of the two. */
export const saveProgress = (sql: Statements, position: number) => sql`
  WITH mirrored AS (DELETE FROM resource_changes WHERE position <= ${position})
  INSERT INTO mirror_progress (position) VALUES (${position})
  ON CONFLICT (only_row) DO UPDATE SET position = greatest(mirror_progress.position, excluded.position)`;
