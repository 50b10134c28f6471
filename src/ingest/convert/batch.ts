import type { Instant, TraceId } from "../../base/index.ts";
import type { Engine } from "../../engines/index.ts";
import type { ResolvedFormat } from "../formats/detect.ts";
import type { Column } from "./types.ts";

/** One request's rows on their way into a slice. */
export interface BatchEntry {
  readonly ingestId: string;
  /** Where the decoded body stands in the batch's file. */
  readonly start: number;
  readonly sizeBytes: number;
  /** Lines that are not blank; null where nobody counted. */
  readonly lines: number | null;
  readonly receivedAt: Instant;
  /** What the rows came from, as quarantine names it: a source, or empty. */
  readonly source: string;
  /** Line number of the body's first line. */
  readonly firstLine: number;
}

export interface Batch {
  /** A local file with the bodies of all entries, each ended by a line break where its format has lines. */
  readonly path: string;
  /** Free bytes at the file's beginning, which conversion may write to. */
  readonly headBytes: number;
  readonly entries: readonly BatchEntry[];
  readonly format: ResolvedFormat;
  /** The dataset's own columns so far. */
  readonly columns: readonly Column[];
  /** Lower-case names of columns whose type is declared. */
  readonly declared: ReadonlySet<string>;
  /** Columns that the dataset's own definition declares, in their order. */
  readonly declaredColumns?: readonly Column[];
  /** SQL over the row's columns, already checked: the event time of rows without an `event_time` of their own. */
  readonly eventTime: string | null;
  /** What to do where `eventTime` names what the rows do not have: tell the caller, or put the rows aside. */
  readonly wrongEventTime: "refuse" | "quarantine";
  /** Keys that have held nulls only so far: they are no columns yet, and no reason to look at each record. */
  readonly emptyKeys: readonly string[];
  /** Reading numbers by type has failed lately: values are read as text straight away. */
  readonly asText?: boolean;
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
  readonly emptyKeys: readonly string[];
  readonly rows: number;
  /** The Parquet file of the accepted rows; null where there are none. */
  readonly slicePath: string | null;
  readonly quarantinePath: string | null;
  readonly quarantined: number;
  readonly shares: readonly Share[];
  /** Whether numbers could be read by type, where that was tried. */
  readonly byType?: boolean;
}

export interface Detected {
  readonly columns: readonly Column[];
  readonly emptyKeys: readonly string[];
}

export interface ConvertContext {
  /** Finds the columns of a batch of JSON whose dataset has none yet, where others may have found them already. */
  readonly detect?: (batch: Batch, context: ConvertContext) => Promise<Detected>;
  readonly engine: Engine;
  readonly traceId: TraceId;
  readonly signal: AbortSignal;
}
