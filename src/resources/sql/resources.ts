import type { JSONValue, Sql, TransactionSql } from "../../storage/index.ts";

export interface ResourceRow {
  readonly id: string;
  readonly kind: string;
  readonly project: string;
  readonly name: string;
  readonly generation: string;
  readonly labels: unknown;
  readonly spec: unknown;
  readonly status: unknown;
  readonly created_at: Date;
  readonly updated_at: Date;
  readonly updated_by: string;
}

type Any = Sql | TransactionSql;

/** One change of a name at a time, also while no row of that name exists. */
export const lockName = (sql: Any, kind: string, project: string, name: string) => sql`
  SELECT pg_advisory_xact_lock(hashtextextended(${`${kind}/${project}/${name}`}, 0))`;

export const selectForUpdate = (sql: Any, kind: string, project: string, name: string) => sql<ResourceRow[]>`
  SELECT * FROM resources WHERE kind = ${kind} AND project = ${project} AND name = ${name} FOR UPDATE`;

export const selectResource = (sql: Any, kind: string, project: string, name: string) => sql<ResourceRow[]>`
  SELECT * FROM resources WHERE kind = ${kind} AND project = ${project} AND name = ${name}`;

export const selectResources = (
  sql: Any,
  filter: { kind: string; project: string | null; labels: Record<string, string>; after: string; limit: number },
) => sql<ResourceRow[]>`
  SELECT * FROM resources
  WHERE kind = ${filter.kind} AND (${filter.project}::text IS NULL OR project = ${filter.project})
    AND labels @> ${sql.json(filter.labels)} AND project || '/' || name > ${filter.after}
  ORDER BY project || '/' || name LIMIT ${filter.limit}`;

export const countResources = (sql: Any) => sql<{ count: string }[]>`SELECT count(*) FROM resources`;

export interface StoredResource {
  readonly id: string;
  readonly kind: string;
  readonly project: string;
  readonly name: string;
  readonly generation: number;
  readonly labels: JSONValue;
  readonly spec: JSONValue;
  readonly createdAt: Date;
  readonly updatedAt: Date;
  readonly updatedBy: string;
}

/** Inserts, or replaces what stands under the name. */
export const upsertResource = (sql: Any, row: StoredResource) => sql<ResourceRow[]>`
  INSERT INTO resources (id, kind, project, name, generation, labels, spec, created_at, updated_at, updated_by)
  VALUES (${row.id}, ${row.kind}, ${row.project}, ${row.name}, ${row.generation}, ${sql.json(row.labels)},
    ${sql.json(row.spec)}, ${row.createdAt}, ${row.updatedAt}, ${row.updatedBy})
  ON CONFLICT (kind, project, name) DO UPDATE SET
    generation = excluded.generation, labels = excluded.labels, spec = excluded.spec,
    updated_at = excluded.updated_at, updated_by = excluded.updated_by
  RETURNING *`;

export const deleteResource = (sql: Any, kind: string, project: string, name: string) => sql`
  DELETE FROM resources WHERE kind = ${kind} AND project = ${project} AND name = ${name}`;

export const updateStatus = (sql: Any, kind: string, project: string, name: string, status: JSONValue) => sql`
  UPDATE resources SET status = ${sql.json(status)} WHERE kind = ${kind} AND project = ${project} AND name = ${name}`;
