import { type Clock, type Instant, instant, MillraceError } from "../base/index.ts";
import type { IngestRecord } from "./contract.ts";
import { type Arrival, datasetName, readFormat } from "./intake.ts";
import type { IngestReceipt } from "./receipts.ts";
import type { EntryHeader } from "./staging/frame.ts";

/** Tells what became of each ingest, once, at its end. */
export class History {
  readonly #record: (ingest: IngestRecord) => void;
  readonly #clock: Clock;

  constructor(options: { record: (ingest: IngestRecord) => void; clock: Clock }) {
    this.#record = options.record;
    this.#clock = options.clock;
  }

  /** A staged request is in its chain. */
  committed(header: EntryHeader, receipt: IngestReceipt): void {
    this.#record({ ...this.#ofStaged(header), ...outcome(receipt), state: "committed", errorCode: null });
  }

  /** A staged request whose dataset was deleted before its rows were in the chain. */
  dropped(header: EntryHeader, reason: MillraceError): void {
    const { ingestId, dataset } = header;
    const nothing = { rows: null, quarantined: null, firstOffset: null, lastOffset: null };
    const failed = { state: "failed", errorCode: reason.code } as const;
    this.#record({ ...this.#ofStaged(header), ingestId, dataset, ...nothing, ...failed });
  }

  /** A part of an import is in its chain. */
  committedPart(arrival: Arrival, receivedAt: Instant, receipt: IngestReceipt): void {
    this.#record({ ...this.#ofRequest(arrival, receivedAt), ...outcome(receipt), state: "committed", errorCode: null });
  }

  /** A request failed, and nothing of it is kept. */
  failed(arrival: Arrival, receivedAt: Instant, error: unknown): void {
    this.#record({
      ...this.#ofRequest(arrival, receivedAt),
      ingestId: arrival.id,
      dataset: datasetName(arrival.request),
      state: "failed",
      rows: null,
      quarantined: null,
      firstOffset: null,
      lastOffset: null,
      errorCode: error instanceof MillraceError ? error.code : "internal",
    });
  }

  /** It may have been received by an earlier process, so the wall clock measures. */
  #ofStaged(header: EntryHeader) {
    const receivedAt = instant(header.receivedAtMs);
    return {
      user: header.by,
      receivedAt,
      elapsedMs: this.#since(receivedAt),
      format: readFormat(header.format).kind,
      bytes: header.bodyBytes,
      wireBytes: header.wireBytes,
      traceId: header.traceId,
    };
  }

  #ofRequest({ request, meter }: Arrival, receivedAt: Instant) {
    return {
      user: request.by,
      receivedAt,
      elapsedMs: this.#since(receivedAt),
      format: request.format.kind,
      bytes: meter.bytes,
      wireBytes: meter.wireBytes,
      traceId: request.traceId,
    };
  }

  #since(receivedAt: Instant): number {
    return Math.max(0, this.#clock.now() - receivedAt);
  }
}

function outcome({ id, dataset, rows, quarantined, firstOffset, lastOffset }: IngestReceipt) {
  return { ingestId: id, dataset, rows, quarantined, firstOffset, lastOffset };
}
