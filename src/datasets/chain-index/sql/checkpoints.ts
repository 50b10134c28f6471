import type { Statements } from "../../../storage/index.ts";
import type { BlockRow } from "./blocks.ts";

export interface ChainRow extends BlockRow {
  readonly is_checkpoint: boolean;
}

/** A dataset's checkpoint and the first blocks behind it; all blocks where it has none. */
export const selectChain = (sql: Statements, datasetId: string, limit: number) => sql<ChainRow[]>`
  WITH kept AS (SELECT seq, head, bytes FROM chain_checkpoints WHERE dataset_id = ${datasetId})
  SELECT true AS is_checkpoint, seq, head AS hash, bytes, NULL::jsonb AS statistics FROM kept
  UNION ALL (
    SELECT false, seq, hash, bytes, statistics FROM chain_blocks
    WHERE dataset_id = ${datasetId} AND seq > coalesce((SELECT seq FROM kept), -1)
    ORDER BY seq LIMIT ${limit}
  )
  ORDER BY is_checkpoint DESC, seq`;

/** The checkpoint and the newest block of a dataset, as far as there are any. */
export const selectEnds = (sql: Statements, datasetId: string) => sql<{ seq: string; hash: string }[]>`
  SELECT seq, head AS hash FROM chain_checkpoints WHERE dataset_id = ${datasetId}
  UNION ALL (
    SELECT seq, hash FROM chain_blocks WHERE dataset_id = ${datasetId} ORDER BY seq DESC LIMIT 1
  )`;

/** One row a dataset, which never goes back; one behind the same block is replaced, for it may list fewer files. The blocks that it covers go. */
export const upsertCheckpoint = (
  sql: Statements,
  datasetId: string,
  { seq, head, bytes }: { readonly seq: number; readonly head: string; readonly bytes: Buffer },
) => sql`
  WITH kept AS (
    INSERT INTO chain_checkpoints (dataset_id, seq, head, bytes)
    VALUES (${datasetId}, ${seq}, ${head}, ${bytes})
    ON CONFLICT (dataset_id) DO UPDATE
    SET seq = excluded.seq, head = excluded.head, bytes = excluded.bytes
    WHERE chain_checkpoints.seq <= excluded.seq
    RETURNING seq
  )
  DELETE FROM chain_blocks WHERE dataset_id = ${datasetId} AND seq <= (SELECT seq FROM kept)`;

export const deleteCheckpoint = (sql: Statements, datasetId: string) =>
  sql`DELETE FROM chain_checkpoints WHERE dataset_id = ${datasetId}`;

export const deleteAllCheckpoints = (sql: Statements) => sql`DELETE FROM chain_checkpoints`;
