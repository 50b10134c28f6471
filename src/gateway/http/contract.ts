import type {
  ConfigEntry,
  DatasetId,
  DatasetPath,
  Instant,
  MillraceError,
  ProjectName,
  TaskId,
  TraceId,
  UserName,
} from "../../base/index.ts";
import type { Access, AccessAdministration } from "./access-contract.ts";
import type { QueryDoor } from "./query-contract.ts";
import type { ResourceDoor } from "./resource-contract.ts";
import type { BlockView, IngestView, PreviewView, RetryView, TaskView, VerifyReport } from "./views.ts";

export interface DatasetRef {
  readonly id: DatasetId;
  readonly path: DatasetPath;
}
export interface DatasetHead {
  readonly seq: number;
  /** Multihash text of the newest block. */
  readonly block: string;
  readonly nextOffset: number;
  readonly schema: { readonly fields: readonly { readonly name: string; readonly type: unknown }[] } | null;
  readonly watermark: Instant | null;
  readonly rows: number;
  readonly bytes: number;
  readonly slices: number;
  readonly lastCommitAt: Instant | null;
}
export interface DatasetSlice {
  readonly hash: string;
  readonly firstOffset: number;
  readonly lastOffset: number;
  readonly sizeBytes: number;
  readonly seq: number;
  readonly systemTime: Instant;
}
export interface QuarantineReason {
  readonly reason: string;
  readonly column: string | null;
  readonly rows: number;
  /** Of these, rows that were sent again. */
  readonly retried: number;
  readonly firstLine: number | null;
  readonly lastReceivedAt: Instant | null;
  readonly sample: string | null;
}
export type VerifyLevel = "chain" | "physical" | "logical" | "rebuild";

export type TransferPart = "blocks" | "data" | "checkpoints" | "quarantine";
/** An object of a chain, read piece by piece from `start` up to `end` (exclusive). */
export interface TransferObject {
  readonly sizeBytes: number;
  chunks(start: number, end: number, signal: AbortSignal): AsyncIterable<Uint8Array>;
}

export interface TransformState {
  readonly sql: string;
  readonly mode: string;
  readonly why: string;
  readonly key: readonly string[];
  readonly inputs: readonly DatasetPath[];
  readonly state: "paused" | "idle" | "waiting" | "running" | "failing";
  readonly failures: number;
  readonly error: { readonly code: string; readonly message: string } | null;
  readonly nextTryAt: Instant | null;
  /** What new rows wait for: the watermark of what is looked up, or its first columns; null: for nothing but a turn. */
  readonly awaited: { readonly dataset: DatasetPath; readonly watermark: Instant | null } | null;
  /** When it tells of windows; null where it does not say. */
  readonly emit: {
    readonly when: "changes" | "close";
    readonly latenessMs: number;
    readonly allowedMs: number | null;
    readonly idleMs: number | null;
    readonly sync: boolean;
  } | null;
  /** No earlier event time is expected; null where an input has brought none yet. */
  readonly watermark: Instant | null;
  /** Rows that came too late since this server started. */
  readonly rowsLate: number;
  /** What is kept of its groups on this server. */
  readonly groups:
    | { readonly kept: true; readonly count: number; readonly sizeBytes: number }
    | { readonly kept: false; readonly whyNot: string };
}

/** How far a derivative has read one of its inputs. */
export interface InputProgress {
  readonly dataset: DatasetPath;
  readonly readOffset: number;
  readonly behindRows: number;
  readonly behindMs: number;
}
/** A column of a derivative and the input columns that it comes of; null: the SELECT does not tell. */
export interface DerivedColumn {
  readonly name: string;
  readonly sources: readonly { readonly dataset: DatasetPath; readonly column: string }[] | null;
}

export interface DatasetDoor {
  find(path: DatasetPath): Promise<DatasetRef | null>;
  list(project: ProjectName | null, page: { after: string | null; limit: number }): Promise<readonly DatasetRef[]>;
  head(id: DatasetId, signal: AbortSignal): Promise<DatasetHead>;
  /** Of a derivative, how its transform stands here; null for any other dataset. */
  transform(id: DatasetId): TransformState | null;
  /** How far a derivative has read its inputs; null for any other dataset. */
  progress(id: DatasetId, signal: AbortSignal): Promise<readonly InputProgress[] | null>;
  /** What the columns of a derivative come of; null for any other dataset. */
  columns(id: DatasetId, signal: AbortSignal): Promise<readonly DerivedColumn[] | null>;
  /** The derivatives that read a dataset. */
  readers(id: DatasetId): readonly DatasetPath[];
  slices(id: DatasetId, signal: AbortSignal): Promise<readonly DatasetSlice[]>;
  /** Newest first, from `before` (exclusive; null: the newest). */
  blocks(
    id: DatasetId,
    page: { before: number | null; limit: number },
    signal: AbortSignal,
  ): Promise<readonly BlockView[]>;
  /** What the chain names under a hash; null where it names none. @throws data_expired where it is no longer kept */
  transferObject(id: DatasetId, part: TransferPart, hash: string, signal: AbortSignal): Promise<TransferObject | null>;
  /** The manifest of the files that stand for the slices of a block's region; null where none do. */
  transferRegion(id: DatasetId, block: string, signal: AbortSignal): Promise<Uint8Array | null>;
  /** Such a file by its name; null where that is no name of one. @throws data_expired where it is no longer kept */
  transferCopy(id: DatasetId, name: string, signal: AbortSignal): Promise<TransferObject | null>;
  /** Quarantined rows by reason, most frequent first. */
  quarantine(id: DatasetId, limit: number, signal: AbortSignal): Promise<readonly QuarantineReason[]>;
  verify(
    ref: DatasetRef,
    options: { level: VerifyLevel; signal: AbortSignal; progress: (done: number, total: number | null) => void },
  ): Promise<VerifyReport>;
  /** Asks for work on its layout; where the same waits or runs already, that is it. */
  maintain(ref: DatasetRef, work: "compact" | "collect"): Promise<TaskView>;
}

/** What `millrace pull` puts into a copy of a dataset elsewhere; every byte is proven before it is seen. */
export interface ReplicaDoor {
  /** Begins a copy with its origin's first block, and declares it. Repeating it does nothing. */
  begin(path: DatasetPath, origin: string, seed: string, by: UserName): Promise<DatasetRef>;
  /** null for a dataset of our own. */
  origin(id: DatasetId): Promise<string | null>;
  /** `id`: null before the copy was begun. */
  walk(path: DatasetPath, id: DatasetId | null, from: string, signal: AbortSignal): Promise<ReplicaWalk>;
  putBlocks(path: DatasetPath, blocks: readonly Uint8Array[]): Promise<void>;
  putObject(
    copy: DatasetRef,
    object: { readonly block: string; readonly part: string; readonly hash: string },
    body: AsyncIterable<Uint8Array>,
  ): Promise<void>;
  /** Takes what stands for slices that the origin has superseded, and tells which of its files are not here. */
  offerRegion(copy: DatasetRef, manifest: Uint8Array, signal: AbortSignal): Promise<OfferedRegion>;
  putCopy(
    copy: DatasetRef,
    file: { readonly level: number; readonly index: number; readonly hash: string },
    body: AsyncIterable<Uint8Array>,
  ): Promise<void>;
  /** Lets rows expire that have expired at the origin; those that are here only where `drop`. */
  expire(copy: DatasetRef, before: number, drop: boolean, signal: AbortSignal): Promise<void>;
  advance(copy: DatasetRef, blocks: readonly string[], signal: AbortSignal): Promise<ReplicaAdvance>;
  /** Drops what waits. */
  clear(path: DatasetPath, signal: AbortSignal): Promise<void>;
}
export interface ReplicaWalk {
  readonly blocks: readonly { readonly hash: string; readonly seq: number }[];
  readonly missing: string | null;
}
export interface ReplicaAdvance {
  readonly seq: number;
  readonly head: string | null;
  readonly missing: readonly {
    readonly block: string;
    readonly part: TransferPart;
    readonly hash: string;
    readonly sizeBytes: number;
    /** Of a slice: where its rows end. */
    readonly lastOffset: number | null;
  }[];
}
export interface OfferedRegion {
  readonly level: number;
  readonly index: number;
  readonly missing: readonly { readonly hash: string; readonly name: string; readonly sizeBytes: number }[];
}

export type Encoding = "identity" | "gzip" | "zstd";
export interface PushInput<Format> {
  readonly dataset: DatasetRef;
  readonly body: AsyncIterable<Uint8Array>;
  /** In the place of the body: a file that a client on this machine has put into the incoming folder. */
  readonly localBody?: { readonly file: string; readonly lines: number };
  readonly format: Format;
  readonly encoding: Encoding;
  readonly idempotencyKey?: string;
  readonly ack: "staged" | "committed";
  readonly sourcePosition?: { readonly source: string; readonly position: string; readonly firstLine: number };
  readonly eventTime?: string;
  readonly by: UserName;
  readonly traceId: TraceId;
}
export interface PreviewInput<Format> {
  readonly name: string;
  readonly bytes: Uint8Array;
  /** The bytes are the file's beginning. */
  readonly isCut: boolean;
  /** null: found out. */
  readonly format: Format | null;
}

export interface IngestDoor<Format> {
  /** What an import would make of a file's beginning; keeps nothing. */
  preview(input: PreviewInput<Format>, call: { traceId: TraceId; signal: AbortSignal }): Promise<PreviewView>;
  /** `ndjson`, `json`, `csv`, `tsv`, `parquet`, `arrow`, `combined`, `text:PATTERN`, ... @throws unknown_format */
  parseFormat(name: string): Format;
  push(input: PushInput<Format>, signal: AbortSignal): Promise<IngestView>;
  /** Sends quarantined rows again, as they came; each only once. `reason` null: whatever stood against them. */
  retryQuarantine(
    input: { dataset: DatasetRef; reason: string | null; by: UserName; traceId: TraceId },
    signal: AbortSignal,
  ): Promise<RetryView>;
  /** With the dataset it belongs to. */
  receipt(id: string): Promise<IngestView | null>;
  flush(id: DatasetId, signal: AbortSignal): Promise<void>;
  /** Where clients on this machine may put the parts of an import. */
  incomingDirectory(): string;
}

/** Rows by key. An address (0: none) and what is read by it hold until control goes back to the event loop. */
export interface LookupRows {
  readonly entries: number;
  find(source: Uint8Array, start: number, end: number): number;
  rowBytes(address: number): number;
  /** @returns where the copy ends */
  copyRow(address: number, target: Uint8Array, at: number): number;
  row(address: number): Buffer;
  /**
   * Visits the entries of so many places from a position on (0: the first). What stays is visited exactly once.
   * @returns the next position, below 2^32; null at the end
   */
  visit(position: number, places: number, take: (key: Buffer, address: number) => void): number | null;
}
export interface LookupState {
  readonly project: string;
  readonly name: string;
  readonly at: Instant;
  readonly dataset: DatasetPath;
  readonly key: readonly string[];
  readonly state: "loading" | "ready" | "failed";
  readonly entries: number;
  readonly bytes: number;
  readonly appliedOffset: number;
  readonly behindRows: number;
  readonly behindMs: number;
  readonly skippedRows: number;
  readonly problem: MillraceError | null;
}
/** A lookup as this server holds it. */
export interface HeldLookup {
  readonly project: string;
  readonly name: string;
  /** Whoever may read it may read the lookup. */
  readonly dataset: DatasetPath;
  readonly state: LookupState;
  /** null until it is loaded. */
  readonly rows: LookupRows | null;
}
export interface LookupDoor {
  find(project: string, name: string): HeldLookup | null;
  list(): readonly HeldLookup[];
}

export interface TaskDoor {
  list(filter: {
    project: string | null;
    state: string | null;
    kind: string | null;
    before: string | null;
    limit: number;
  }): Promise<readonly TaskView[]>;
  get(id: TaskId): Promise<TaskView | null>;
  cancel(id: TaskId, by: UserName): Promise<TaskView>;
}

export interface EventRecord {
  readonly position: number;
  readonly id: string;
  readonly at: Instant;
  readonly type: string;
  readonly subject: string;
  readonly project: string | null;
  readonly data: unknown;
}
export interface EventDoor {
  /** Position of the newest event. */
  newest(): Promise<number>;
  read(options: { after: number; limit: number; types?: readonly string[] }): Promise<readonly EventRecord[]>;
  /** From the newest back, those before a position. */
  readBack(options: { before: number; limit: number; types?: readonly string[] }): Promise<readonly EventRecord[]>;
  /** From `after`, or from now on; ends when the signal aborts. */
  tail(options: { after?: number; types?: readonly string[]; signal: AbortSignal }): AsyncIterable<EventRecord>;
}

/** What is committed, of all servers; from memory. */
export interface ActivityDoor {
  /** Steps of the last minutes, the oldest first, of each dataset with a commit in them. */
  history(minutes: number): {
    readonly from: Instant;
    readonly stepMs: number;
    readonly flows: readonly {
      /** PROJECT.DATASET */
      readonly path: string;
      readonly rows: readonly number[];
      readonly bytes: readonly number[];
    }[];
  };
  storage(): Promise<
    readonly {
      readonly path: DatasetPath;
      readonly rows: number;
      readonly bytes: number;
      readonly slices: number;
    }[]
  >;
}

/** Everything that the routes reach; `server/` joins it from the rooms. */
export interface Rooms<Format> {
  readonly access: Access;
  readonly administration: AccessAdministration;
  readonly resources: ResourceDoor;
  readonly datasets: DatasetDoor;
  readonly replicas: ReplicaDoor;
  readonly ingest: IngestDoor<Format>;
  readonly queries: QueryDoor;
  readonly lookups: LookupDoor;
  readonly tasks: TaskDoor;
  readonly events: EventDoor;
  readonly activity: ActivityDoor;
  readonly metrics: { readonly contentType: string; expose(): Promise<string> };
  readonly config: () => readonly ConfigEntry[];
  /** What a ready server needs; each part says whether it can serve. */
  readonly readiness: (signal: AbortSignal) => Promise<Readonly<Record<string, boolean>>>;
  /** Where the owner finds the first token. */
  readonly ownerTokenFile: string;
  readonly program: Program;
}

export interface Program {
  readonly version: string;
  /** How a person calls the command line on this machine. */
  readonly command: string;
}
