import type { JSONValue, Statements } from "../../storage/index.ts";

export interface ResourceRow {
  readonly id: string;
  readonly kind: string;
  readonly project: string;
  readonly name: string;
  readonly address: string;
  readonly generation: string;
  readonly labels: unknown;
  readonly spec: unknown;
  readonly status: unknown;
  readonly owners: readonly string[];
  readonly created_at: Date;
  readonly updated_at: Date;
  readonly updated_by: string;
}

/** One change of a name at a time, also while no row of that name exists. */
export const lockAddress = (sql: Statements, address: string) => sql`
  SELECT pg_advisory_xact_lock(hashtextextended(${address}, 0))`;

/** Owners cannot be deleted while something is made that belongs to them; in one order, so that nobody waits in a circle. */
export const lockOwners = (sql: Statements, addresses: readonly string[]) => sql<{ address: string }[]>`
  SELECT address FROM resources WHERE address = ANY(${[...addresses]}) ORDER BY address FOR KEY SHARE`;

export const selectForChange = (sql: Statements, address: string) => sql<ResourceRow[]>`
  SELECT * FROM resources WHERE address = ${address} FOR NO KEY UPDATE`;

export const selectForDeletion = (sql: Statements, address: string) => sql<ResourceRow[]>`
  SELECT * FROM resources WHERE address = ${address} FOR UPDATE`;

export const selectOwnedForDeletion = (sql: Statements, addresses: readonly string[]) => sql<ResourceRow[]>`
  SELECT * FROM resources WHERE owners && ${[...addresses]} ORDER BY address FOR UPDATE`;

export const selectResource = (sql: Statements, address: string) => sql<ResourceRow[]>`
  SELECT * FROM resources WHERE address = ${address}`;

export const selectResources = (
  sql: Statements,
  filter: {
    kind: string;
    project: string | null;
    labels: Record<string, string>;
    after: { project: string; name: string };
    limit: number;
  },
) => sql<ResourceRow[]>`
  SELECT * FROM resources
  WHERE kind = ${filter.kind} AND (${filter.project}::text IS NULL OR project = ${filter.project})
    AND labels @> ${sql.json(filter.labels)} AND (project, name) > (${filter.after.project}, ${filter.after.name})
  ORDER BY project, name LIMIT ${filter.limit}`;

export const insertResource = (
  sql: Statements,
  row: {
    readonly id: string;
    readonly kind: string;
    readonly project: string;
    readonly name: string;
    readonly generation: number;
    readonly labels: JSONValue;
    readonly spec: JSONValue;
    readonly owners: string[];
    readonly at: Date;
    readonly by: string;
  },
) => sql`
  INSERT INTO resources (id, kind, project, name, generation, labels, spec, owners, created_at, updated_at, updated_by)
  VALUES (${row.id}, ${row.kind}, ${row.project}, ${row.name}, ${row.generation}, ${sql.json(row.labels)},
    ${sql.json(row.spec)}, ${row.owners}, ${row.at}, ${row.at}, ${row.by})`;

export const updateResource = (
  sql: Statements,
  row: {
    readonly id: string;
    readonly generation: number;
    readonly labels: JSONValue;
    readonly spec: JSONValue;
    readonly owners: string[];
    readonly at: Date;
    readonly by: string;
  },
) => sql`
  UPDATE resources SET generation = ${row.generation}, labels = ${sql.json(row.labels)}, spec = ${sql.json(row.spec)},
    owners = ${row.owners}, updated_at = ${row.at}, updated_by = ${row.by}
  WHERE id = ${row.id}`;

export const deleteResources = (sql: Statements, ids: readonly string[]) => sql`
  DELETE FROM resources WHERE id = ANY(${[...ids]})`;

export const updateStatus = (sql: Statements, address: string, status: JSONValue) => sql`
  UPDATE resources SET status = ${sql.json(status)} WHERE address = ${address}`;

export const newestPosition = (sql: Statements) => sql<{ position: string }[]>`
  SELECT coalesce(max(position), 0)::text AS position FROM events`;

export const selectWhole = (sql: Statements) => sql<{ address: string; id: string; spec: JSONValue }[]>`
  SELECT address, id, spec FROM resources ORDER BY address`;
