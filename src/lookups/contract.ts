import type { Clock, DatasetPath, Disk, IdSource, Instant, MillraceError, Telemetry } from "../base/index.ts";
import type { EventBus } from "../bus/index.ts";
import type { Datasets } from "../datasets/index.ts";
import type { Engine } from "../engines/index.ts";
import type { Resources } from "../resources/index.ts";
import type { Address } from "./store/arena.ts";

export interface LookupsOptions {
  readonly resources: Resources;
  readonly datasets: Datasets;
  readonly engine: Pick<Engine, "query">;
  readonly bus: Pick<EventBus, "newest" | "tail">;
  readonly disk: Disk;
  readonly clock: Clock;
  readonly ids: IdSource;
  readonly telemetry: Telemetry;
  /** Told when a lookup's state has changed, and now and then while it moves. */
  readonly record: (record: LookupState) => void;
}

export interface LookupName {
  readonly project: string;
  readonly name: string;
}

/**
 * loading: no row is served yet. ready: rows are served, maybe some commits behind. failed: nothing is served, and `problem`
 * says why; it is tried again.
 */
export interface LookupState extends LookupName {
  readonly at: Instant;
  readonly dataset: DatasetPath;
  readonly key: readonly string[];
  readonly state: "loading" | "ready" | "failed";
  readonly entries: number;
  readonly bytes: number;
  /** Rows of the dataset below this offset have been taken in. */
  readonly appliedOffset: number;
  /** Known rows of the dataset that have not. */
  readonly behindRows: number;
  /** Since the first commit that has not been taken in was heard of; 0 where there is none. */
  readonly behindMs: number;
  /** Rows without a place here: a column of the key is null, or the key is too long. Counted since the last whole load. */
  readonly skippedRows: number;
  readonly problem: MillraceError | null;
}

/** Rows by key, as a door reads them. An address holds until control goes back to the event loop. */
export interface LookupRows {
  readonly entries: number;
  /** The address of a key's row; 0 where there is none. */
  find(source: Uint8Array, start: number, end: number): Address;
  rowBytes(address: Address): number;
  /** @returns where the copy ends */
  copyRow(address: Address, target: Uint8Array, at: number): number;
  row(address: Address): Buffer;
  visit(position: number, places: number, take: (key: Buffer, address: Address) => void): number | null;
}

export interface Lookup extends LookupName {
  /** Grows with each lookup that this process has begun to hold, and is never used again. */
  readonly ordinal: number;
  readonly dataset: DatasetPath;
  readonly state: LookupState;
  /** null until the first load is done. */
  readonly rows: LookupRows | null;
}
