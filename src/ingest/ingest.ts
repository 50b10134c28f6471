import { randomUUID } from "node:crypto";
import { rm, writeFile } from "node:fs/promises";
import path from "node:path";
import {
  type Clock,
  type DatasetId,
  type DatasetPath,
  type Disk,
  formatDatasetPath,
  type IdSource,
  type Instant,
  MillraceError,
  type Random,
  type Service,
  type Telemetry,
  type TraceId,
} from "../base/index.ts";
import { type Datasets, readNotes } from "../datasets/index.ts";
import type { Engine } from "../engines/index.ts";
import type { Sql } from "../storage/index.ts";
import { Committer } from "./batching/committer.ts";
import { DatasetWriter, receivedAt, type Waiting } from "./batching/dataset-writer.ts";
import { type Column, parseType } from "./convert/types.ts";
import { eventTimeExpression } from "./event-time.ts";
import { type ResolvedFormat, resolveFormat } from "./formats/detect.ts";
import { textPattern } from "./formats/patterns.ts";
import { type Encoding, type FormatSpec, formatSpec } from "./formats/spec.ts";
import { type IngestReceipt, Receipts } from "./receipts.ts";
import { deleteOldIngests } from "./sql/ingests.ts";
import { type TakenBody, takeBody } from "./staging/body.ts";
import { type StagedEntry, StagingLog } from "./staging/log.ts";

export interface DatasetHandle {
  readonly id: DatasetId;
  readonly path: DatasetPath;
}

/** What a dataset's definition says of its rows. */
export interface DatasetDefinition {
  readonly eventTime?: string;
  readonly commitIntervalMs?: number;
  readonly columns?: readonly { readonly name: string; readonly type: string }[];
}

export interface PushRequest {
  readonly dataset: DatasetHandle;
  readonly body: AsyncIterable<Uint8Array>;
  readonly format: FormatSpec;
  readonly encoding: Encoding;
  readonly idempotencyKey?: string;
  readonly ack: "staged" | "committed";
  readonly sourcePosition?: { readonly source: string; readonly position: string; readonly firstLine: number };
  readonly eventTime?: string;
  readonly by: string;
  readonly traceId: TraceId;
}

/** One answered ingest, for history. */
export interface IngestRecord {
  readonly ingestId: string;
  readonly dataset: string;
  readonly user: string;
  readonly state: string;
  readonly receivedAt: Instant;
  readonly elapsedMs: number;
  readonly format: string;
  readonly bytes: number;
  readonly rows: number | null;
  readonly quarantined: number | null;
  readonly firstOffset: number | null;
  readonly lastOffset: number | null;
  readonly errorCode: string | null;
  readonly traceId: string;
}

export interface IngestOptions {
  readonly datasets: Datasets;
  readonly engine: Engine;
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
}

const keepReceiptsMs = 24 * 3_600_000;

/** One import's parts, committed in order while the next ones are converted. */
interface Lane {
  tail: Promise<void>;
  rowsAhead: number;
  parts: number;
}

/** Takes rows in, keeps them safe, and commits them. */
export class Ingest implements Service {
  readonly name = "ingest";
  readonly #options: IngestOptions;
  readonly #log: StagingLog;
  readonly #committer: Committer;
  readonly #receipts: Receipts;
  readonly #writers = new Map<DatasetId, DatasetWriter>();
  readonly #staged = new Map<string, Waiting>();
  readonly #keys = new Map<string, Promise<{ receipt: IngestReceipt; bodyHash: string }>>();
  readonly #lanes = new Map<string, Lane>();
  readonly #stopping = new AbortController();
  #pendingBytes = 0;

  constructor(options: IngestOptions) {
    this.#options = options;
    this.#log = new StagingLog({
      disk: options.disk,
      directory: path.join(options.directory, "log"),
      random: options.random,
    });
    this.#committer = new Committer(options);
    this.#receipts = new Receipts(options.sql);
  }

  /** Opens the staging log and goes on with what it holds. */
  async start(): Promise<void> {
    await rm(this.#workDirectory, { recursive: true, force: true });
    await this.#options.disk.makeDirectory(this.#workDirectory);
    const entries = await this.#log.open();
    for (const entry of entries) await this.#recover(entry);
    await deleteOldIngests(this.#options.sql, new Date(this.#options.clock.now() - keepReceiptsMs));
    if (entries.length > 0) this.#options.telemetry.log.info("recovered the staging log", { entries: entries.length });
  }

  async stop(): Promise<void> {
    this.#stopping.abort(new MillraceError("shutting_down", "The server is stopping.", { retryAfterS: 5 }));
    await Promise.all([...this.#writers.values()].map((writer) => writer.stopped()));
    await this.#log.close();
  }

  /** Bytes that were acknowledged and are not committed. */
  get pendingBytes(): number {
    return this.#pendingBytes;
  }

  /**
   * Takes a body in. Acknowledged rows survive a crash from then on.
   * @throws too_many_requests, disk_full, bad_input, bad_request, sql_* (event time), conflict (key), shutting_down
   */
  async push(request: PushRequest, signal: AbortSignal): Promise<IngestReceipt> {
    this.#stopping.signal.throwIfAborted();
    if (this.#pendingBytes > this.#options.pendingBytes) {
      throw new MillraceError("too_many_requests", "Too many acknowledged rows wait for their commit.", {
        retryAfterS: 1,
        hint: "Slow down, or wait for ack=committed.",
      });
    }
    const started = { atMs: this.#options.clock.monotonicMs(), at: this.#options.clock.now() };
    const id = this.#options.ids.uuid();
    try {
      const definition = await this.#options.definition(request.dataset.path);
      const receipt =
        request.sourcePosition === undefined
          ? await this.#pushStaged(id, request, definition, signal)
          : await this.#pushPart(id, request, definition, request.sourcePosition, signal);
      this.#record(request, receipt, started, null);
      return receipt;
    } catch (error) {
      const code = error instanceof MillraceError ? error.code : "internal";
      this.#record(request, { ...emptyReceipt(id, request), state: "failed" }, started, code);
      throw error;
    }
  }

  /** The receipt of an ingest of the last day. */
  async receipt(id: string): Promise<IngestReceipt | null> {
    const staged = this.#staged.get(id);
    if (staged !== undefined) return stagedReceipt(staged.entry);
    return await this.#receipts.get(id);
  }

  /** Commits what waits for a dataset: for a reader who wants to see it. */
  async flush(id: DatasetId, signal: AbortSignal): Promise<void> {
    const writer = this.#writers.get(id);
    if (writer === undefined || writer.waiting === 0) return;
    await writer.flushed(signal);
  }

  async #pushStaged(
    id: string,
    request: PushRequest,
    definition: DatasetDefinition,
    signal: AbortSignal,
  ): Promise<IngestReceipt> {
    const key = request.idempotencyKey;
    if (key === undefined) return await this.#stage(id, request, definition, signal).then(({ answer }) => answer());
    const name = `${request.dataset.id}/${key}`;
    const earlier = await this.#byKey(request.dataset.id, key, name);
    if (earlier !== null) {
      // The body is read to its end, so that a different one under the same key is told.
      const hash = await this.#hashBody(id, request, signal);
      const first = await earlier;
      if (first.bodyHash !== "" && first.bodyHash !== hash) {
        throw new MillraceError("conflict", "The Idempotency-Key was used with another body.", {
          hint: "Use a new key for new rows.",
        });
      }
      return await this.#answerAgain(first.receipt, request.ack);
    }
    const settle = Promise.withResolvers<{ receipt: IngestReceipt; bodyHash: string }>();
    settle.promise.catch(() => {});
    this.#keys.set(name, settle.promise);
    try {
      const { answer, bodyHash, entry } = await this.#stage(id, request, definition, signal);
      settle.resolve({ receipt: stagedReceipt(entry), bodyHash });
      return await answer();
    } catch (error) {
      settle.reject(error);
      this.#keys.delete(name);
      throw error;
    }
  }

  async #byKey(
    datasetId: DatasetId,
    key: string,
    name: string,
  ): Promise<Promise<{ receipt: IngestReceipt; bodyHash: string }> | null> {
    const inFlight = this.#keys.get(name);
    if (inFlight !== undefined) return inFlight;
    const kept = await this.#receipts.byKey(datasetId, key);
    if (this.#keys.has(name)) return this.#keys.get(name) ?? null;
    return kept === null ? null : Promise.resolve({ receipt: kept.receipt, bodyHash: kept.bodyHash ?? "" });
  }

  /** The first answer once more, as far as it has come since. */
  async #answerAgain(first: IngestReceipt, ack: "staged" | "committed"): Promise<IngestReceipt> {
    const staged = this.#staged.get(first.id);
    if (staged !== undefined && ack === "committed") {
      this.#writers.get(staged.entry.header.datasetId as DatasetId)?.hurry();
      return { ...(await staged.settle.promise), duplicate: true };
    }
    const now = staged === undefined ? ((await this.#receipts.get(first.id)) ?? first) : first;
    return { ...now, duplicate: true };
  }

  async #hashBody(id: string, request: PushRequest, signal: AbortSignal): Promise<string> {
    const taken = await this.#take(`${id}.again`, request, false, signal);
    if (taken.file !== null) await this.#options.disk.remove(taken.file);
    return taken.hash;
  }

  async #stage(id: string, request: PushRequest, definition: DatasetDefinition, signal: AbortSignal) {
    const taken = await this.#take(id, request, true, signal);
    try {
      const format = resolved(request.format, taken.first);
      const eventTime = await this.#eventTime(request, definition, format, signal);
      const entry = await this.#log.append(
        {
          ingestId: id,
          datasetId: request.dataset.id,
          dataset: formatDatasetPath(request.dataset.path),
          format: JSON.stringify(format),
          eventTime,
          key: request.idempotencyKey ?? null,
          bodyHash: taken.hash,
          by: request.by,
          traceId: request.traceId,
          receivedAtMs: this.#options.clock.now(),
          spool: taken.file === null ? null : id,
          bodyBytes: taken.sizeBytes,
        },
        taken.bytes ?? new Uint8Array(),
      );
      const waiting = this.#enqueue(entry, format, definition);
      const answer = async (): Promise<IngestReceipt> => {
        if (request.ack === "staged") return stagedReceipt(entry);
        this.#writers.get(request.dataset.id)?.hurry();
        return await waiting.settle.promise;
      };
      return { answer, bodyHash: taken.hash, entry };
    } catch (error) {
      if (taken.file !== null) await this.#options.disk.remove(taken.file);
      throw error;
    }
  }

  #take(name: string, request: PushRequest, durable: boolean, signal: AbortSignal): Promise<TakenBody> {
    return takeBody(request.body, {
      encoding: request.encoding,
      jsonElements: request.format.kind === "json",
      disk: this.#options.disk,
      path: this.#log.spoolPath(name),
      durable,
      countLines: request.sourcePosition !== undefined && ["ndjson", "json"].includes(request.format.kind),
      signal,
    });
  }

  async #eventTime(
    request: PushRequest,
    definition: DatasetDefinition,
    format: ResolvedFormat,
    signal: AbortSignal,
  ): Promise<string | null> {
    const said =
      request.eventTime ??
      definition.eventTime ??
      (format.kind === "text" ? textPattern(format.pattern)?.eventTime : null) ??
      null;
    return said === null ? null : await eventTimeExpression(said, this.#options.engine, signal);
  }

  #enqueue(entry: StagedEntry, format: ResolvedFormat, definition: DatasetDefinition): Waiting {
    const settle = Promise.withResolvers<IngestReceipt>();
    settle.promise.catch(() => {});
    const waiting: Waiting = { entry, format, settle };
    this.#staged.set(entry.header.ingestId, waiting);
    this.#pendingBytes += entry.header.bodyBytes;
    this.#writer(entry.header.datasetId as DatasetId, definition).add(waiting);
    return waiting;
  }

  #writer(id: DatasetId, definition: DatasetDefinition): DatasetWriter {
    const known = this.#writers.get(id);
    if (known !== undefined) return known;
    const { clock, telemetry, commitIntervalMs } = this.#options;
    const signal = this.#stopping.signal;
    const idle = Promise.resolve();
    const writer = new DatasetWriter(id, {
      clock,
      telemetry,
      signal,
      intervalMs: definition.commitIntervalMs ?? commitIntervalMs,
      open: (waiting) => this.#openBatch(waiting),
      commit: (request) => this.#committer.run({ ...withDefinition(request, definition), datasetId: id }, idle, signal),
      quarantineWhole: (request, reason) =>
        this.#committer.quarantineWhole({ ...request, datasetId: id }, reason, signal),
      finish: (done) => this.#finish(id, done),
      sourceState: (seq) => ({ sourceName: `staged:${this.#log.id}`, kind: "millrace/staged", value: String(seq) }),
    });
    this.#writers.set(id, writer);
    return writer;
  }

  async #openBatch(waiting: readonly Waiting[]) {
    const workPath = path.join(this.#workDirectory, randomUUID());
    const made: string[] = [];
    const entries = await Promise.all(
      waiting.map(async ({ entry }) => {
        const { spool, ingestId, bodyBytes } = entry.header;
        let file = spool === null ? `${workPath}-${ingestId}.body` : this.#log.spoolPath(spool);
        if (spool === null) {
          made.push(file);
          await writeFile(file, await this.#log.readBody(entry), { mode: 0o600 });
        } else file = this.#log.spoolPath(spool);
        return { ingestId, path: file, sizeBytes: bodyBytes, receivedAt: receivedAt(entry), source: "", firstLine: 1 };
      }),
    );
    return {
      workPath,
      entries,
      close: async () => {
        for (const file of made) await rm(file, { force: true });
      },
    };
  }

  async #finish(datasetId: DatasetId, done: readonly { waiting: Waiting; receipt: IngestReceipt }[]): Promise<void> {
    await Promise.all(
      done.map(({ waiting: { entry }, receipt }) =>
        this.#receipts.save(receipt, {
          datasetId,
          key: entry.header.key,
          bodyHash: entry.header.bodyHash,
          atMs: entry.header.receivedAtMs,
        }),
      ),
    );
    for (const { waiting } of done) await this.#forget(waiting);
  }

  async #forget({ entry }: Waiting): Promise<void> {
    const { ingestId, datasetId, key, bodyBytes } = entry.header;
    this.#staged.delete(ingestId);
    this.#pendingBytes -= bodyBytes;
    if (key !== null) this.#keys.delete(`${datasetId}/${key}`);
    await this.#log.done(entry);
  }

  /** An entry of an earlier run: committed already, or to be committed now. */
  async #recover(entry: StagedEntry): Promise<void> {
    const { header } = entry;
    const datasetId = header.datasetId as DatasetId;
    const head = await this.#options.datasets.head(datasetId);
    if (head.seq < 0) {
      this.#options.telemetry.log.warn("rows of a dataset that is gone are dropped", {
        datasetId,
        ingestId: header.ingestId,
      });
      await this.#log.done(entry);
      return;
    }
    const committed = Number(head.sourceState(`staged:${this.#log.id}`)?.value ?? 0);
    if (header.key !== null && header.seq > committed) {
      const receipt = stagedReceipt(entry);
      this.#keys.set(`${datasetId}/${header.key}`, Promise.resolve({ receipt, bodyHash: header.bodyHash ?? "" }));
    }
    if (header.seq <= committed) {
      const receipt = await this.#findInChain(datasetId, header.ingestId, head.seq, header.dataset);
      if (receipt !== null)
        await this.#receipts.save(receipt, {
          datasetId,
          key: header.key,
          bodyHash: header.bodyHash,
          atMs: header.receivedAtMs,
        });
      await this.#log.done(entry);
      return;
    }
    const definition = await this.#options.definition(splitPath(header.dataset));
    this.#enqueue(entry, readFormat(header.format), definition);
  }

  /** A committed ingest's share of the chain, looked for from the newest block back. */
  async #findInChain(
    datasetId: DatasetId,
    ingestId: string,
    newest: number,
    dataset: string,
  ): Promise<IngestReceipt | null> {
    for await (const { seq, hash, block } of this.#options.datasets.blocks(datasetId, {
      from: Math.max(0, newest - 1_000),
      to: newest,
      newestFirst: true,
    })) {
      if (block.event.kind !== "AddData") continue;
      const share = readNotes(block.event).ingests?.find((one) => one.id === ingestId);
      if (share === undefined) continue;
      const { rows, quarantined, firstOffset } = share;
      const lastOffset = rows === 0 ? null : firstOffset + rows - 1;
      return {
        id: ingestId,
        dataset,
        state: "committed",
        rows,
        quarantined,
        firstOffset: rows === 0 ? null : firstOffset,
        lastOffset,
        block: hash,
        seq,
        duplicate: false,
      };
    }
    return null;
  }

  /**
   * A part of an import: committed straight away, with the chain's source state as the proof that it was. Parts of one
   * source commit in order of their positions; a part at or below the committed position adds nothing.
   */
  async #pushPart(
    id: string,
    request: PushRequest,
    definition: DatasetDefinition,
    part: NonNullable<PushRequest["sourcePosition"]>,
    signal: AbortSignal,
  ): Promise<IngestReceipt> {
    const position = Number(part.position);
    if (!Number.isInteger(position) || position < 1)
      throw new MillraceError("bad_request", "Millrace-Position counts parts from 1.");
    const key = `${part.source}#${position}`;
    const taken = await this.#take(id, request, false, signal);
    const file = taken.file ?? this.#log.spoolPath(id);
    if (taken.bytes !== null) await writeFile(file, taken.bytes, { mode: 0o600 });
    const laneName = `${request.dataset.id}/${part.source}`;
    const lane = this.#lanes.get(laneName) ?? { tail: Promise.resolve(), rowsAhead: 0, parts: 0 };
    this.#lanes.set(laneName, lane);
    const turn = lane.tail;
    const ended = Promise.withResolvers<void>();
    lane.tail = ended.promise;
    lane.parts++;
    const ahead = lane.rowsAhead;
    const expected = taken.lines ?? 0;
    lane.rowsAhead += expected;
    try {
      const known = Number(
        (await this.#options.datasets.head(request.dataset.id, signal)).sourceState(part.source)?.value ?? 0,
      );
      if (position <= known) return await this.#oldPart(id, request, key);
      const format = resolved(request.format, taken.first);
      // Only where rows are known beforehand can a part be converted before the one in front of it is committed.
      if (taken.lines === null) await turn;
      const committed = await this.#committer.run(
        {
          ...withDefinition(
            {
              batch: {
                entries: [
                  {
                    ingestId: id,
                    path: file,
                    sizeBytes: taken.sizeBytes,
                    receivedAt: this.#options.clock.now(),
                    source: part.source,
                    firstLine: part.firstLine,
                  },
                ],
                format,
                declared: new Set<string>(),
                eventTime: await this.#eventTime(request, definition, format, signal),
                workPath: path.join(this.#workDirectory, randomUUID()),
              },
              sourceState: { sourceName: part.source, kind: "millrace/position", value: String(position) },
              by: request.by,
              ahead: taken.lines === null ? 0 : ahead,
            },
            definition,
          ),
          datasetId: request.dataset.id,
        },
        turn,
        AbortSignal.any([signal, this.#stopping.signal]),
      );
      const [share] = committed.shares;
      const rows = share?.rows ?? 0;
      const receipt: IngestReceipt = {
        id,
        dataset: formatDatasetPath(request.dataset.path),
        state: "committed",
        rows,
        quarantined: share?.quarantined ?? 0,
        firstOffset: committed.firstOffset,
        lastOffset: committed.firstOffset === null ? null : committed.firstOffset + rows - 1,
        block: committed.block,
        seq: committed.seq,
        duplicate: false,
        reasons: (share?.reasons ?? []).map((reason) => ({ ...reason })),
      };
      await this.#receipts.save(receipt, {
        datasetId: request.dataset.id,
        key,
        bodyHash: null,
        atMs: this.#options.clock.now(),
      });
      return receipt;
    } finally {
      await turn.catch(() => {});
      lane.rowsAhead -= expected;
      if (--lane.parts === 0) this.#lanes.delete(laneName);
      ended.resolve();
      await this.#options.disk.remove(file);
    }
  }

  async #oldPart(id: string, request: PushRequest, key: string): Promise<IngestReceipt> {
    const kept = await this.#receipts.byKey(request.dataset.id, key);
    return { ...(kept?.receipt ?? { ...emptyReceipt(id, request), state: "committed" as const }), duplicate: true };
  }

  get #workDirectory(): string {
    return path.join(this.#options.directory, "work");
  }

  #record(
    request: PushRequest,
    receipt: IngestReceipt,
    started: { atMs: number; at: Instant },
    errorCode: string | null,
  ): void {
    const { id, state, rows, quarantined, firstOffset, lastOffset, dataset } = receipt;
    this.#options.record({
      ingestId: id,
      dataset,
      user: request.by,
      state,
      receivedAt: started.at,
      elapsedMs: this.#options.clock.monotonicMs() - started.atMs,
      format: request.format.kind,
      bytes: 0,
      rows,
      quarantined,
      firstOffset,
      lastOffset,
      errorCode,
      traceId: request.traceId,
    });
  }
}

type Request = Parameters<Committer["run"]>[0];

function withDefinition(
  request: Omit<Request, "datasetId">,
  definition: DatasetDefinition,
): Omit<Request, "datasetId"> {
  const declaredColumns: Column[] = (definition.columns ?? []).map((column) => ({
    name: column.name,
    type: parseType(column.type),
  }));
  const declared = new Set(declaredColumns.map((column) => column.name.toLowerCase()));
  return { ...request, batch: { ...request.batch, declared, declaredColumns } };
}

function resolved(format: FormatSpec, first: Uint8Array): ResolvedFormat {
  return format.kind === "json" ? { kind: "ndjson" } : resolveFormat(format, first);
}

/** A format as the log keeps it. */
function readFormat(text: string): ResolvedFormat {
  const spec = formatSpec.parse(JSON.parse(text));
  return resolved(spec, new Uint8Array());
}

function splitPath(text: string): DatasetPath {
  const [project = "", dataset = ""] = text.split(".");
  return { project: project as DatasetPath["project"], dataset: dataset as DatasetPath["dataset"] }; // written by us, from a parsed path
}

function stagedReceipt({ header }: StagedEntry): IngestReceipt {
  return {
    id: header.ingestId,
    dataset: header.dataset,
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

function emptyReceipt(id: string, request: PushRequest): IngestReceipt {
  return {
    id,
    dataset: formatDatasetPath(request.dataset.path),
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
