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
import type { SqlParser } from "../compiler/index.ts";
import type { Datasets } from "../datasets/index.ts";
import type { Sql } from "../storage/index.ts";
import type { Converter } from "./convert/converter.ts";
import type { Encoding, FormatSpec } from "./formats/spec.ts";
import type { LocalBody } from "./staging/incoming.ts";

export interface DatasetHandle {
  readonly id: DatasetId;
  readonly path: DatasetPath;
}

/** What a dataset's definition says of its rows. */
export interface DatasetDefinition {
  readonly eventTime?: string;
  readonly commitIntervalMs?: number;
  readonly columns?: readonly { readonly name: string; readonly type: string }[];
  /** It is a read-only copy: its rows come from there. */
  readonly replica?: { readonly origin: string };
  /** It is a derivative: its rows come from its transform. */
  readonly transform?: object;
}

export interface PushRequest {
  readonly dataset: DatasetHandle;
  readonly body: AsyncIterable<Uint8Array>;
  /** In the place of the body, for a part of an import: what a client on this machine has put into the incoming folder. */
  readonly localBody?: LocalBody;
  readonly format: FormatSpec;
  readonly encoding: Encoding;
  readonly idempotencyKey?: string;
  readonly ack: "staged" | "committed";
  readonly sourcePosition?: SourcePosition;
  readonly eventTime?: string;
  readonly by: string;
  readonly traceId: TraceId;
}

/** A part of an import: its place among the parts of its source, and the line of the source it begins with. */
export interface SourcePosition {
  readonly source: string;
  readonly position: string;
  readonly firstLine: number;
}

/**
 * One ingest at its end, for history: committed, or failed with nothing kept. There is one for each, told when its rows are
 * in the chain (not when they are acknowledged); a repeated request that added nothing has none.
 */
export interface IngestRecord {
  readonly ingestId: string;
  readonly dataset: string;
  readonly user: string;
  readonly state: "committed" | "failed";
  readonly receivedAt: Instant;
  /** From the request to its end. */
  readonly elapsedMs: number;
  readonly format: string;
  /** Of the body when decoded; of a failed one, as far as it came. */
  readonly bytes: number;
  /** As they came over the wire. */
  readonly wireBytes: number;
  readonly rows: number | null;
  readonly quarantined: number | null;
  readonly firstOffset: number | null;
  readonly lastOffset: number | null;
  readonly errorCode: string | null;
  readonly traceId: string;
}

export interface IngestOptions {
  readonly datasets: Datasets;
  /** Turns bodies into slices. */
  readonly converter: Converter;
  /** Reads expressions of event times. */
  readonly parser: SqlParser;
  /** Most ingest workers of the engine. */
  readonly workers: number;
  readonly sql: Sql;
  readonly definition: (path: DatasetPath) => Promise<DatasetDefinition>;
  readonly record: (ingest: IngestRecord) => void;
  readonly clock: Clock;
  readonly random: Random;
  readonly ids: IdSource;
  readonly disk: Disk;
  readonly telemetry: Telemetry;
  /** The server's own folder for staging. Absolute; engine workers may read and write it. */
  readonly directory: string;
  readonly pendingBytes: number;
  readonly commitIntervalMs: number;
  /** How long receipts are kept; a day unless said. */
  readonly keepReceiptsMs?: number;
}
