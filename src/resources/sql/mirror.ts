import type { Sql } from "../../storage/index.ts";

export const selectProgress = (sql: Sql) => sql<{ position: string }[]>`SELECT position FROM mirror_progress`;

export const saveProgress = (sql: Sql, position: number) => sql`
  INSERT INTO mirror_progress (position) VALUES (${position})
  ON CONFLICT (only_row) DO UPDATE SET position = greatest(mirror_progress.position, excluded.position)`;

export const selectChanges = (sql: Sql, after: number, limit: number) => sql<
  { position: string; type: string; data: unknown }[]
>`
  SELECT position, type, data FROM events
  WHERE position > ${after} AND type IN ('resource.applied', 'resource.deleted')
  ORDER BY position LIMIT ${limit}`;
