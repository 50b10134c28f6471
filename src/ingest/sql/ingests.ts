import type { JSONValue, Sql } from "../../storage/index.ts";

export interface IngestRow {
  readonly id: string;
  readonly receipt: unknown;
  readonly body_hash: string | null;
}

export const insertIngest = (
  sql: Sql,
  row: {
    id: string;
    datasetId: string;
    dataset: string;
    key: string | null;
    bodyHash: string | null;
    receipt: JSONValue;
    createdAt: Date;
  },
) => sql`
  INSERT INTO ingests (id, dataset_id, dataset, key, body_hash, receipt, created_at)
  VALUES (${row.id}, ${row.datasetId}, ${row.dataset}, ${row.key}, ${row.bodyHash}, ${sql.json(row.receipt)}, ${row.createdAt})
  ON CONFLICT DO NOTHING`;

export const selectIngest = (sql: Sql, id: string) =>
  sql<IngestRow[]>`SELECT id, receipt, body_hash FROM ingests WHERE id = ${id}`;

export const selectIngestByKey = (sql: Sql, datasetId: string, key: string) => sql<IngestRow[]>`
  SELECT id, receipt, body_hash FROM ingests WHERE dataset_id = ${datasetId} AND key = ${key}`;

/** The oldest, at most `most` of them. */
export const deleteOldIngests = (sql: Sql, before: Date, most: number) => sql`
  DELETE FROM ingests WHERE id IN (SELECT id FROM ingests WHERE created_at < ${before} ORDER BY created_at LIMIT ${most})`;
