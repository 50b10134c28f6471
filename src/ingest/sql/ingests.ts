import type { JSONValue, Statements } from "../../storage/index.ts";

export interface IngestRow {
  readonly id: string;
  readonly receipt: unknown;
  readonly body_hash: string | null;
  readonly log_id: string | null;
}

/** Takes a key for a log, unless it is taken. */
export const insertClaim = (
  sql: Statements,
  row: { id: string; datasetId: string; dataset: string; key: string; logId: string; receipt: JSONValue; at: Date },
) => sql`
  INSERT INTO ingests (id, dataset_id, dataset, key, log_id, receipt, created_at)
  VALUES (${row.id}, ${row.datasetId}, ${row.dataset}, ${row.key}, ${row.logId}, ${sql.json(row.receipt)}, ${row.at})
  ON CONFLICT DO NOTHING`;

/** Hands a key that a log has taken to another request of the same log. */
export const moveClaim = (
  sql: Statements,
  row: { from: string; to: string; logId: string; receipt: JSONValue; at: Date },
) => sql`
  UPDATE ingests SET id = ${row.to}, receipt = ${sql.json(row.receipt)}, created_at = ${row.at}
  WHERE id = ${row.from} AND log_id = ${row.logId}`;

export const deleteClaim = (sql: Statements, id: string, logId: string) =>
  sql`DELETE FROM ingests WHERE id = ${id} AND log_id = ${logId}`;

/** Claims of a log whose requests it does not hold. */
export const deleteOtherClaims = (sql: Statements, logId: string, held: readonly string[]) =>
  sql`DELETE FROM ingests WHERE log_id = ${logId} AND id <> ALL(${held as string[]}::text[])`;

/** Makes a claim the receipt that it stood for. */
export const endClaim = (sql: Statements, row: { id: string; bodyHash: string | null; receipt: JSONValue }) => sql`
  UPDATE ingests SET receipt = ${sql.json(row.receipt)}, body_hash = ${row.bodyHash}, log_id = NULL
  WHERE id = ${row.id} AND log_id IS NOT NULL`;

export const insertIngest = (
  sql: Statements,
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

export const selectIngest = (sql: Statements, id: string) =>
  sql<IngestRow[]>`SELECT id, receipt, body_hash, log_id FROM ingests WHERE id = ${id}`;

export const selectIngestByKey = (sql: Statements, datasetId: string, key: string) => sql<IngestRow[]>`
  SELECT id, receipt, body_hash, log_id FROM ingests WHERE dataset_id = ${datasetId} AND key = ${key}`;

/** The oldest that have ended, at most `most` of them. */
export const deleteOldIngests = (sql: Statements, before: Date, most: number) => sql`
  DELETE FROM ingests WHERE id IN (SELECT id FROM ingests WHERE created_at < ${before} AND log_id IS NULL ORDER BY created_at LIMIT ${most})`;
