import { randomUUID } from "node:crypto";
import { open, rm } from "node:fs/promises";
import path from "node:path";
import {
  abortable,
  type Clock,
  type DatasetId,
  type DatasetPath,
  type Disk,
  delay,
  formatDatasetPath,
  type IdSource,
  type Instant,
  MillraceError,
  type Random,
  type Service,
  type Telemetry,
  type TraceId,
} from "../base/index.ts";
import type { Datasets, Head } from "../datasets/index.ts";
import type { Engine } from "../engines/index.ts";
import type { Sql } from "../storage/index.ts";
import { Committer, isBehind } from "./batching/committer.ts";
import { DatasetWriter, receivedAt, type Waiting } from "./batching/dataset-writer.ts";
import { findIngests, findPosition } from "./chain-receipts.ts";
import type { BatchEntry } from "./convert/batch.ts";
import { type Column, parseType } from "./convert/types.ts";
import { eventTimeExpression } from "./event-time.ts";
import { type ResolvedFormat, resolveFormat } from "./formats/detect.ts";
import { textPattern } from "./formats/patterns.ts";
import { type Encoding, type FormatSpec, formatSpec } from "./formats/spec.ts";
import { Lanes } from "./lanes.ts";
import { committedReceipt, type IngestReceipt, Receipts } from "./receipts.ts";
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
  readonly #lanes: Lanes;
  readonly #saving = new Set<Promise<void>>();
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
    this.#lanes = new Lanes(options.clock);
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
    await Promise.allSettled(this.#saving);
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
    this.#admit();
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

  #admit(): void {
    if (this.#pendingBytes <= this.#options.pendingBytes) return;
    throw new MillraceError("too_many_requests", "Too many acknowledged rows wait for their commit.", {
      retryAfterS: 1,
      hint: "Slow down, or wait for ack=committed.",
    });
  }

  async #pushStaged(
    id: string,
    request: PushRequest,
    definition: DatasetDefinition,
    signal: AbortSignal,
  ): Promise<IngestReceipt> {
    const key = request.idempotencyKey;
    if (key === undefined)
      return await this.#stage(id, request, definition, signal).then(({ answer }) => answer(signal));
    const name = `${request.dataset.id}/${key}`;
    const inFlight = this.#keys.get(name);
    if (inFlight !== undefined) return await this.#again(id, request, inFlight, signal);
    // The key is taken before anything is waited for, so that of two at once one is the first.
    const settle = Promise.withResolvers<{ receipt: IngestReceipt; bodyHash: string }>();
    settle.promise.catch(() => {});
    this.#keys.set(name, settle.promise);
    try {
      const kept = await this.#receipts.byKey(request.dataset.id, key);
      if (kept !== null) {
        settle.resolve({ receipt: kept.receipt, bodyHash: kept.bodyHash ?? "" });
        this.#keys.delete(name);
        return await this.#again(id, request, settle.promise, signal);
      }
      const { answer, bodyHash, entry } = await this.#stage(id, request, definition, signal);
      settle.resolve({ receipt: stagedReceipt(entry), bodyHash });
      return await answer(signal);
    } catch (error) {
      if (this.#staged.has(id)) throw error; // it is staged, only the wait for its commit ended
      settle.reject(error);
      this.#keys.delete(name);
      throw error;
    }
  }

  /** A repeated request: its body is read to its end, so that a different one under the same key is told. */
  async #again(
    id: string,
    request: PushRequest,
    earlier: Promise<{ receipt: IngestReceipt; bodyHash: string }>,
    signal: AbortSignal,
  ): Promise<IngestReceipt> {
    const hash = await this.#hashBody(id, request, signal);
    const first = await earlier;
    if (first.bodyHash !== "" && first.bodyHash !== hash) {
      throw new MillraceError("conflict", "The Idempotency-Key was used with another body.", {
        hint: "Use a new key for new rows.",
      });
    }
    return await this.#answerAgain(first.receipt, request.ack);
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
          lines: taken.lines,
          headBytes: taken.headBytes,
        },
        taken.bytes ?? new Uint8Array(),
      );
      const waiting = this.#enqueue(entry, format, definition);
      const answer = async (abort: AbortSignal): Promise<IngestReceipt> => {
        if (request.ack === "staged") return stagedReceipt(entry);
        this.#writers.get(request.dataset.id)?.hurry();
        return await abortable(waiting.settle.promise, AbortSignal.any([abort, this.#stopping.signal]));
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
      hashed: request.idempotencyKey !== undefined,
      countLines: request.format.kind !== "parquet" && request.format.kind !== "arrow",
      headBytes: headBytesOf(request.format),
      admit: () => this.#admit(),
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
      sourceState: (seq) => this.#sourceState(seq),
    });
    this.#writers.set(id, writer);
    return writer;
  }

  /** One file with the bodies of a batch: a large body's own, or the log's frames one after another. */
  async #openBatch(waiting: readonly Waiting[]) {
    const workPath = path.join(this.#workDirectory, randomUUID());
    const [first] = waiting;
    const spool = first?.entry.header.spool ?? null;
    const headBytes =
      spool === null ? headBytesOf(first?.format ?? { kind: "ndjson" }) : (first?.entry.header.headBytes ?? 0);
    const file = spool === null ? `${workPath}.bodies` : this.#log.spoolPath(spool);
    const entries: BatchEntry[] = [];
    const pieces: Uint8Array[] = [];
    let start = headBytes;
    for (const { entry } of waiting) {
      const { ingestId, bodyBytes, lines } = entry.header;
      entries.push({
        ingestId,
        start,
        sizeBytes: bodyBytes,
        lines,
        receivedAt: receivedAt(entry),
        source: "",
        firstLine: 1,
      });
      if (spool !== null) continue;
      const body = await this.#log.readBody(entry);
      pieces.push(body, lineBreak);
      start += body.length + lineBreak.length;
    }
    if (spool === null) {
      await using bodies = await open(file, "w", 0o600);
      await bodies.write(Buffer.concat(pieces), 0, undefined, headBytes);
    }
    const close = async () => {
      if (spool === null) await rm(file, { force: true });
    };
    return { workPath, path: file, headBytes, entries, close };
  }

  async #finish(datasetId: DatasetId, done: readonly { waiting: Waiting; receipt: IngestReceipt }[]): Promise<void> {
    const save = () =>
      Promise.all(
        done.map(({ waiting: { entry }, receipt }) =>
          this.#receipts.save(receipt, {
            datasetId,
            key: entry.header.key,
            bodyHash: entry.header.bodyHash,
            atMs: entry.header.receivedAtMs,
          }),
        ),
      );
    try {
      await save();
    } catch (error) {
      // The rows are in the chain, and their callers are told so. Entries leave the log only with their receipts kept;
      // a restart before that finds the shares in the chain.
      this.#options.telemetry.log.warn("receipts could not be kept; it is tried again", { datasetId, error });
      const later = this.#saveLater(save).then(() => this.#forgetAll(done));
      this.#saving.add(later);
      later.catch(() => {}).finally(() => this.#saving.delete(later));
      return;
    }
    await this.#forgetAll(done);
  }

  async #saveLater(save: () => Promise<unknown>): Promise<void> {
    for (let tries = 1; ; tries++) {
      await delay(this.#options.clock, Math.min(30_000, 500 * 2 ** Math.min(tries, 10)), this.#stopping.signal);
      const saved = await save().then(
        () => true,
        () => false,
      );
      if (saved) return;
    }
  }

  async #forgetAll(done: readonly { waiting: Waiting }[]): Promise<void> {
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
    const isCommitted = isBehind(head, this.#sourceState(header.seq));
    if (header.key !== null && !isCommitted) {
      const receipt = stagedReceipt(entry);
      this.#keys.set(`${datasetId}/${header.key}`, Promise.resolve({ receipt, bodyHash: header.bodyHash ?? "" }));
    }
    if (isCommitted) {
      const share = (await findIngests(this.#options.datasets, datasetId, [header.ingestId], head.seq)).get(
        header.ingestId,
      );
      if (share !== undefined)
        await this.#receipts.save(committedReceipt(header.ingestId, header.dataset, share), {
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

  #sourceState(seq: number) {
    return { sourceName: `staged:${this.#log.id}`, kind: "millrace/staged", value: String(seq) };
  }

  /**
   * A part of an import: committed straight away, with the chain's source state as the proof that it was. Parts of one
   * source commit in order of their positions; a part at or below the committed position adds nothing.
   */
  async #pushPart(
    id: string,
    request: PushRequest,
    definition: DatasetDefinition,
    { source, position: text, firstLine }: NonNullable<PushRequest["sourcePosition"]>,
    signal: AbortSignal,
  ): Promise<IngestReceipt> {
    const position = Number(text);
    if (!Number.isSafeInteger(position) || position < 1)
      throw new MillraceError("bad_request", "Millrace-Position counts parts from 1.");
    const abort = AbortSignal.any([signal, this.#stopping.signal]);
    const { datasets } = this.#options;
    const committed = async () => positionIn(await datasets.head(request.dataset.id, abort), source);
    using part = await this.#lanes.enter(`${request.dataset.id}/${source}`, position, abort);
    const taken = await this.#take(id, request, false, abort);
    const file = taken.file ?? this.#log.spoolPath(id);
    try {
      const headBytes = headBytesOf(request.format);
      if (taken.bytes !== null) {
        await using body = await open(file, "w", 0o600);
        await body.write(taken.bytes, 0, undefined, headBytes);
      }
      const format = resolved(request.format, taken.first);
      part.counted(rowsOf(format, taken.lines));
      if (position <= (await committed())) return await this.#oldPart(id, request, source, position);
      await part.inLine(committed, abort);
      const done = await this.#committer.run(
        {
          ...withDefinition(
            {
              batch: {
                path: file,
                headBytes,
                entries: [
                  {
                    ingestId: id,
                    start: headBytes,
                    sizeBytes: taken.sizeBytes,
                    lines: taken.lines,
                    receivedAt: this.#options.clock.now(),
                    source,
                    firstLine,
                  },
                ],
                format,
                declared: new Set<string>(),
                eventTime: await this.#eventTime(request, definition, format, abort),
                wrongEventTime: "refuse",
                workPath: path.join(this.#workDirectory, randomUUID()),
              },
              sourceState: { sourceName: source, kind: "millrace/position", value: String(position) },
              by: request.by,
              traceId: request.traceId,
              ahead: (head) => part.ahead(positionIn(head, source)),
              check: (head) => {
                const known = positionIn(head, source);
                if (known !== position - 1) throw outOfOrder(position, known);
              },
            },
            definition,
          ),
          datasetId: request.dataset.id,
        },
        part.turn(),
        abort,
      );
      const receipt = committedReceipt(id, formatDatasetPath(request.dataset.path), done[0]);
      await this.#receipts.save(receipt, {
        datasetId: request.dataset.id,
        key: `${source}#${position}`,
        bodyHash: null,
        atMs: this.#options.clock.now(),
      });
      return receipt;
    } finally {
      await this.#options.disk.remove(file);
    }
  }

  /** The receipt that a part had: kept for a day, and later told by the chain. */
  async #oldPart(id: string, request: PushRequest, source: string, position: number): Promise<IngestReceipt> {
    const { datasets } = this.#options;
    const kept = await this.#receipts.byKey(request.dataset.id, `${source}#${position}`);
    if (kept !== null) return { ...kept.receipt, duplicate: true };
    const head = await datasets.head(request.dataset.id);
    const share = await findPosition(datasets, request.dataset.id, source, String(position), head.seq);
    const receipt = committedReceipt(share?.id ?? id, formatDatasetPath(request.dataset.path), share ?? undefined);
    return { ...receipt, duplicate: true };
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

const lineBreak = Buffer.from("\n");

/** Room for the fast path's first line, where there is a fast path. */
function headBytesOf(format: { readonly kind: FormatSpec["kind"] }): number {
  return format.kind === "ndjson" || format.kind === "json" ? 65_536 : 0;
}

/** Rows that a part will have if none is put aside: a guess for those behind it, put right when it is wrong. */
function rowsOf(format: ResolvedFormat, lines: number | null): number {
  if (lines === null) return 0;
  return format.kind === "csv" && format.header ? Math.max(0, lines - 1) : lines;
}

/** The part that a chain has last of a source; 0 before the first. */
function positionIn(head: Head, source: string): number {
  return Number(head.sourceState(source)?.value ?? 0);
}

function outOfOrder(position: number, known: number): MillraceError {
  return new MillraceError("conflict", `Part ${position} cannot follow part ${known}.`, {
    hint: "The part in front of it failed; send that one first.",
    retryAfterS: 1,
  });
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
