import type { Statements } from "../../../storage/index.ts";

export interface DatasetRow {
  readonly id: string;
  readonly project: string;
  readonly name: string;
  readonly created_at: Date;
}

export const insertDatasets = (sql: Statements, rows: readonly DatasetRow[]) => sql`
  INSERT INTO datasets ${sql(rows, "id", "project", "name", "created_at")}
  ON CONFLICT DO NOTHING`;

export const selectDatasetByName = (sql: Statements, project: string, name: string) => sql<DatasetRow[]>`
  SELECT id, project, name, created_at FROM datasets WHERE project = ${project} AND name = ${name}`;

/** In order of `project.name` by code point, whatever the database's collation; behind `after`, at most `limit`. */
export const selectDatasets = (sql: Statements, project: string | null, after: string, limit: number | null) => sql<
  DatasetRow[]
>`
  SELECT id, project, name, created_at FROM datasets
  WHERE (${project}::text IS NULL OR project = ${project})
    AND (project || '.' || name) COLLATE "C" > ${after}
  ORDER BY (project || '.' || name) COLLATE "C" LIMIT ${limit}`;

export const deleteDataset = (sql: Statements, id: string) => sql`DELETE FROM datasets WHERE id = ${id}`;

export const deleteAllDatasets = (sql: Statements) => sql`DELETE FROM datasets`;
