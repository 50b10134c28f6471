import type { JSONValue, Sql } from "../../../storage/index.ts";

export interface BlockRow {
  readonly seq: string;
  readonly hash: string;
  readonly bytes: Uint8Array;
  readonly statistics: unknown;
}

export const insertBlock = (
  sql: Sql,
  datasetId: string,
  row: { seq: number; hash: string; bytes: Uint8Array; statistics: JSONValue },
) => sql`
  INSERT INTO chain_blocks (dataset_id, seq, hash, bytes, statistics)
  VALUES (${datasetId}, ${row.seq}, ${row.hash}, ${Buffer.from(row.bytes)}, ${row.statistics === null ? null : sql.json(row.statistics)})
  ON CONFLICT DO NOTHING`;

export const selectBlocks = (sql: Sql, datasetId: string, after: number, limit: number) => sql<BlockRow[]>`
  SELECT seq, hash, bytes, statistics FROM chain_blocks
  WHERE dataset_id = ${datasetId} AND seq > ${after}
  ORDER BY seq LIMIT ${limit}`;

export const deleteBlocks = (sql: Sql, datasetId: string) =>
  sql`DELETE FROM chain_blocks WHERE dataset_id = ${datasetId}`;

export const deleteAllBlocks = (sql: Sql) => sql`DELETE FROM chain_blocks`;
