import type {
  Clock,
  DatasetId,
  DatasetPath,
  Disk,
  IdSource,
  Instant,
  Random,
  Telemetry,
  TraceId,
} from "../base/index.ts";
import type { Emit } from "../compiler/index.ts";
import type { Datasets } from "../datasets/index.ts";
import type { Engine } from "../engines/index.ts";
import type { ObjectStore } from "../storage/index.ts";
import type { Mode } from "./classify.ts";
import type { RunLeases } from "./leases.ts";
import type { Awaited } from "./progress.ts";

/** What a declared transform says. */
export interface TransformSpec {
  readonly sql: string;
  /** The result has one row of each value of these columns; of rows that come of one input row each, the latest holds. */
  readonly key?: readonly string[] | undefined;
  /** A run reads of each input up to the end of the commit that has this many rows. */
  readonly maxRows?: number;
}

/** What a chain says of a transform, as Open Data Fabric does. */
export type ChainTransform = Parameters<Datasets["setTransform"]>[1];

/** A derivative that is to be kept right. */
export interface DeclaredTransform extends TransformSpec {
  readonly path: DatasetPath;
  readonly paused: boolean;
}

/** One run that ended, for history. */
export interface TransformRunRecord {
  readonly dataset: string;
  readonly mode: Mode;
  readonly state: "done" | "failed";
  readonly startedAt: Instant;
  readonly elapsedMs: number;
  readonly rowsRead: number;
  readonly rowsWritten: number;
  /** Rows of windows that had closed for good: they are not in the result. */
  readonly rowsLate: number;
  /** The first hundred of them. */
  readonly late: readonly { readonly dataset: string; readonly offset: number }[];
  /** The derivative's block that it made; null where it failed. */
  readonly seq: number | null;
  readonly inputs: readonly { readonly dataset: string; readonly fromOffset: number; readonly belowOffset: number }[];
  readonly errorCode: string | null;
  readonly errorMessage: string | null;
  readonly traceId: TraceId;
}

/** How a transform stands. */
export interface TransformState {
  readonly path: DatasetPath;
  readonly mode: Mode;
  /** Why this mode, as a sentence's end. */
  readonly why: string;
  readonly sql: string;
  readonly key: readonly string[];
  readonly inputs: readonly DatasetPath[];
  readonly state: "paused" | "idle" | "waiting" | "running" | "failing";
  /** Runs of this process that failed in a row. */
  readonly failures: number;
  readonly error: { readonly code: string; readonly message: string } | null;
  readonly nextTryAt: Instant | null;
  /** What new rows wait for; null: for nothing but a turn. */
  readonly awaited: Awaited | null;
  /** When it tells of windows; null where it does not say. */
  readonly emit: Emit | null;
  /** No earlier event time is expected; null where an input has brought none yet. */
  readonly watermark: Instant | null;
  /** Rows that came too late, in runs of this process. */
  readonly rowsLate: number;
  /** What is kept of its groups on this server, so that runs read new rows alone; or why nothing is. */
  readonly groups: KeptGroups;
}

export type KeptGroups =
  | { readonly kept: true; readonly count: number; readonly sizeBytes: number }
  /** As a sentence's end. */
  | { readonly kept: false; readonly whyNot: string };

/** Commits as others tell of them; the bus fits it. */
export interface CommitFeed {
  tail(options: { types: readonly string[]; signal: AbortSignal }): AsyncIterable<{ readonly data: unknown }>;
}

export interface TransformsOptions {
  readonly datasets: Datasets;
  readonly engine: Engine;
  readonly store: ObjectStore;
  readonly disk: Disk;
  /** Where runs write their files before they are stored; emptied at start. */
  readonly directory: string;
  /** Where states of groups are; kept over restarts. */
  readonly stateDirectory: string;
  /** All that are declared; asked at start. */
  readonly declared: () => Promise<readonly DeclaredTransform[]>;
  /** What is declared of a derivative now; null where that is not known. */
  readonly declaredNow: (path: DatasetPath) => Promise<DeclaredTransform | null>;
  /** Other servers' commits. */
  readonly commits: CommitFeed;
  /** Commits rows that wait: ingest does not know yet that a transform waits for them. */
  readonly flush: (id: DatasetId, signal: AbortSignal) => Promise<void>;
  /** The dataset of rows that came too late; null: none is kept. */
  readonly lateRows: DatasetPath | null;
  /** Told of every run that ended. */
  readonly record: (run: TransformRunRecord) => void;
  readonly clock: Clock;
  readonly random: Random;
  readonly ids: IdSource;
  readonly telemetry: Telemetry;
  /** Which server runs a transform. */
  readonly leases: RunLeases;
  /** Runs at once. */
  readonly atOnce: number;
}
