import {
  abortable,
  type Clock,
  type DatasetId,
  type Disk,
  type IdSource,
  type Instant,
  type MillraceError,
  type Telemetry,
} from "../../base/index.ts";
import type { SourceState } from "../../datasets/index.ts";
import type { Committer } from "../batching/committer.ts";
import { DatasetWriter, type Waiting } from "../batching/dataset-writer.ts";
import { withDefinition } from "../batching/with-definition.ts";
import type { DatasetDefinition } from "../contract.ts";
import type { ResolvedFormat } from "../formats/detect.ts";
import type { History } from "../history.ts";
import { type Arrival, datasetName, type Intake, readFormat, resolved, stagedReceipt } from "../intake.ts";
import type { IdempotencyKeys } from "../keys.ts";
import type { PendingBytes } from "../pending.ts";
import type { ReceiptKeeper } from "../receipt-keeper.ts";
import type { IngestReceipt } from "../receipts.ts";
import type { TakenBody } from "../staging/body.ts";
import type { StagedEntry, StagingLog } from "../staging/log.ts";
import { openBatch } from "./batch-files.ts";

export interface StagedOptions {
  readonly clock: Clock;
  readonly disk: Disk;
  readonly ids: IdSource;
  readonly telemetry: Telemetry;
  readonly log: StagingLog;
  readonly intake: Intake;
  readonly pending: PendingBytes;
  readonly keys: IdempotencyKeys;
  readonly committer: Committer;
  readonly receipts: ReceiptKeeper;
  readonly history: History;
  readonly workDirectory: string;
  readonly commitIntervalMs: number;
  /** Aborts when the server stops. */
  readonly stopping: AbortSignal;
}

/**
 * Requests between their acknowledgement and their commit.
 *
 *   arrival --body--> taken --append, sync--> staged --writer's batch--> committed --receipt kept--> forgotten
 */
export class StagedRequests {
  readonly #options: StagedOptions;
  readonly #writers = new Map<DatasetId, DatasetWriter>();
  /** Of datasets with a writer. */
  readonly #intervals = new Map<DatasetId, number>();
  readonly #waiting = new Map<string, Waiting>();

  constructor(options: StagedOptions) {
    this.#options = options;
  }

  /** Takes a request into the staging log: it survives a crash when this resolves. @throws disk_full, bad_input, ... */
  async stage(arrival: Arrival, receivedAt: Instant, signal: AbortSignal): Promise<StagedEntry> {
    const { intake } = this.#options;
    const taken = await intake.body(arrival, true, signal);
    try {
      const format = resolved(arrival.request.format, taken.first);
      const eventTime = await intake.eventTime(arrival, format, signal);
      const entry = await this.#append(arrival, receivedAt, taken, format, eventTime);
      this.resume(entry, arrival.definition, format);
      return entry;
    } catch (error) {
      await intake.drop(taken);
      throw error;
    }
  }

  /** Resolves when a request that could not be staged is gone from the log for good. @throws what the disk says */
  async forgotten(): Promise<void> {
    await this.#options.log.forgotten();
  }

  /** Hands what is staged to the dataset's writer; its bytes count as pending from now on. */
  resume(entry: StagedEntry, definition: DatasetDefinition, format = readFormat(entry.header.format)): void {
    const { ingestId, bodyBytes } = entry.header;
    const datasetId = datasetOf(entry);
    const settle = Promise.withResolvers<IngestReceipt>();
    settle.promise.catch(() => {});
    const waiting: Waiting = { entry, format, settle };
    this.#waiting.set(ingestId, waiting);
    this.#options.pending.hold(datasetId, bodyBytes);
    this.#writer(datasetId, definition).add(waiting);
  }

  /** The receipt of a request that waits for its commit; null where none does under this id. */
  receipt(id: string): IngestReceipt | null {
    const waiting = this.#waiting.get(id);
    return waiting === undefined ? null : stagedReceipt(id, waiting.entry.header.dataset);
  }

  /** Waits for the commit of a staged request and hurries it on; null where none waits under this id. */
  async committed(id: string, signal: AbortSignal): Promise<IngestReceipt | null> {
    const waiting = this.#waiting.get(id);
    if (waiting === undefined) return null;
    this.#writers.get(datasetOf(waiting.entry))?.hurry();
    return await abortable(waiting.settle.promise, AbortSignal.any([signal, this.#options.stopping]));
  }

  /** Commits what waits for a dataset. */
  async flush(id: DatasetId, signal: AbortSignal): Promise<void> {
    await this.#writers.get(id)?.flushed(signal);
  }

  /** Resolves when no writer is at work any more; what waits stays in the log. */
  async stopped(): Promise<void> {
    await Promise.all([...this.#writers.values()].map((writer) => writer.stopped()));
  }

  /** What a chain notes of the log once it has the entry. */
  sourceState(seq: number): SourceState {
    return { sourceName: `staged:${this.#options.log.id}`, kind: "millrace/staged", value: String(seq) };
  }

  #append(
    { id, request, meter }: Arrival,
    receivedAt: Instant,
    taken: TakenBody,
    format: ResolvedFormat,
    eventTime: string | null,
  ): Promise<StagedEntry> {
    const header = {
      ingestId: id,
      datasetId: request.dataset.id,
      dataset: datasetName(request),
      format: JSON.stringify(format),
      eventTime,
      key: request.idempotencyKey ?? null,
      bodyHash: taken.hash,
      by: request.by,
      traceId: request.traceId,
      receivedAtMs: receivedAt,
      spool: taken.file === null ? null : id,
      bodyBytes: taken.sizeBytes,
      wireBytes: meter.wireBytes,
      lines: taken.lines,
      headBytes: taken.headBytes,
    };
    return this.#options.log.append(header, taken.bytes ?? new Uint8Array());
  }

  /** A dataset's writer, which lives as long as something waits for it. */
  #writer(id: DatasetId, definition: DatasetDefinition): DatasetWriter {
    const { clock, telemetry, commitIntervalMs, committer, stopping } = this.#options;
    this.#intervals.set(id, definition.commitIntervalMs ?? commitIntervalMs);
    const known = this.#writers.get(id);
    if (known !== undefined) return known;
    const { log, disk, ids, workDirectory } = this.#options;
    const writer: DatasetWriter = new DatasetWriter(id, {
      clock,
      telemetry,
      signal: stopping,
      intervalMs: () => this.#intervals.get(id) ?? commitIntervalMs,
      open: (waiting) => openBatch(waiting, { log, disk, ids, workDirectory }),
      commit: (request) =>
        committer.run({ ...withDefinition(request, definition), datasetId: id }, Promise.resolve(), stopping),
      quarantineWhole: (request, reason) => committer.quarantineWhole({ ...request, datasetId: id }, reason, stopping),
      finish: (done) => this.#finish(id, writer, done),
      drop: (waiting, reason) => this.#drop(id, writer, waiting, reason),
      sourceState: (seq) => this.sourceState(seq),
    });
    this.#writers.set(id, writer);
    return writer;
  }

  /** Rows are in the chain: their receipts are kept, then the log forgets them. */
  async #finish(
    datasetId: DatasetId,
    writer: DatasetWriter,
    done: readonly { waiting: Waiting; receipt: IngestReceipt }[],
  ): Promise<void> {
    this.#release(datasetId, writer);
    for (const { waiting, receipt } of done) this.#options.history.committed(waiting.entry.header, receipt);
    await this.#keep(datasetId, done);
  }

  /** The dataset was deleted: whoever asks for a receipt learns that nothing became of the rows. */
  async #drop(
    datasetId: DatasetId,
    writer: DatasetWriter,
    waiting: readonly Waiting[],
    reason: MillraceError,
  ): Promise<void> {
    this.#release(datasetId, writer);
    for (const { entry } of waiting) this.#options.history.dropped(entry.header, reason);
    const done = waiting.map((one) => {
      const { ingestId, dataset } = one.entry.header;
      return { waiting: one, receipt: { ...stagedReceipt(ingestId, dataset), state: "failed" as const } };
    });
    await this.#keep(datasetId, done);
  }

  #release(datasetId: DatasetId, writer: DatasetWriter): void {
    if (writer.waiting > 0 || this.#writers.get(datasetId) !== writer) return;
    this.#writers.delete(datasetId);
    this.#intervals.delete(datasetId);
  }

  async #keep(datasetId: DatasetId, done: readonly { waiting: Waiting; receipt: IngestReceipt }[]): Promise<void> {
    const receipts = done.map(({ waiting: { entry }, receipt }) => ({
      receipt,
      about: {
        datasetId,
        key: entry.header.key,
        bodyHash: entry.header.bodyHash,
        atMs: entry.header.receivedAtMs,
      },
    }));
    await this.#options.receipts.keep(receipts, async () => {
      for (const { waiting } of done) await this.#forget(waiting);
    });
  }

  async #forget({ entry }: Waiting): Promise<void> {
    const { ingestId, key, bodyBytes } = entry.header;
    this.#waiting.delete(ingestId);
    this.#options.pending.release(datasetOf(entry), bodyBytes);
    if (key !== null) this.#options.keys.forget(datasetOf(entry), key);
    try {
      await this.#options.log.done(entry);
    } catch (error) {
      // Its place stays taken until the next start, which finds it in the chain.
      this.#options.telemetry.log.warn("a committed entry could not leave the staging log", { ingestId, error });
    }
  }
}

/** The header's id was written by us, from a request's. */
function datasetOf({ header }: StagedEntry): DatasetId {
  return header.datasetId as DatasetId;
}
