import type { Sql, TransactionSql } from "../../storage/index.ts";

type Any = Sql | TransactionSql;

export const insertChange = (sql: Any, change: { position: number; address: string; body: string }) => sql`
  INSERT INTO resource_changes (position, address, body) VALUES (${change.position}, ${change.address}, ${change.body})`;

export const selectChanges = (sql: Any, limit: number) => sql<{ position: string; body: string }[]>`
  SELECT position, body FROM resource_changes ORDER BY position LIMIT ${limit}`;

export const selectChange = (sql: Any, position: number) => sql<{ body: string }[]>`
  SELECT body FROM resource_changes WHERE position = ${position}`;

/** The newest change of a name that the mirror does not hold yet. */
export const selectWaiting = (sql: Any, address: string) => sql<{ position: string | null }[]>`
  SELECT max(position)::text AS position FROM resource_changes WHERE address = ${address}`;

export const selectProgress = (sql: Any) => sql<{ position: string }[]>`SELECT position FROM mirror_progress`;

/** What the mirror holds is told and let go in one statement: a change is always in one of the two. */
export const saveProgress = (sql: Any, position: number) => sql`
  WITH mirrored AS (DELETE FROM resource_changes WHERE position <= ${position})
  INSERT INTO mirror_progress (position) VALUES (${position})
  ON CONFLICT (only_row) DO UPDATE SET position = greatest(mirror_progress.position, excluded.position)`;
