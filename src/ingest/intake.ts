import { type Disk, formatDatasetPath } from "../base/index.ts";
import type { SqlParser } from "../compiler/index.ts";
import type { DatasetDefinition, PushRequest } from "./contract.ts";
import { eventTimeExpression } from "./event-time.ts";
import { type ResolvedFormat, resolveFormat } from "./formats/detect.ts";
import { textPattern } from "./formats/patterns.ts";
import { type FormatSpec, formatSpec, headBytesOf } from "./formats/spec.ts";
import type { PendingBytes } from "./pending.ts";
import type { IngestReceipt } from "./receipts.ts";
import { type TakenBody, takeBody } from "./staging/body.ts";
import type { Meter } from "./staging/decode.ts";
import type { Incoming } from "./staging/incoming.ts";

/** A request on its way: what it is called, and how much of it has come. */
export interface Arrival {
  readonly id: string;
  readonly request: PushRequest;
  readonly definition: DatasetDefinition;
  readonly meter: Meter;
}

export interface IntakeOptions {
  readonly disk: Disk;
  readonly pending: PendingBytes;
  readonly incoming: Incoming;
  readonly parser: SqlParser;
  /** The file of a body that is too large to hold. */
  readonly spoolPath: (name: string) => string;
}

/** Takes bodies in, and finds out how their rows are to be read. */
export class Intake {
  readonly #options: IntakeOptions;

  constructor(options: IntakeOptions) {
    this.#options = options;
  }

  /** Reads a body to its end; `durable` syncs the file that a large one stands in. @throws as takeBody, too_many_requests */
  async body(arrival: Arrival, durable: boolean, signal: AbortSignal, name: string = arrival.id): Promise<TakenBody> {
    const { request, meter } = arrival;
    const { disk, pending, incoming, spoolPath } = this.#options;
    if (request.localBody !== undefined) {
      const { kind } = request.format;
      const room = { headBytes: headBytesOf(request.format), countLines: kind === "text" };
      const taken = await incoming.take(request.localBody, spoolPath(name), room);
      meter.bytes = taken.sizeBytes;
      return taken;
    }
    return await takeBody(request.body, {
      encoding: request.encoding,
      jsonElements: request.format.kind === "json",
      disk,
      path: spoolPath(name),
      durable,
      hashed: request.idempotencyKey !== undefined,
      countLines: request.format.kind !== "parquet" && request.format.kind !== "arrow",
      headBytes: headBytesOf(request.format),
      admit: () => pending.admit(request.dataset.id),
      meter,
      signal,
    });
  }

  /** Reads a body for its hash alone. */
  async hash(arrival: Arrival, signal: AbortSignal): Promise<string> {
    const taken = await this.body(arrival, false, signal, `${arrival.id}.again`);
    await this.drop(taken);
    return taken.hash;
  }

  async drop(taken: TakenBody): Promise<void> {
    if (taken.file !== null) await this.#options.disk.remove(taken.file);
  }

  /** SQL of the rows' event time: as the request, the dataset or the pattern says it. @throws sql_*, bad_request */
  async eventTime(arrival: Arrival, format: ResolvedFormat, signal: AbortSignal): Promise<string | null> {
    const ofPattern = format.kind === "text" ? (textPattern(format.pattern)?.eventTime ?? null) : null;
    const said = arrival.request.eventTime ?? arrival.definition.eventTime ?? ofPattern;
    return said === null ? null : await eventTimeExpression(said, this.#options.parser, signal);
  }
}

/** A format with nothing left open; JSON elements are lines by now. */
export function resolved(format: FormatSpec, first: Uint8Array): ResolvedFormat {
  return format.kind === "json" ? { kind: "ndjson" } : resolveFormat(format, first);
}

/** A format as the staging log keeps it. */
export function readFormat(text: string): ResolvedFormat {
  return resolved(formatSpec.parse(JSON.parse(text)), new Uint8Array());
}

/** The receipt of a request of which nothing is committed yet. */
export function stagedReceipt(id: string, dataset: string): IngestReceipt {
  return {
    id,
    dataset,
    state: "staged",
    rows: null,
    quarantined: null,
    firstOffset: null,
    lastOffset: null,
    block: null,
    seq: null,
    duplicate: false,
  };
}

export const datasetName = (request: PushRequest) => formatDatasetPath(request.dataset.path);
