import { type DatasetId, type DatasetPath, datasetName, type Instant, instant, projectName } from "../../base/index.ts";
import { multihash, sha3Multihash } from "../../slices/index.ts";
import type { JSONValue, Sql } from "../../storage/index.ts";
import type { ChainState } from "../chain/chain.ts";
import type { StoredBlock } from "../chain/stored-block.ts";
import { decodeCheckpoint, encodeCheckpoint } from "../layout/checkpoint.ts";
import { type ColumnStatistics, statisticsShape } from "../layout/live-slices.ts";
import { datasetId, decodeBlock } from "../odf/index.ts";
import { type BlockRow, deleteAllBlocks, deleteBlocks, selectBlocks, selectHash, upsertBlocks } from "./sql/blocks.ts";
import {
  deleteAllCheckpoints,
  deleteCheckpoint,
  selectChain,
  selectEnds,
  upsertCheckpoint,
} from "./sql/checkpoints.ts";
import {
  type DatasetRow,
  deleteAllDatasets,
  deleteDataset,
  insertDatasets,
  selectDatasetByName,
  selectDatasets,
} from "./sql/datasets.ts";

export interface DatasetRef {
  readonly id: DatasetId;
  readonly path: DatasetPath;
  readonly createdAt: Instant;
}

export interface DatasetPage {
  /** Only datasets whose `project.name` comes after this. */
  readonly after?: string;
  readonly limit?: number;
}

export interface IndexedBlock extends StoredBlock {
  readonly statistics: readonly ColumnStatistics[] | null;
}

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

  /** In order of their names by code point. */
  async list(project: string | null, page: DatasetPage = {}): Promise<DatasetRef[]> {
    return (await selectDatasets(this.#sql, project, page.after ?? "", page.limit ?? null)).map(refOf);
  }

  /** False where the name or the id is taken. */
  async add(ref: DatasetRef): Promise<boolean> {
    return (await insertDatasets(this.#sql, [rowOf(ref)])).count === 1;
  }

  async remove(id: DatasetId): Promise<void> {
    await deleteDataset(this.#sql, id);
    await this.removeChain(id);
  }

  /** Makes these the only datasets, without blocks, all at once: a crash leaves the old index. */
  async replaceAll(refs: readonly DatasetRef[]): Promise<void> {
    await this.#sql.begin(async (transaction) => {
      await deleteAllDatasets(transaction);
      await deleteAllBlocks(transaction);
      await deleteAllCheckpoints(transaction);
      for (let at = 0; at < refs.length; at += pageRows)
        await insertDatasets(transaction, refs.slice(at, at + pageRows).map(rowOf));
    });
  }

  async addBlocks(id: DatasetId, blocks: readonly IndexedBlock[]): Promise<void> {
    const rows = blocks.map(({ seq, hash, bytes, statistics }) => {
      const json: JSONValue = statistics === null ? null : statistics.map((one) => ({ ...one }));
      return { seq, hash, bytes, statistics: json };
    });
    await upsertBlocks(this.#sql, id, rows);
  }

  /** Keeps the state of a chain, unless a later one is kept, and drops the blocks that it covers. */
  async setCheckpoint(id: DatasetId, state: ChainState): Promise<void> {
    const { seq, head } = state.tip;
    if (head === null) return;
    await upsertCheckpoint(this.#sql, id, { seq, head, bytes: Buffer.from(encodeCheckpoint(id, state)) });
  }

  async removeChain(id: DatasetId): Promise<void> {
    await deleteCheckpoint(this.#sql, id);
    await deleteBlocks(this.#sql, id);
  }

  /** What the index holds under a sequence number, unproven. */
  async hashAt(id: DatasetId, seq: number): Promise<string | null> {
    return (await selectHash(this.#sql, id, seq))[0]?.hash ?? null;
  }

  /** The blocks that the rest of the index stands on, unproven: the checkpoint's and the newest. */
  async ends(id: DatasetId): Promise<readonly { readonly seq: number; readonly hash: string }[]> {
    return (await selectEnds(this.#sql, id)).map(({ seq, hash }) => ({ seq: Number(seq), hash }));
  }

  /**
   * What the index has of a chain, in one statement where it is not long: a state, if one is kept, and the blocks behind it, in
   * order and without a gap. @throws chain_broken where the state cannot be read
   */
  async chain(id: DatasetId): Promise<{ state: ChainState | null; blocks: AsyncIterable<IndexedBlock> }> {
    const rows = await selectChain(this.#sql, id, pageRows);
    const kept = rows.find((row) => row.is_checkpoint);
    const state = kept === undefined ? null : decodeCheckpoint(id, kept.bytes);
    const behind = rows.filter((row) => !row.is_checkpoint);
    return { state, blocks: this.#blocks(id, state?.tip.seq ?? -1, behind) };
  }

  async *#blocks(id: DatasetId, after: number, firstRows: readonly BlockRow[]): AsyncIterable<IndexedBlock> {
    let seq = after;
    for (let rows = firstRows; ; rows = await selectBlocks(this.#sql, id, seq, pageRows)) {
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

function rowOf({ id, path, createdAt }: DatasetRef): DatasetRow {
  return { id, project: path.project, name: path.dataset, created_at: new Date(createdAt) };
}

function refOf(row: DatasetRow): DatasetRef {
  return {
    id: datasetId(row.id),
    path: { project: projectName(row.project), dataset: datasetName(row.name) },
    createdAt: instant(row.created_at.getTime()),
  };
}
