import type { Sql } from "../../../storage/index.ts";

export interface DatasetRow {
  readonly id: string;
  readonly project: string;
  readonly name: string;
  readonly created_at: Date;
}

export const insertDataset = (sql: Sql, row: DatasetRow) => sql`
  INSERT INTO datasets (id, project, name, created_at)
  VALUES (${row.id}, ${row.project}, ${row.name}, ${row.created_at})
  ON CONFLICT DO NOTHING`;

export const selectDatasetByName = (sql: Sql, project: string, name: string) => sql<DatasetRow[]>`
  SELECT id, project, name, created_at FROM datasets WHERE project = ${project} AND name = ${name}`;

export const selectDatasets = (sql: Sql, project: string | null) => sql<DatasetRow[]>`
  SELECT id, project, name, created_at FROM datasets
  WHERE ${project}::text IS NULL OR project = ${project}
  ORDER BY project, name`;

export const deleteDataset = (sql: Sql, id: string) => sql`DELETE FROM datasets WHERE id = ${id}`;

export const deleteAllDatasets = (sql: Sql) => sql`DELETE FROM datasets`;
