import {
  type Clock,
  type DatasetId,
  type Disk,
  instant,
  MillraceError,
  type Telemetry,
  type TraceId,
} from "../../base/index.ts";
import type { Datasets, Head, OpenSlices, SliceObject, SourceState } from "../../datasets/index.ts";
import type { ColumnStatistics, SliceHashes } from "../../engines/index.ts";
import { fieldFromDuckdb, multihash, schemaWith } from "../../slices/index.ts";
import { findIngests } from "../chain-receipts.ts";
import type { Batch, Converted, Share } from "../convert/batch.ts";
import type { Converter } from "../convert/converter.ts";
import { typeName } from "../convert/types.ts";
import { asDeclared, columnsOf, sameColumns } from "./columns.ts";
import { Hints } from "./hints.ts";
import { DatasetSlots } from "./slots.ts";

export interface CommitRequest {
  readonly datasetId: DatasetId;
  readonly batch: Omit<Batch, "columns" | "emptyKeys" | "asText" | "firstOffset" | "systemTime">;
  readonly traceId: TraceId;
  readonly sourceState: SourceState;
  readonly by: string;
  /** Rows that other conversions under way will add behind this head and before this batch. */
  readonly ahead: (head: Head) => Promise<number>;
  /** Asked right before the commit: throws where the chain is not where this batch belongs. */
  readonly check?: (head: Head) => void;
}

/** What became of one entry of a committed batch. */
export interface CommittedEntry extends Share {
  readonly seq: number;
  readonly block: string;
  /** null where it has no rows. */
  readonly firstOffset: number | null;
}

export type CommittedBatch = readonly CommittedEntry[];

/** A batch that is converted, at offsets that were right when it began. */
interface Prepared {
  readonly head: Head;
  readonly converted: Converted;
  readonly firstOffset: number;
  readonly hashes: SliceHashes | null;
  readonly statistics: readonly ColumnStatistics[];
  readonly quarantineHashes: SliceHashes | null;
  readonly systemTimeMs: number;
  /** A lost commit has left the slice in the object store; its file is no longer where it was. */
  readonly stored: boolean;
  /** Its files were collected: it is converted anew, with a later system time, so that its slice has another name. */
  readonly gone: boolean;
}

const mostAttempts = 20;
/** Conversions of one dataset at once: enough to keep the machine busy, and of many workers one is left to others. */
const conversionsAtOnce = (workers: number) => Math.max(2, workers - 1);
const workSuffixes = [".parquet", ".moved.parquet", ".records", ".quarantine", ".sample", ".arrow.parquet"];
export const nothingAhead = async () => 0;

export interface CommitterOptions {
  readonly datasets: Datasets;
  readonly converter: Converter;
  readonly disk: Disk;
  /** Most ingest workers of the engine. */
  readonly workers: number;
  readonly clock: Clock;
  readonly telemetry: Telemetry;
}

/** Converts batches and commits them to their chains. */
export class Committer {
  readonly #datasets: Datasets;
  readonly #converter: Converter;
  readonly #disk: Disk;
  readonly #clock: Clock;
  readonly #telemetry: Telemetry;
  readonly #hints = new Hints();
  readonly #slots: DatasetSlots;

  constructor(options: CommitterOptions) {
    this.#slots = new DatasetSlots(conversionsAtOnce(options.workers));
    this.#datasets = options.datasets;
    this.#converter = options.converter;
    this.#disk = options.disk;
    this.#clock = options.clock;
    this.#telemetry = options.telemetry;
  }

  /**
   * Converts at once; waits for `turn` before it commits. Where the chain has moved on meanwhile, the rows are written
   * again at their right offsets. @throws bad_input, disk_full, the signal's reason
   */
  async run(request: CommitRequest, turn: Promise<void>, signal: AbortSignal): Promise<CommittedBatch> {
    try {
      const inSlot = (work: () => Promise<Prepared>) => this.#slots.run(request.datasetId, work, signal);
      let prepared = await inSlot(() => this.#prepare(request, request.ahead, signal));
      await turn;
      for (let attempt = 1; ; attempt++) {
        const head = await this.#datasets.head(request.datasetId, signal);
        // The proof of exactly once: an earlier try may have won the chain and failed only afterwards.
        if (isBehind(head, request.sourceState)) return await this.#earlier(request, head);
        request.check?.(head);
        if (head.nextOffset === prepared.firstOffset && stillFits(head, prepared)) {
          const outcome = await this.#commit(request, prepared, head);
          if (!("lost" in outcome)) return outcome;
          prepared = { ...prepared, stored: outcome.stored, gone: outcome.gone };
        }
        if (attempt === mostAttempts) throw tooMany();
        const fields = { datasetId: request.datasetId, attempt };
        this.#telemetry.log.debug("writing a batch again behind another commit", fields);
        const before = prepared;
        prepared = await inSlot(() => this.#again(request, before, signal));
      }
    } finally {
      await this.#tidyUp(request);
    }
  }

  /** What is left of a batch's work does no harm, and goes at the next start at the latest: it fails no commit. */
  async #tidyUp({ batch: { workPath: files } }: CommitRequest): Promise<void> {
    try {
      for (const suffix of workSuffixes) await this.#disk.remove(files + suffix);
    } catch (error) {
      this.#telemetry.log.warn("work files of a batch could not be removed", { files, error });
    }
  }

  /** @param after the system time is to be later than this one */
  async #prepare(
    request: CommitRequest,
    ahead: CommitRequest["ahead"],
    signal: AbortSignal,
    after = -1,
  ): Promise<Prepared> {
    const head = await this.#datasets.head(request.datasetId, signal);
    const firstOffset = head.nextOffset + (await ahead(head));
    const systemTime = instant(Math.max(this.#clock.now(), head.systemTime ?? 0, after + 1));
    const declared = new Set<string>([...request.batch.declared]);
    const batch: Batch = {
      ...request.batch,
      declared,
      columns: asDeclared(columnsOf(head), request.batch.declaredColumns ?? []),
      ...this.#hints.of(request.datasetId),
      firstOffset,
      systemTime,
    };
    if (head.schema !== null) this.#hints.settled(request.datasetId);
    const detect = this.#hints.detect(request.datasetId);
    const converted = await this.#converter.convert(batch, { traceId: request.traceId, signal, detect });
    this.#hints.learn(request.datasetId, converted);
    const { slicePath, quarantinePath } = converted;
    const [hashes, statistics, quarantineHashes] = await Promise.all([
      slicePath === null ? null : this.#converter.hashes(slicePath, signal),
      slicePath === null ? [] : this.#converter.columnStatistics(slicePath, signal),
      quarantinePath === null ? null : this.#converter.hashes(quarantinePath, signal),
    ]);
    return {
      head,
      converted,
      firstOffset,
      hashes,
      statistics,
      quarantineHashes,
      systemTimeMs: systemTime,
      stored: false,
      gone: false,
    };
  }

  /** The batch for where the chain stands now: the same rows at other offsets, or converted anew for another schema. */
  async #again(request: CommitRequest, prepared: Prepared, signal: AbortSignal): Promise<Prepared> {
    const head = await this.#datasets.head(request.datasetId, signal);
    const { converted, hashes } = prepared;
    const written = converted.slicePath;
    if (written === null || hashes === null || prepared.gone || !stillFits(head, prepared))
      return await this.#prepare(request, nothingAhead, signal, prepared.systemTimeMs);
    const output = `${request.batch.workPath}${written.endsWith(".moved.parquet") ? "" : ".moved"}.parquet`;
    const now = this.#clock.now();
    const systemTimeMs = head.systemTime !== null && head.systemTime > now ? head.systemTime : now;
    const stored = this.#datasets.original(request.datasetId, multihash(hashes.physicalHash));
    await using kept = prepared.stored ? await this.#open(request.datasetId, stored, signal) : null;
    if (prepared.stored && kept === null)
      return await this.#prepare(request, nothingAhead, signal, prepared.systemTimeMs);
    const input = kept?.paths[0] ?? written;
    const delta = head.nextOffset - prepared.firstOffset;
    await this.#converter.renumber({ input, output, delta, systemTimeMs }, { traceId: request.traceId, signal });
    const [movedHashes, statistics] = await Promise.all([
      this.#converter.hashes(output, signal),
      this.#converter.columnStatistics(output, signal),
    ]);
    const moved = { converted: { ...converted, slicePath: output }, hashes: movedHashes, statistics, stored: false };
    return { ...prepared, ...moved, head, firstOffset: head.nextOffset, systemTimeMs };
  }

  /** A slice that a lost commit has left in the store; null where it was collected. */
  async #open(id: DatasetId, slice: SliceObject, signal: AbortSignal): Promise<OpenSlices | null> {
    try {
      return await this.#datasets.openSlices(id, [slice], signal);
    } catch (error) {
      if (error instanceof MillraceError && error.code === "data_expired") return null;
      throw error;
    }
  }

  /** What an earlier try of this batch committed, from the chain's own notes. */
  async #earlier(request: CommitRequest, head: Head): Promise<CommittedBatch> {
    const ids = request.batch.entries.map((entry) => entry.ingestId);
    const found = await findIngests(this.#datasets, request.datasetId, ids, head.seq);
    return ids.map(
      (id) =>
        found.get(id) ?? {
          seq: head.seq,
          block: head.block ?? "",
          firstOffset: null,
          rows: 0,
          quarantined: 0,
          reasons: [],
        },
    );
  }

  async #commit(
    request: CommitRequest,
    prepared: Prepared,
    head: Head,
  ): Promise<CommittedBatch | { readonly lost: true; readonly stored: boolean; readonly gone: boolean }> {
    const { converted, hashes, statistics, quarantineHashes } = prepared;
    const schema = schemaWith(converted.columns.map((column) => fieldFromDuckdb(column.name, typeName(column.type))));
    const changed = hashes !== null && (head.schema === null || !sameColumns(columnsOf(head), converted.columns));
    const watermarkText = statistics.find((one) => one.column === "event_time")?.max ?? null;
    const watermarkMs =
      watermarkText === null ? Number.NaN : Date.parse(watermarkText.replace(" ", "T").replace(/([+-]\d\d)$/, "$1:00"));
    let offset = prepared.firstOffset;
    const ingests = request.batch.entries.slice(0, 1_000).map((entry, index) => {
      const share = converted.shares[index];
      const first = offset;
      offset += share?.rows ?? 0;
      return { id: entry.ingestId, firstOffset: first, rows: share?.rows ?? 0, quarantined: share?.quarantined ?? 0 };
    });
    const outcome = await this.#datasets.commit(request.datasetId, {
      expectedSeq: head.seq,
      ...(changed ? { schema } : {}),
      ...(hashes === null || converted.slicePath === null
        ? {}
        : {
            data: {
              localPath: converted.slicePath,
              rows: converted.rows,
              sizeBytes: hashes.sizeBytes,
              physicalHash: multihash(hashes.physicalHash),
              logicalHash: multihash(hashes.logicalHash),
              statistics,
            },
          }),
      ...(quarantineHashes === null || converted.quarantinePath === null
        ? {}
        : {
            quarantine: {
              localPath: converted.quarantinePath,
              physicalHash: multihash(quarantineHashes.physicalHash),
              rows: converted.quarantined,
              size: quarantineHashes.sizeBytes,
            },
          }),
      ...(Number.isNaN(watermarkMs) ? {} : { watermark: instant(watermarkMs) }),
      sourceState: request.sourceState,
      ingests,
      systemTime: instant(prepared.systemTimeMs),
      by: request.by,
    });
    if (outcome.outcome === "lost") return { lost: true, stored: outcome.stored, gone: outcome.gone };
    return ingests.map(({ rows, firstOffset }, index) => ({
      seq: outcome.seq,
      block: outcome.block,
      firstOffset: rows === 0 ? null : firstOffset,
      rows,
      quarantined: converted.shares[index]?.quarantined ?? 0,
      reasons: converted.shares[index]?.reasons ?? [],
    }));
  }

  /** A body that no worker survives: its bytes go to quarantine whole, with the reason. */
  async quarantineWhole(request: CommitRequest, reason: string, signal: AbortSignal): Promise<CommittedBatch> {
    try {
      return await this.#putAside(request, reason, signal);
    } finally {
      await this.#tidyUp(request);
    }
  }

  async #putAside(request: CommitRequest, reason: string, signal: AbortSignal): Promise<CommittedBatch> {
    let lastMs = -1;
    for (let attempt = 1; attempt <= mostAttempts; attempt++) {
      const head = await this.#datasets.head(request.datasetId, signal);
      if (isBehind(head, request.sourceState)) return await this.#earlier(request, head);
      // Each time another file: under its former name it may be about to be collected.
      lastMs = Math.max(this.#clock.now(), head.systemTime ?? 0, lastMs + 1);
      const prepared = await this.#aside(request, reason, head, lastMs, signal);
      const outcome = await this.#commit(request, prepared, head);
      if (!("lost" in outcome)) return outcome;
    }
    throw tooMany();
  }

  async #aside(
    request: CommitRequest,
    reason: string,
    head: Head,
    systemTimeMs: number,
    signal: AbortSignal,
  ): Promise<Prepared> {
    const [entry] = request.batch.entries;
    if (entry === undefined) throw new Error("nothing to quarantine");
    const output = `${request.batch.workPath}.quarantine`;
    const { path, workPath } = request.batch;
    const body = { path, entry, reason, workPath, output, systemTimeMs };
    const count = await this.#converter.putAside(body, { traceId: request.traceId, signal });
    const share: Share = { rows: 0, quarantined: count, reasons: [{ reason, count, firstLine: null }] };
    const converted: Converted = {
      columns: columnsOf(head),
      emptyKeys: [],
      rows: 0,
      slicePath: null,
      quarantinePath: output,
      quarantined: count,
      shares: [share],
    };
    const quarantineHashes = await this.#converter.hashes(output, signal);
    return {
      head,
      converted,
      firstOffset: head.nextOffset,
      hashes: null,
      statistics: [],
      quarantineHashes,
      systemTimeMs,
      stored: false,
      gone: false,
    };
  }
}

const tooMany = () => new MillraceError("conflict", "The dataset is written by too many at once.", { retryAfterS: 1 });

/** Whether the chain has the batch already: its source's position is there, or beyond. */
export function isBehind(head: Head, state: SourceState): boolean {
  return committedPosition(head, state.sourceName) >= Number(state.value);
}

/** How far the chain has a source; 0 before its first. */
export function committedPosition(head: Head, sourceName: string): number {
  return Number(head.sourceState(sourceName)?.value ?? 0);
}

/** Whether the chain's columns are those that the batch began with, or those that it has come to. */
function stillFits(head: Head, prepared: Prepared): boolean {
  if (sameSchema(head, prepared.head)) return true;
  return sameColumns(columnsOf(head), prepared.converted.columns);
}

function sameSchema(a: Head, b: Head): boolean {
  return a.schema === b.schema || JSON.stringify(a.schema) === JSON.stringify(b.schema);
}
