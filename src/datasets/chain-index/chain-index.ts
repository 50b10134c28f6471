import { z } from "zod";
import { type DatasetId, type DatasetPath, datasetName, type Instant, instant, projectName } from "../../base/index.ts";
import { multihash, sha3Multihash } from "../../slices/index.ts";
import type { JSONValue, Sql } from "../../storage/index.ts";
import type { ColumnStatistics } from "../chain/chain.ts";
import type { StoredBlock } from "../chain/log.ts";
import { datasetId, decodeBlock } from "../odf/index.ts";
import { deleteAllBlocks, deleteBlocks, insertBlock, selectBlocks } from "./sql/blocks.ts";
import {
  type DatasetRow,
  deleteAllDatasets,
  deleteDataset,
  insertDataset,
  selectDatasetByName,
  selectDatasets,
} from "./sql/datasets.ts";

export interface DatasetRef {
  readonly id: DatasetId;
  readonly path: DatasetPath;
  readonly createdAt: Instant;
}

export interface IndexedBlock extends StoredBlock {
  readonly statistics: readonly ColumnStatistics[] | null;
}

export const statisticsShape: z.ZodType<readonly ColumnStatistics[]> = z.array(
  z.object({
    column: z.string(),
    type: z.string(),
    nullCount: z.number().nullable(),
    min: z.string().nullable(),
    max: z.string().nullable(),
  }),
);

const pageRows = 1_000;

/** The index of chains in PostgreSQL: a copy, never the truth. What it says of a block is checked against the block's name. */
export class ChainIndex {
  readonly #sql: Sql;

  constructor(sql: Sql) {
    this.#sql = sql;
  }

  async find(path: DatasetPath): Promise<DatasetRef | null> {
    const [row] = await selectDatasetByName(this.#sql, path.project, path.dataset);
    return row === undefined ? null : refOf(row);
  }

  async list(project: string | null): Promise<DatasetRef[]> {
    return (await selectDatasets(this.#sql, project)).map(refOf);
  }

  /** False where the name or the id is taken. */
  async add(ref: DatasetRef): Promise<boolean> {
    const { id, path, createdAt } = ref;
    const added = await insertDataset(this.#sql, {
      id,
      project: path.project,
      name: path.dataset,
      created_at: new Date(createdAt),
    });
    return added.count === 1;
  }

  async remove(id: DatasetId): Promise<void> {
    await deleteDataset(this.#sql, id);
    await deleteBlocks(this.#sql, id);
  }

  async clear(): Promise<void> {
    await deleteAllDatasets(this.#sql);
    await deleteAllBlocks(this.#sql);
  }

  async addBlock(id: DatasetId, stored: StoredBlock, statistics: readonly ColumnStatistics[] | null): Promise<void> {
    const json: JSONValue = statistics === null ? null : statistics.map((one) => ({ ...one }));
    await insertBlock(this.#sql, id, { seq: stored.seq, hash: stored.hash, bytes: stored.bytes, statistics: json });
  }

  /** Blocks behind `after`, in order and without a gap, as far as the index has them. */
  async *blocks(id: DatasetId, after: number): AsyncIterable<IndexedBlock> {
    for (let seq = after; ; ) {
      const rows = await selectBlocks(this.#sql, id, seq, pageRows);
      for (const row of rows) {
        const hash = multihash(row.hash);
        if (Number(row.seq) !== seq + 1 || sha3Multihash(row.bytes) !== hash) return;
        const statistics = statisticsShape.safeParse(row.statistics);
        seq++;
        yield {
          seq,
          hash,
          bytes: row.bytes,
          block: decodeBlock(row.bytes),
          statistics: statistics.success ? statistics.data : null,
        };
      }
      if (rows.length < pageRows) return;
    }
  }
}

function refOf(row: DatasetRow): DatasetRef {
  return {
    id: datasetId(row.id),
    path: { project: projectName(row.project), dataset: datasetName(row.name) },
    createdAt: instant(row.created_at.getTime()),
  };
}
