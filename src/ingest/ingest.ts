import path from "node:path";
import {
  type DatasetId,
  type DatasetPath,
  formatDatasetPath,
  type Instant,
  MillraceError,
  type Service,
} from "../base/index.ts";
import { Committer } from "./batching/committer.ts";
import type { IngestOptions, PushRequest } from "./contract.ts";
import { History } from "./history.ts";
import { ImportParts } from "./import-parts.ts";
import { type Arrival, Intake } from "./intake.ts";
import { IdempotencyKeys } from "./keys.ts";
import { PendingBytes } from "./pending.ts";
import { ReceiptKeeper } from "./receipt-keeper.ts";
import { type IngestReceipt, Receipts } from "./receipts.ts";
import { KeyedPush } from "./staged/keyed-push.ts";
import { type RecoveryOptions, recover } from "./staged/recovery.ts";
import { StagedRequests } from "./staged/staged-requests.ts";
import { Incoming } from "./staging/incoming.ts";
import { StagingLog } from "./staging/log.ts";

const sweepEveryMs = 10 * 60_000;

/** Takes rows in, keeps them safe, and commits them. */
export class Ingest implements Service {
  readonly name = "ingest";
  readonly #options: IngestOptions;
  readonly #workDirectory: string;
  readonly #log: StagingLog;
  readonly #incoming: Incoming;
  readonly #pending: PendingBytes;
  readonly #receipts: Receipts;
  readonly #keeper: ReceiptKeeper;
  readonly #history: History;
  readonly #staged: StagedRequests;
  readonly #keyed: KeyedPush;
  readonly #parts: ImportParts;
  readonly #recovery: RecoveryOptions;
  readonly #stopping = new AbortController();
  #forgetSweep: () => void = () => {};
  #sweeping: Promise<unknown> = Promise.resolve();

  constructor(options: IngestOptions) {
    const { datasets, clock, disk, telemetry, directory } = options;
    this.#options = options;
    this.#workDirectory = path.join(directory, "work");
    const stopping = this.#stopping.signal;
    const workDirectory = this.#workDirectory;
    const log = new StagingLog({ disk, directory: path.join(directory, "log"), random: options.random });
    const spoolPath = (name: string) => log.spoolPath(name);
    const pending = new PendingBytes(options.pendingBytes);
    const incoming = new Incoming({ disk, clock, directory: path.join(directory, "incoming") });
    const intake = new Intake({ disk, pending, incoming, parser: options.parser, spoolPath });
    const committer = new Committer(options);
    const history = new History(options);
    const keys = new IdempotencyKeys();
    const receipts = new Receipts(options.sql);
    const keeper = new ReceiptKeeper({
      receipts,
      clock,
      telemetry,
      stopping,
      ...(options.keepReceiptsMs === undefined ? {} : { keptMs: options.keepReceiptsMs }),
    });
    const { ids } = options;
    const shared = { ids, datasets, clock, disk, telemetry, log, intake, pending, keys, committer, history, stopping };
    const { commitIntervalMs } = options;
    this.#staged = new StagedRequests({ ...shared, receipts: keeper, workDirectory, commitIntervalMs });
    this.#keyed = new KeyedPush({ staged: this.#staged, intake, keys, receipts, keeper, logId: () => log.id });
    this.#parts = new ImportParts({ ...shared, receipts, spoolPath, workDirectory });
    this.#recovery = { ...shared, staged: this.#staged, receipts, definition: options.definition };
    this.#log = log;
    this.#incoming = incoming;
    this.#pending = pending;
    this.#receipts = receipts;
    this.#keeper = keeper;
    this.#history = history;
  }

  /** Opens the staging log and goes on with what it holds. */
  async start(): Promise<void> {
    const { disk } = this.#options;
    await disk.makeDirectory(this.#workDirectory);
    for (const { name } of await disk.list(this.#workDirectory))
      await disk.remove(path.join(this.#workDirectory, name));
    await this.#incoming.open();
    const entries = await this.#log.open();
    for (const entry of entries) await recover(entry, this.#recovery);
    await this.#receipts.releaseOthers(
      this.#log.id,
      entries.map(({ header }) => header.ingestId),
    );
    if (entries.length > 0) this.#options.telemetry.log.info("recovered the staging log", { entries: entries.length });
    this.#keeper.start();
    this.#sweepLater();
  }

  #sweepLater(): void {
    this.#forgetSweep = this.#options.clock.timer(sweepEveryMs, () => {
      const { log } = this.#options.telemetry;
      this.#sweeping = this.#incoming
        .sweep()
        .catch((error: unknown) => log.warn("the incoming folder could not be swept; it is tried again", { error }))
        .finally(() => this.#stopping.signal.aborted || this.#sweepLater());
    });
  }

  /** Ends what is under way; what is staged and not committed stays in the log for the next start. */
  async stop(): Promise<void> {
    this.#stopping.abort(new MillraceError("shutting_down", "The server is stopping.", { retryAfterS: 5 }));
    this.#forgetSweep();
    await this.#sweeping;
    await this.#staged.stopped();
    await this.#keeper.stop();
    await this.#log.close();
  }

  /** Where a client on this machine may put the parts of an import. */
  get incomingDirectory(): string {
    return this.#incoming.directory;
  }

  /** Bytes that were acknowledged and are not committed. */
  get pendingBytes(): number {
    return this.#pending.total;
  }

  /**
   * Takes a body in. Acknowledged rows survive a crash from then on.
   * @throws dataset_read_only, too_many_requests, disk_full, bad_input, bad_request, sql_* (event time), conflict (key), shutting_down
   */
  async push(request: PushRequest, signal: AbortSignal): Promise<IngestReceipt> {
    this.#stopping.signal.throwIfAborted();
    this.#pending.admit(request.dataset.id);
    const receivedAt = this.#options.clock.now();
    const definition = await this.#options.definition(request.dataset.path);
    if (definition.replica !== undefined) await this.#options.datasets.replicas.refuseRows(request.dataset.id);
    if (definition.transform !== undefined) throw derived(request.dataset.path);
    const id = this.#options.ids.uuid();
    const arrival: Arrival = { id, request, definition, meter: { bytes: 0, wireBytes: 0 } };
    try {
      return await this.#take(arrival, receivedAt, signal);
    } catch (error) {
      // What is staged has not failed: only the wait for its commit has ended.
      if (this.#staged.receipt(id) === null) this.#history.failed(arrival, receivedAt, error);
      throw error;
    }
  }

  #take(arrival: Arrival, receivedAt: Instant, signal: AbortSignal): Promise<IngestReceipt> {
    const { sourcePosition } = arrival.request;
    return sourcePosition === undefined
      ? this.#keyed.push(arrival, receivedAt, signal)
      : this.#parts.push(arrival, sourcePosition, receivedAt, signal);
  }

  /** The receipt of an ingest of the last day. */
  async receipt(id: string): Promise<IngestReceipt | null> {
    return this.#staged.receipt(id) ?? (await this.#receipts.get(id));
  }

  /** Commits what waits for a dataset: for a reader who wants to see it. */
  async flush(id: DatasetId, signal: AbortSignal): Promise<void> {
    await this.#staged.flush(id, signal);
  }
}

function derived(path: DatasetPath): MillraceError {
  return new MillraceError("dataset_read_only", `The rows of ${formatDatasetPath(path)} are made by its transform.`, {
    hint: "Send rows to a dataset that it reads.",
  });
}
