import type { Instant } from "../../base/index.ts";
import type { Engine } from "../../engines/index.ts";
import type { ResolvedFormat } from "../formats/detect.ts";
import type { Column } from "./types.ts";

/** One request's rows on their way into a slice. */
export interface BatchEntry {
  readonly ingestId: string;
  /** A local file with the decoded body. */
  readonly path: string;
  readonly sizeBytes: number;
  readonly receivedAt: Instant;
  /** What the rows came from, as quarantine names it: a source, or empty. */
  readonly source: string;
  /** Line number of the body's first line. */
  readonly firstLine: number;
}

export interface Batch {
  readonly entries: readonly BatchEntry[];
  readonly format: ResolvedFormat;
  /** The dataset's own columns so far. */
  readonly columns: readonly Column[];
  /** Lower-case names of columns whose type is declared. */
  readonly declared: ReadonlySet<string>;
  /** Columns that the dataset's own definition declares, in their order. */
  readonly declaredColumns?: readonly Column[];
  /** SQL over the row's columns, already checked; null: the column `event_time`, else the system time. */
  readonly eventTime: string | null;
  readonly systemTime: Instant;
  readonly firstOffset: number;
  /** Where new files may be made; a name of the batch's own. */
  readonly workPath: string;
}

export interface Reason {
  readonly reason: string;
  readonly count: number;
  readonly firstLine: number | null;
}

/** What became of an entry. */
export interface Share {
  readonly rows: number;
  readonly quarantined: number;
  readonly reasons: readonly Reason[];
}

export interface Converted {
  readonly columns: readonly Column[];
  readonly rows: number;
  /** The Parquet file of the accepted rows; null where there are none. */
  readonly slicePath: string | null;
  readonly quarantinePath: string | null;
  readonly quarantined: number;
  readonly shares: readonly Share[];
}

export interface ConvertContext {
  readonly engine: Engine;
  readonly signal: AbortSignal;
}
