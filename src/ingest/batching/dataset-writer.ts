import {
  type Clock,
  type DatasetId,
  delay,
  instant,
  MillraceError,
  type Telemetry,
  type TraceId,
} from "../../base/index.ts";
import type { Head } from "../../datasets/index.ts";
import type { BatchEntry } from "../convert/batch.ts";
import type { ResolvedFormat } from "../formats/detect.ts";
import { committedReceipt, type IngestReceipt } from "../receipts.ts";
import type { StagedEntry } from "../staging/log.ts";
import { type CommitRequest, type CommittedBatch, committedPosition, nothingAhead } from "./committer.ts";

const mostEntries = 1_000;
const mostBytes = 64 << 20;
/** From the first waiting row to the commit, when somebody waits for it. */
const hurryMs = 25;
const failuresUntilAlone = 2;
const failuresUntilQuarantine = 4;

export interface Waiting {
  readonly entry: StagedEntry;
  readonly format: ResolvedFormat;
  readonly settle: PromiseWithResolvers<IngestReceipt>;
}

/**
 * The chain has the first entries of a batch already: an earlier try, of which nobody knew what became, has committed them.
 * Whatever else waits must not make them come again.
 */
class PartlyCommitted extends Error {
  readonly position: number;

  constructor(position: number) {
    super(`the log is committed up to ${position}`);
    this.position = position;
  }
}

/** What the writer needs of ingest. */
export interface WriterPorts {
  readonly clock: Clock;
  readonly telemetry: Telemetry;
  readonly signal: AbortSignal;
  /** Longest wait of rows for a commit, as it is defined now. */
  readonly intervalMs: () => number;
  /** A place for the batch's files, and the bodies as files. */
  open(waiting: readonly Waiting[]): Promise<{
    workPath: string;
    path: string;
    headBytes: number;
    entries: BatchEntry[];
    close(): Promise<void>;
  }>;
  commit(request: Omit<CommitRequest, "datasetId">): Promise<CommittedBatch>;
  quarantineWhole(request: Omit<CommitRequest, "datasetId">, reason: string): Promise<CommittedBatch>;
  /** Keeps the receipts; then the entries may leave the log. */
  finish(done: readonly { waiting: Waiting; receipt: IngestReceipt }[]): Promise<void>;
  /** The dataset was deleted: the entries leave the log, and nothing becomes of their rows. */
  drop(waiting: readonly Waiting[], reason: MillraceError): Promise<void>;
  sourceState(seq: number): CommitRequest["sourceState"];
}

/**
 * Commits what waits for one dataset, in the order of the staging log, one batch at a time.
 *
 *   idle --row--> waiting --interval, size, or somebody waits--> committing --more--> waiting
 *                                                      \--error--> backing off --> committing
 *                                                      \--the dataset was deleted--> all dropped --> idle
 */
export class DatasetWriter {
  readonly id: DatasetId;
  readonly #ports: WriterPorts;
  readonly #queue: Waiting[] = [];
  #running: Promise<void> | null = null;
  #wake: () => void = () => {};
  #hurried = false;
  #failures = 0;
  #tries = 0;
  #queuedBytes = 0;
  /** What the chain was found to have of the log: entries up to here go by themselves, and only their receipts are made. */
  #committed = 0;

  constructor(id: DatasetId, ports: WriterPorts) {
    this.id = id;
    this.#ports = ports;
  }

  get waiting(): number {
    return this.#queue.length;
  }

  add(waiting: Waiting): void {
    this.#queue.push(waiting);
    this.#queuedBytes += waiting.entry.header.bodyBytes;
    if (this.#queuedBytes >= mostBytes) this.hurry();
    this.#kick();
  }

  /** Looks again when a run has ended: who came between its last look and its end must not wait for the next one. */
  #kick(): void {
    if (this.#running !== null || this.#queue.length === 0 || this.#ports.signal.aborted) return;
    this.#running = this.#run().finally(() => {
      this.#running = null;
      this.#kick();
    });
  }

  /** Somebody waits for the commit. */
  hurry(): void {
    this.#hurried = true;
    this.#wake();
  }

  /** Resolves when what waits now is committed. */
  async flushed(signal: AbortSignal): Promise<void> {
    const last = this.#queue.at(-1);
    if (last === undefined) return;
    this.hurry();
    await Promise.race([
      last.settle.promise.then(
        () => {},
        () => {},
      ),
      new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true })),
    ]);
  }

  async stopped(): Promise<void> {
    this.#wake();
    await this.#running?.catch(() => {});
  }

  async #run(): Promise<void> {
    const { clock, signal } = this.#ports;
    while (this.#queue.length > 0 && !signal.aborted) {
      await this.#pause(this.#hurried ? hurryMs : this.#ports.intervalMs());
      this.#hurried = false;
      if (signal.aborted) return;
      try {
        // Everything that waits now goes, in as many batches as its formats and sizes need.
        for (let left = this.#queue.length; left > 0 && !signal.aborted; ) left -= await this.#commitSome(left);
        this.#failures = 0;
        this.#tries = 0;
      } catch (error) {
        if (signal.aborted) return;
        if (error instanceof MillraceError && error.code === "dataset_not_found") return await this.#dropAll(error);
        if (error instanceof PartlyCommitted) {
          this.#committed = error.position;
          this.#hurried = true;
          continue;
        }
        if (mayBlameRows(error)) this.#failures++;
        this.#tries++;
        this.#ports.telemetry.log.warn("a commit failed; it is tried again", {
          datasetId: this.id,
          failures: this.#failures,
          error,
        });
        await delay(clock, Math.min(30_000, 100 * 2 ** Math.min(this.#tries, 20)), signal).catch(() => {});
        this.#hurried = true;
      }
    }
  }

  async #dropAll(reason: MillraceError): Promise<void> {
    const dropped = this.#queue.splice(0);
    this.#queuedBytes = 0;
    const fields = { datasetId: this.id, ingests: dropped.length };
    this.#ports.telemetry.log.warn("rows of a dataset that was deleted are dropped", fields);
    for (const { settle } of dropped) settle.reject(reason);
    try {
      await this.#ports.drop(dropped, reason);
    } catch (error) {
      // They stay in the log, and the next start drops them.
      this.#ports.telemetry.log.warn("dropped rows could not leave the staging log", { ...fields, error });
    }
  }

  /** Waits for the interval, or until somebody is in a hurry. */
  async #pause(milliseconds: number): Promise<void> {
    const { clock, signal } = this.#ports;
    await new Promise<void>((resolve) => {
      const end = () => {
        forget();
        signal.removeEventListener("abort", end);
        this.#wake = () => {};
        resolve();
      };
      let forget = clock.timer(milliseconds, end);
      this.#wake = () => {
        this.#wake = () => {};
        forget();
        forget = clock.timer(hurryMs, end);
      };
      signal.addEventListener("abort", end, { once: true });
    });
  }

  async #commitSome(most: number): Promise<number> {
    const batch = this.#take(this.#failures >= failuresUntilAlone ? 1 : most);
    const last = batch.at(-1);
    const [first] = batch;
    if (first === undefined || last === undefined) return most;
    const sourceState = this.#ports.sourceState(last.entry.header.seq);
    const opened = await this.#ports.open(batch);
    try {
      const request = {
        batch: {
          path: opened.path,
          headBytes: opened.headBytes,
          entries: opened.entries,
          format: first.format,
          declared: new Set<string>(),
          eventTime: first.entry.header.eventTime,
          wrongEventTime: "quarantine" as const,
          workPath: opened.workPath,
        },
        traceId: first.entry.header.traceId as TraceId, // written by us, from a request's

        sourceState,
        by: last.entry.header.by,
        ahead: nothingAhead,
        check: (head: Head) => {
          const position = committedPosition(head, sourceState.sourceName);
          if (position >= first.entry.header.seq) throw new PartlyCommitted(position);
        },
      };
      const committed = await this.#commitOrQuarantine(request, batch.length === 1);
      await this.#finish(batch, committed);
    } finally {
      await opened.close();
    }
    return batch.length;
  }

  async #commitOrQuarantine(request: Omit<CommitRequest, "datasetId">, alone: boolean): Promise<CommittedBatch> {
    try {
      return await this.#ports.commit(request);
    } catch (error) {
      // What a statement says of the same bytes it says again: there is nothing to wait for.
      const unreadable =
        error instanceof MillraceError && (error.code === "bad_input" || error.code.startsWith("sql_"));
      const toBlame = unreadable || (mayBlameRows(error) && this.#failures >= failuresUntilQuarantine);
      if (!alone || !toBlame) throw error;
      const reason = error instanceof Error ? error.message : String(error);
      return await this.#ports.quarantineWhole(request, reason.slice(0, 500));
    }
  }

  async #finish(batch: readonly Waiting[], committed: CommittedBatch): Promise<void> {
    const done = batch.map((waiting, index) => {
      const { ingestId, dataset } = waiting.entry.header;
      return { waiting, receipt: committedReceipt(ingestId, dataset, committed[index]) };
    });
    this.#queue.splice(0, batch.length);
    for (const { entry } of batch) this.#queuedBytes -= entry.header.bodyBytes;
    try {
      await this.#ports.finish(done);
    } finally {
      // They are in the chain, whatever becomes of their places in the log.
      for (const { waiting, receipt } of done) waiting.settle.resolve(receipt);
    }
  }

  /** The longest run of entries at the front that can be converted together. */
  #take(most: number): Waiting[] {
    const [first] = this.#queue;
    if (first === undefined) return [];
    const batch: Waiting[] = [];
    let bytes = 0;
    for (const waiting of this.#queue) {
      if (
        batch.length >= Math.min(most, mostEntries) ||
        (batch.length > 0 && (!joins(first, waiting) || bytes >= mostBytes || this.#isCommitted(first, waiting)))
      )
        break;
      batch.push(waiting);
      bytes += waiting.entry.header.bodyBytes;
    }
    return batch;
  }

  /** Of two entries that wait, only the first is in the chain. */
  #isCommitted(first: Waiting, other: Waiting): boolean {
    return first.entry.header.seq <= this.#committed && other.entry.header.seq > this.#committed;
  }
}

/** Whether two entries can be converted as one body: lines of the same kind, both from the log's own frames. */
function joins(a: Waiting, b: Waiting): boolean {
  if (a.format.kind !== "ndjson" && a.format.kind !== "text") return false;
  if (a.entry.header.spool !== null || b.entry.header.spool !== null) return false;
  const kind = ({ entry: { header } }: Waiting) => `${header.format} ${header.eventTime}`;
  return kind(a) === kind(b);
}

/** Errors that the rows themselves may cause; of the others (a full disk, a busy engine) no row is to blame. */
const blaming = new Set([
  "worker_lost",
  "out_of_memory",
  "bad_input",
  "bad_request",
  "result_too_large",
  "query_timeout",
  "internal",
]);

function mayBlameRows(error: unknown): boolean {
  if (error instanceof MillraceError) return blaming.has(error.code) || error.code.startsWith("sql_");
  // What comes from the disk or from PostgreSQL has a code; what has none is a fault of ours that these rows bring out.
  return error instanceof Error && !("code" in error);
}

/** Kept beside the writer: when a header says it was received. */
export function receivedAt(entry: StagedEntry) {
  return instant(entry.header.receivedAtMs);
}
