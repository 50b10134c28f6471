import { type Clock, type DatasetId, delay, instant, MillraceError, type Telemetry } from "../../base/index.ts";
import type { BatchEntry } from "../convert/batch.ts";
import type { ResolvedFormat } from "../formats/detect.ts";
import type { IngestReceipt } from "../receipts.ts";
import type { StagedEntry } from "../staging/log.ts";
import type { CommitRequest, CommittedBatch } from "./committer.ts";

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

/** What the writer needs of ingest. */
export interface WriterPorts {
  readonly clock: Clock;
  readonly telemetry: Telemetry;
  readonly signal: AbortSignal;
  readonly intervalMs: number;
  /** A place for the batch's files, and the bodies as files. */
  open(waiting: readonly Waiting[]): Promise<{ workPath: string; entries: BatchEntry[]; close(): Promise<void> }>;
  commit(request: Omit<CommitRequest, "datasetId">): Promise<CommittedBatch>;
  quarantineWhole(request: Omit<CommitRequest, "datasetId">, reason: string): Promise<CommittedBatch>;
  /** Keeps the receipts; then the entries may leave the log. */
  finish(done: readonly { waiting: Waiting; receipt: IngestReceipt }[]): Promise<void>;
  sourceState(seq: number): CommitRequest["sourceState"];
}

/**
 * Commits what waits for one dataset, in the order of the staging log, one batch at a time.
 *
 *   idle --row--> waiting --interval, size, or somebody waits--> committing --more--> waiting
 *                                                      \--error--> backing off --> committing
 */
export class DatasetWriter {
  readonly id: DatasetId;
  readonly #ports: WriterPorts;
  readonly #queue: Waiting[] = [];
  #running: Promise<void> | null = null;
  #wake: () => void = () => {};
  #hurried = false;
  #failures = 0;

  constructor(id: DatasetId, ports: WriterPorts) {
    this.id = id;
    this.#ports = ports;
  }

  get waiting(): number {
    return this.#queue.length;
  }

  add(waiting: Waiting): void {
    this.#queue.push(waiting);
    if (this.#bytes() >= mostBytes) this.hurry();
    this.#running ??= this.#run().finally(() => {
      this.#running = null;
      if (this.#queue.length > 0 && !this.#ports.signal.aborted) this.#running ??= this.#run();
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
      await this.#pause(this.#hurried ? hurryMs : this.#ports.intervalMs);
      this.#hurried = false;
      if (signal.aborted) return;
      try {
        // Everything that waits now goes, in as many batches as its formats and sizes need.
        for (let left = this.#queue.length; left > 0 && !signal.aborted; ) left -= await this.#commitSome(left);
        this.#failures = 0;
      } catch (error) {
        if (signal.aborted) return;
        this.#failures++;
        this.#ports.telemetry.log.warn("a commit failed; it is tried again", {
          datasetId: this.id,
          failures: this.#failures,
          error,
        });
        await delay(clock, Math.min(30_000, 100 * 2 ** this.#failures), signal).catch(() => {});
        this.#hurried = true;
      }
    }
  }

  /** Waits for the interval, or until somebody is in a hurry. */
  async #pause(milliseconds: number): Promise<void> {
    const { clock, signal } = this.#ports;
    await new Promise<void>((resolve) => {
      const done = () => {
        forget();
        signal.removeEventListener("abort", done);
        this.#wake = () => {};
        resolve();
      };
      const forget = clock.timer(milliseconds, done);
      this.#wake = () => {
        this.#wake = () => {};
        forget();
        forgetHurry = clock.timer(hurryMs, done);
      };
      let forgetHurry = () => {};
      signal.addEventListener(
        "abort",
        () => {
          forgetHurry();
          done();
        },
        { once: true },
      );
    });
  }

  async #commitSome(most: number): Promise<number> {
    const batch = this.#take(this.#failures >= failuresUntilAlone ? 1 : most);
    const last = batch.at(-1);
    const [first] = batch;
    if (first === undefined || last === undefined) return most;
    const opened = await this.#ports.open(batch);
    try {
      const request = {
        batch: {
          entries: opened.entries,
          format: first.format,
          declared: new Set<string>(),
          eventTime: first.entry.header.eventTime,
          workPath: opened.workPath,
        },
        sourceState: this.#ports.sourceState(last.entry.header.seq),
        by: last.entry.header.by,
        ahead: 0,
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
      const unreadable = error instanceof MillraceError && error.code === "bad_input";
      if (!alone || !(unreadable || this.#failures >= failuresUntilQuarantine)) throw error;
      const reason = error instanceof Error ? error.message : String(error);
      return await this.#ports.quarantineWhole(request, reason.slice(0, 500));
    }
  }

  async #finish(batch: readonly Waiting[], committed: CommittedBatch): Promise<void> {
    let offset = committed.firstOffset ?? 0;
    const done = batch.map((waiting, index) => {
      const share = committed.shares[index];
      const rows = share?.rows ?? 0;
      const receipt: IngestReceipt = {
        id: waiting.entry.header.ingestId,
        dataset: waiting.entry.header.dataset,
        state: "committed",
        rows,
        quarantined: share?.quarantined ?? 0,
        firstOffset: rows === 0 ? null : offset,
        lastOffset: rows === 0 ? null : offset + rows - 1,
        block: committed.block,
        seq: committed.seq,
        duplicate: false,
        reasons: (share?.reasons ?? []).map((reason) => ({ ...reason })),
      };
      offset += rows;
      return { waiting, receipt };
    });
    this.#queue.splice(0, batch.length);
    await this.#ports.finish(done);
    for (const { waiting, receipt } of done) waiting.settle.resolve(receipt);
  }

  /** The longest run of entries at the front that can be converted together. */
  #take(most: number): Waiting[] {
    const [first] = this.#queue;
    if (first === undefined) return [];
    const kind = (waiting: Waiting) => JSON.stringify([waiting.format, waiting.entry.header.eventTime]);
    const together = first.format.kind === "ndjson" || first.format.kind === "text";
    const batch: Waiting[] = [];
    let bytes = 0;
    for (const waiting of this.#queue) {
      if (
        batch.length >= Math.min(most, mostEntries) ||
        (batch.length > 0 && (!together || bytes >= mostBytes || kind(waiting) !== kind(first)))
      )
        break;
      batch.push(waiting);
      bytes += waiting.entry.header.bodyBytes;
    }
    return batch;
  }

  #bytes(): number {
    return this.#queue.reduce((sum, waiting) => sum + waiting.entry.header.bodyBytes, 0);
  }
}

/** Kept beside the writer: when a header says it was received. */
export function receivedAt(entry: StagedEntry) {
  return instant(entry.header.receivedAtMs);
}
