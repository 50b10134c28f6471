import type { JSONValue, Statements } from "../../../storage/index.ts";

export interface BlockRow {
  readonly seq: string;
  readonly hash: string;
  readonly bytes: Uint8Array;
  readonly statistics: unknown;
}

export interface NewBlockRow {
  readonly seq: number;
  readonly hash: string;
  readonly bytes: Uint8Array;
  readonly statistics: JSONValue;
}

/** A row that was damaged or is another chain's is written over; one that is right stays untouched. */
export const upsertBlocks = (sql: Statements, datasetId: string, rows: readonly NewBlockRow[]) => sql`
  INSERT INTO chain_blocks ${sql(
    rows.map(({ seq, hash, bytes, statistics }) => ({
      dataset_id: datasetId,
      seq,
      hash,
      bytes: Buffer.from(bytes),
      statistics: statistics === null ? null : sql.json(statistics),
    })),
  )}
  ON CONFLICT (dataset_id, seq) DO UPDATE
  SET hash = excluded.hash, bytes = excluded.bytes, statistics = excluded.statistics
  WHERE chain_blocks.hash <> excluded.hash OR chain_blocks.bytes <> excluded.bytes`;

export const selectHash = (sql: Statements, datasetId: string, seq: number) => sql<{ hash: string }[]>`
  SELECT hash FROM chain_blocks WHERE dataset_id = ${datasetId} AND seq = ${seq}
  UNION ALL SELECT head FROM chain_checkpoints WHERE dataset_id = ${datasetId} AND seq = ${seq}`;

export const selectBlocks = (sql: Statements, datasetId: string, after: number, limit: number) => sql<BlockRow[]>`
  SELECT seq, hash, bytes, statistics FROM chain_blocks
  WHERE dataset_id = ${datasetId} AND seq > ${after}
  ORDER BY seq LIMIT ${limit}`;

export const deleteBlocks = (sql: Statements, datasetId: string) =>
  sql`DELETE FROM chain_blocks WHERE dataset_id = ${datasetId}`;

export const deleteAllBlocks = (sql: Statements) => sql`DELETE FROM chain_blocks`;
