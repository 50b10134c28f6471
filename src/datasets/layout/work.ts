import type { Clock, DatasetId, Disk, Logger, Random } from "../../base/index.ts";
import type { CopyColumn, DataSchema } from "../../slices/index.ts";
import type { ObjectStore } from "../../storage/index.ts";
import type { StoredBlock } from "../chain/stored-block.ts";
import type { ColumnStatistics, LiveSlice, LiveSlices } from "./live-slices.ts";
import type { Regions } from "./region.ts";

/** Offsets, the last one included. */
export interface OffsetRange {
  readonly firstOffset: number;
  readonly lastOffset: number;
}

/** Writes and reads copies; the engines fit it. */
export interface CopyWorker {
  /** Writes one file of the rows of these, which follow each other. @throws bad_input where they are not of these columns */
  writeCopy(
    order: OffsetRange & {
      readonly inputs: readonly ({ readonly path: string } & OffsetRange)[];
      readonly columns: readonly CopyColumn[];
      readonly output: string;
    },
    signal: AbortSignal,
  ): Promise<{
    readonly sizeBytes: number;
    readonly physicalHash: string;
    readonly statistics: readonly ColumnStatistics[];
  }>;
  /** The logical hashes that the slices of these ranges have, from the rows of a copy of them. @throws bad_input */
  rangeHashes(
    order: {
      readonly path: string;
      readonly columns: readonly CopyColumn[];
      readonly ranges: readonly OffsetRange[];
    },
    signal: AbortSignal,
  ): Promise<readonly string[]>;
}

/** What work on layouts is done with. */
export interface LayoutTools {
  readonly store: ObjectStore;
  readonly worker: CopyWorker;
  readonly disk: Disk;
  /** Where copies are written before they are stored. */
  readonly directory: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly regions: Regions;
  /** Files of this size and more are never rewritten; smaller ones are merged up to it. */
  readonly targetBytes: number;
  /** Readers that began before have this long to end, before what a copy has replaced is deleted. */
  readonly graceMs: number;
}

/** A dataset whose layout is worked on. */
export interface LaidOut {
  readonly id: DatasetId;
  readonly newest: number;
  readonly schemas: readonly { readonly seq: number; readonly schema: DataSchema }[];
  /** Its files as this process reads them now. */
  readonly slices: LiveSlices;
  /** Committed blocks in order, `to` included. */
  blocks(from: number, to: number, signal: AbortSignal): AsyncIterable<StoredBlock>;
  /** Rows of these offsets are read from these files from now on. */
  replaced(files: readonly LiveSlice[]): void;
  /** Rows below the offset are read no more. */
  expired(offset: number): void;
  /** Held open by a reader in this process. */
  isOpen(object: { readonly key: string }): boolean;
}

/** Told of what is done, and what is known to be in all. */
export type LayoutProgress = (done: number, total: number, text: string) => Promise<void> | void;
