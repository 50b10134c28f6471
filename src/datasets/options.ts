import type { Clock, DatasetId, DatasetPath, Random, Telemetry } from "../base/index.ts";
import type { Multihash } from "../slices/index.ts";
import type { ObjectStore, Sql } from "../storage/index.ts";
import type { CopyOptions } from "./layout/layouts.ts";
import type { ColumnStatistics } from "./layout/live-slices.ts";
import type { MetadataEvent } from "./odf/index.ts";
import type { SliceReader } from "./verify/slice-reader.ts";

export interface DatasetsOptions {
  readonly store: ObjectStore;
  readonly sql: Sql;
  readonly slices: SliceReader & Partial<StatisticsReader>;
  readonly clock: Clock;
  readonly random: Random;
  readonly telemetry: Telemetry;
  /** Told of every commit of this process, after it; the bus fits it. A failure is logged and loses no data. */
  readonly announce: (commit: CommitNews) => Promise<void>;
  /** Memory for chains that were used lately; default 128 MiB. */
  readonly cacheBytes?: number;
  /** How much of a chain is put together; the same for all who use the store. */
  readonly layout?: LayoutSizes;
  /** Whether chains are kept short behind their commits (the default), or only when `upkeep` is called. */
  readonly keepsUp?: boolean;
  /**
   * Asked behind each log entry that was written or found, before it is believed, and before anything is packed, compacted or deleted.
   * @throws unsupported_version where a newer version has taken the store
   */
  readonly checkFormat?: () => Promise<void>;
  /** With what slices are compacted; absent where this process does not. */
  readonly copies?: CopyOptions;
}

interface StatisticsReader {
  /** Of a Parquet file, as pruning uses them. */
  columnStatistics(path: string, signal: AbortSignal): Promise<readonly ColumnStatistics[]>;
}

export interface LayoutSizes {
  /** Blocks of a pack. */
  readonly packBlocks: number;
  /** Commits from one checkpoint to the next. */
  readonly checkpointBlocks: number;
  /** Blocks of the smallest regions that are compacted, and how many regions make the next larger one. */
  readonly regions?: { readonly first: number; readonly fan: number };
}

export const layoutSizes: LayoutSizes = { packBlocks: 1_024, checkpointBlocks: 64 };

export interface CommitNews {
  readonly datasetId: DatasetId;
  readonly path: DatasetPath | null;
  readonly seq: number;
  readonly block: Multihash;
  readonly kind: MetadataEvent["kind"];
  readonly rows: number;
  readonly bytes: number;
}
