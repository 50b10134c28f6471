import { createHash } from "node:crypto";
import path from "node:path";
import { z } from "zod";
import { type DatasetPath, type Disk, type IdSource, MillraceError, type TraceId } from "../base/index.ts";
import type { Datasets, Head, QuarantineRef } from "../datasets/index.ts";
import type { Engine, EngineRow } from "../engines/index.ts";
import { ident, literal } from "../slices/index.ts";
import type { DatasetDefinition, DatasetHandle, PushRequest } from "./contract.ts";
import { linesOf } from "./convert/lines.ts";
import { type Reading, reading } from "./convert/slice-sql.ts";
import { CsvRecords } from "./formats/csv-records.ts";
import { type FormatSpec, parseFormat } from "./formats/spec.ts";
import type { IngestReceipt } from "./receipts.ts";

export interface QuarantineRetryOptions {
  readonly datasets: Datasets;
  readonly engine: Engine;
  readonly ingest: { push(request: PushRequest, signal: AbortSignal): Promise<IngestReceipt> };
  readonly definition: (path: DatasetPath) => Promise<DatasetDefinition>;
  readonly disk: Disk;
  readonly ids: IdSource;
  /** Ingest's own folder for staging. */
  readonly directory: string;
}

/** In rows. */
export interface RetryReport {
  readonly accepted: number;
  readonly quarantinedAgain: number;
  readonly alreadyRetried: number;
  /** Their text is not whole, or nobody knows how it was read. */
  readonly notRetryable: number;
  /** For the next call. */
  readonly left: number;
  readonly receipts: string[];
}

export interface RetryRequest {
  readonly dataset: DatasetHandle;
  /** null: all. */
  readonly reason: string | null;
  readonly by: string;
  readonly traceId: TraceId;
}

interface Group {
  readonly quarantine: QuarantineRef;
  readonly file: string;
  readonly reason: string;
  readonly rows: number;
}
interface Call {
  readonly traceId: TraceId;
  readonly signal: AbortSignal;
}

const groupRow = z.object({ file: z.string(), reason: z.string(), rows: z.coerce.number() });
const metadataRow = z.object({ value: z.string() });
const rawLine = z.object({ raw: z.string() });
const mostGroups = 100;
const label = "quarantine retry";
/** What is kept of such rows is not the text that came. */
const withoutText: ReadonlySet<string> = new Set(["not valid UTF-8", "the record is longer than 32 MiB"]);

/** The source under which rows of a quarantine file that have one reason are sent again: the chain keeps what it has of it, for ever. */
export function retrySource(quarantineHash: string, reason: string): string {
  return `quarantine/${quarantineHash}/${createHash("sha256").update(reason).digest("hex").slice(0, 16)}`;
}

/**
 * Sends quarantined rows once more, as they came, after whatever was wrong has been mended. Rows of one file with one reason
 * are a part of an import: the commit itself notes that they were sent, so that repeating it adds nothing, also after a
 * crash, a day or a year. What is in quarantine stays there; what is refused again is put aside again, with its reason.
 */
export class QuarantineRetry {
  readonly #options: QuarantineRetryOptions;

  constructor(options: QuarantineRetryOptions) {
    this.#options = options;
  }

  /** @throws dataset_read_only, too_many_requests, disk_full, shutting_down */
  async retry(request: RetryRequest, signal: AbortSignal): Promise<RetryReport> {
    const { datasets } = this.#options;
    const { dataset, reason, traceId } = request;
    const head = await datasets.head(dataset.id, signal);
    const quarantines = await datasets.quarantines(dataset.id, head.seq, signal);
    await using open = await datasets.openSlices(dataset.id, quarantines, signal);
    const call = { traceId, signal };
    const groups = await this.#groups(quarantines, open.paths, reason, call);
    const report = { accepted: 0, quarantinedAgain: 0, alreadyRetried: 0, notRetryable: 0, left: 0 };
    const receipts: string[] = [];
    for (const group of groups) {
      if (wasSent(head, group)) report.alreadyRetried += group.rows;
      else if (receipts.length >= mostGroups) report.left += group.rows;
      else {
        const done = await this.#retryGroup(group, request, call);
        report.notRetryable += done.notRetryable;
        if (done.receipt === null) continue;
        receipts.push(done.receipt.id);
        if (done.receipt.duplicate) report.alreadyRetried += group.rows - done.notRetryable;
        else {
          report.accepted += done.receipt.rows ?? 0;
          report.quarantinedAgain += done.receipt.quarantined ?? 0;
        }
      }
    }
    return { ...report, receipts };
  }

  /** Rows by their file and reason. */
  async #groups(
    quarantines: readonly QuarantineRef[],
    files: readonly string[],
    reason: string | null,
    call: Call,
  ): Promise<Group[]> {
    if (files.length === 0) return [];
    const where = reason === null ? "" : `WHERE reason = ${literal(reason)}`;
    const sql = `SELECT filename AS file, reason, count(*) AS rows FROM read_parquet([${files.map(literal).join(", ")}], filename = true) ${where} GROUP BY ALL`;
    const found = new Map<string, { reason: string; rows: number }[]>();
    for (const row of z.array(groupRow).parse(await this.#rows(sql, call))) {
      found.set(row.file, [...(found.get(row.file) ?? []), row]);
    }
    return quarantines.flatMap((quarantine, at) => {
      const file = files[at] ?? "";
      const reasons = (found.get(file) ?? []).toSorted((a, b) => (a.reason < b.reason ? -1 : 1));
      return reasons.map((one) => ({ quarantine, file, reason: one.reason, rows: one.rows }));
    });
  }

  async #retryGroup(
    group: Group,
    request: RetryRequest,
    call: Call,
  ): Promise<{ receipt: IngestReceipt | null; notRetryable: number }> {
    const { disk, ids, directory, ingest } = this.#options;
    const read = withoutText.has(group.reason) ? null : await this.#reading(group.file, call);
    if (read === null) return { receipt: null, notRetryable: group.rows };
    const texts = path.join(directory, "work", `${ids.uuid()}.retry`);
    try {
      const sql = `COPY (SELECT raw FROM read_parquet(${literal(group.file)}, file_row_number = true) WHERE reason = ${literal(group.reason)} AND raw IS NOT NULL ORDER BY file_row_number) TO ${literal(texts)} (FORMAT json)`;
      await this.#rows(sql, call);
      const sizeBytes = (await disk.stat(texts))?.sizeBytes ?? 0;
      const format = formatOf(read);
      const body = new RetryBody(texts, sizeBytes, format, read);
      await body.count();
      const notRetryable = group.rows - body.rows;
      if (body.rows === 0) return { receipt: null, notRetryable };
      const receipt = await ingest.push(
        {
          dataset: request.dataset,
          body: body.bytes(),
          format,
          encoding: "identity",
          ack: "committed",
          sourcePosition: {
            source: retrySource(group.quarantine.hash, group.reason),
            position: "1",
            firstLine: 1,
          },
          ...(await this.#eventTime(request.dataset.path, read)),
          by: request.by,
          traceId: request.traceId,
        },
        call.signal,
      );
      return { receipt, notRetryable };
    } finally {
      await disk.remove(texts);
    }
  }

  /** As the dataset says it now, else as it was asked for then. */
  async #eventTime(dataset: DatasetPath, read: Reading): Promise<{ eventTime?: string }> {
    const { eventTime } = await this.#options.definition(dataset);
    return eventTime !== undefined || read.eventTime === null ? {} : { eventTime: read.eventTime };
  }

  /** null: the file does not tell how its rows were read, or they were not text. */
  async #reading(file: string, call: Call): Promise<Reading | null> {
    const sql = `SELECT decode(value) AS value FROM parquet_kv_metadata(${literal(file)}) WHERE decode(key) = 'reading'`;
    const [row] = z.array(metadataRow).parse(await this.#rows(sql, call));
    return row === undefined ? null : reading.parse(JSON.parse(row.value));
  }

  async #rows(sql: string, { traceId, signal }: Call): Promise<readonly EngineRow[]> {
    const rows = sql.startsWith("SELECT");
    const [found] = await this.#options.engine.script({ traceId, label, statements: [{ sql, rows }] }, signal);
    return found ?? [];
  }
}

/** The header of a CSV stands before its records, whether or not it did. */
function formatOf(read: Reading): FormatSpec {
  const format = parseFormat(read.format);
  return format.kind === "csv" ? { ...format, header: true } : format;
}

function wasSent(head: Head, { quarantine, reason }: Group): boolean {
  return head.sourceState(retrySource(quarantine.hash, reason)) !== null;
}

/** Texts of records, one JSON object a line, as a body: each record alone on its line, the header of a CSV before them. */
class RetryBody {
  readonly #file: string;
  readonly #sizeBytes: number;
  readonly #format: FormatSpec;
  readonly #reading: Reading;
  /** Known once it has been counted. */
  rows = 0;

  constructor(file: string, sizeBytes: number, format: FormatSpec, read: Reading) {
    this.#file = file;
    this.#sizeBytes = sizeBytes;
    this.#format = format;
    this.#reading = read;
  }

  async count(): Promise<void> {
    this.rows = 0;
    for await (const _ of this.#records()) this.rows++;
  }

  async *bytes(): AsyncIterable<Uint8Array> {
    if (this.#format.kind === "csv") yield Buffer.from(`${this.#header()}\n`);
    for await (const record of this.#records()) yield Buffer.from(`${record}\n`);
  }

  #header(): string {
    const { fields } = this.#reading;
    if (fields === null || this.#format.kind !== "csv") throw new MillraceError("internal", "A CSV has no header.");
    return fields.map(ident).join(this.#format.delimiter ?? ",");
  }

  /** Those that are one record each: the others would take their neighbours with them. */
  async *#records(): AsyncIterable<string> {
    for await (const { bytes, tooLong } of linesOf(this.#file, 0, this.#sizeBytes)) {
      if (tooLong) continue;
      const { raw } = rawLine.parse(JSON.parse(bytes.toString("utf8")));
      if (this.#isOneRecord(raw)) yield raw;
    }
  }

  #isOneRecord(raw: string): boolean {
    if (this.#format.kind !== "csv") return !raw.includes("\n");
    const found: (string | null)[] = [];
    const records = new CsvRecords(this.#format.delimiter ?? ",");
    const take = ({ problem }: { problem: string | null }) => void found.push(problem);
    records.push(Buffer.from(`${raw}\n`), take);
    records.end(take);
    return found.length === 1 && found[0] === null;
  }
}
