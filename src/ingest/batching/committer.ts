import { rm } from "node:fs/promises";
import type { TraceId } from "../../base/index.ts";
import { type Clock, type DatasetId, instant, MillraceError, type Telemetry } from "../../base/index.ts";
import type { Datasets, Head, SourceState } from "../../datasets/index.ts";
import type { Engine } from "../../engines/index.ts";
import { duckdbType, fieldFromDuckdb, multihash, ownColumns, schemaWith } from "../../slices/index.ts";
import type { Batch, Converted, Share } from "../convert/batch.ts";
import { convert } from "../convert/convert.ts";
import { literal } from "../convert/quote.ts";
import { type Column, parseType, typeName } from "../convert/types.ts";

export interface CommitRequest {
  readonly datasetId: DatasetId;
  readonly batch: Omit<Batch, "columns" | "firstOffset" | "systemTime">;
  readonly sourceState: SourceState;
  readonly by: string;
  /** Rows that other conversions under way will add before this one. */
  readonly ahead: number;
}

export interface CommittedBatch {
  readonly seq: number;
  readonly block: string;
  readonly firstOffset: number | null;
  readonly shares: readonly Share[];
  readonly rows: number;
}

/** A batch that is converted, at offsets that were right when it began. */
interface Prepared {
  readonly head: Head;
  readonly converted: Converted;
  readonly firstOffset: number;
  readonly hashes: Awaited<ReturnType<Engine["hashes"]>> | null;
  readonly statistics: Awaited<ReturnType<Engine["columnStatistics"]>>;
  readonly quarantineHashes: Awaited<ReturnType<Engine["hashes"]>> | null;
  readonly systemTimeMs: number;
}

const mostAttempts = 20;

/** Converts batches and commits them to their chains. */
export class Committer {
  readonly #datasets: Datasets;
  readonly #engine: Engine;
  readonly #clock: Clock;
  readonly #telemetry: Telemetry;

  constructor(options: { datasets: Datasets; engine: Engine; clock: Clock; telemetry: Telemetry }) {
    this.#datasets = options.datasets;
    this.#engine = options.engine;
    this.#clock = options.clock;
    this.#telemetry = options.telemetry;
  }

  /**
   * Converts at once; waits for `turn` before it commits. Where the chain has moved on meanwhile, the rows are written
   * again at their right offsets. @throws bad_input, disk_full, the signal's reason
   */
  async run(request: CommitRequest, turn: Promise<void>, signal: AbortSignal): Promise<CommittedBatch> {
    const files = request.batch.workPath;
    try {
      let prepared = await this.#prepare(request, request.ahead, signal);
      await turn;
      for (let attempt = 1; ; attempt++) {
        const head = await this.#datasets.head(request.datasetId, signal);
        if (head.nextOffset === prepared.firstOffset && sameSchema(head, prepared.head)) {
          const outcome = await this.#commit(request, prepared, head);
          if (outcome !== null) return outcome;
        }
        if (attempt === mostAttempts)
          throw new MillraceError("conflict", "The dataset is written by too many at once.", { retryAfterS: 1 });
        this.#telemetry.log.debug("writing a batch again behind another commit", {
          datasetId: request.datasetId,
          attempt,
        });
        prepared = await this.#prepare(request, 0, signal);
      }
    } finally {
      for (const suffix of ["", ".ndjson", ".parquet", ".records", ".quarantine", ".sample", ".arrow.parquet"]) {
        if (suffix !== "") await rm(files + suffix, { force: true });
      }
    }
  }

  async #prepare(request: CommitRequest, ahead: number, signal: AbortSignal): Promise<Prepared> {
    const head = await this.#datasets.head(request.datasetId, signal);
    const firstOffset = head.nextOffset + ahead;
    const now = this.#clock.now();
    const systemTime = head.systemTime !== null && head.systemTime > now ? head.systemTime : now;
    const columns = columnsOf(head);
    const declared = new Set<string>([...request.batch.declared]);
    const batch: Batch = {
      ...request.batch,
      declared,
      columns: withDeclared(columns, request),
      firstOffset,
      systemTime,
    };
    const context = { engine: this.#engine, signal };
    const converted = await convert(batch, context);
    const { slicePath, quarantinePath } = converted;
    const [hashes, statistics, quarantineHashes] = await Promise.all([
      slicePath === null ? null : this.#engine.hashes(slicePath, signal),
      slicePath === null ? [] : this.#engine.columnStatistics(slicePath, signal),
      quarantinePath === null ? null : this.#engine.hashes(quarantinePath, signal),
    ]);
    return { head, converted, firstOffset, hashes, statistics, quarantineHashes, systemTimeMs: systemTime };
  }

  async #commit(request: CommitRequest, prepared: Prepared, head: Head): Promise<CommittedBatch | null> {
    const { converted, hashes, statistics, quarantineHashes } = prepared;
    const schema = schemaWith(converted.columns.map((column) => fieldFromDuckdb(column.name, typeName(column.type))));
    const changed =
      hashes !== null &&
      (head.schema === null ||
        !sameColumns(ownColumns(head.schema).map(describeField), converted.columns.map(describeColumn)));
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
    if (outcome.outcome === "lost") return null;
    return {
      seq: outcome.seq,
      block: outcome.block,
      firstOffset: outcome.firstOffset,
      shares: converted.shares,
      rows: converted.rows,
    };
  }

  /** A body that no worker survives: its bytes go to quarantine whole, with the reason. */
  async quarantineWhole(request: CommitRequest, reason: string, signal: AbortSignal): Promise<CommittedBatch> {
    const head = await this.#datasets.head(request.datasetId, signal);
    const [entry] = request.batch.entries;
    if (entry === undefined) throw new Error("nothing to quarantine");
    const output = `${request.batch.workPath}.quarantine`;
    const now = new Date(entry.receivedAt).toISOString();
    const sql = `COPY (SELECT ${literal(entry.ingestId)} AS ingest_id, TIMESTAMPTZ '${now}' AS received_at, ${literal(entry.source)} AS source, NULL::BIGINT AS line,
      NULL::VARCHAR AS column_name, ${literal(reason)} AS reason, base64(content) AS raw FROM read_blob(${literal(entry.path)})) TO ${literal(output)} (FORMAT parquet, COMPRESSION zstd)`;
    await this.#engine.script({ traceId: "" as TraceId, label: "quarantine", statements: [{ sql }] }, signal);
    const share: Share = { rows: 0, quarantined: 1, reasons: [{ reason, count: 1, firstLine: null }] };
    const converted: Converted = {
      columns: columnsOf(head),
      rows: 0,
      slicePath: null,
      quarantinePath: output,
      quarantined: 1,
      shares: [share],
    };
    const quarantineHashes = await this.#engine.hashes(output, signal);
    const prepared: Prepared = {
      head,
      converted,
      firstOffset: head.nextOffset,
      hashes: null,
      statistics: [],
      quarantineHashes,
      systemTimeMs: this.#clock.now(),
    };
    const outcome = await this.#commit(request, prepared, head);
    if (outcome === null) throw new MillraceError("conflict", "Another writer was faster.", { retryAfterS: 1 });
    return outcome;
  }
}

function columnsOf(head: Head): Column[] {
  return head.schema === null
    ? []
    : ownColumns(head.schema).map((field) => ({ name: field.name, type: parseType(duckdbType(field)) }));
}

/** Declared columns that the dataset does not have yet come first, in their order. */
function withDeclared(columns: readonly Column[], request: CommitRequest): Column[] {
  const declared = request.batch.declaredColumns ?? [];
  const missing = declared.filter(
    (column) => !columns.some((known) => known.name.toLowerCase() === column.name.toLowerCase()),
  );
  return [...columns, ...missing];
}

const describeField = (field: Parameters<typeof duckdbType>[0]) =>
  `${field.name} ${typeName(parseType(duckdbType(field)))}`;
const describeColumn = (column: Column) => `${column.name} ${typeName(column.type)}`;

function sameColumns(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((text, index) => text === b[index]);
}

function sameSchema(a: Head, b: Head): boolean {
  return a.schema === b.schema || JSON.stringify(a.schema) === JSON.stringify(b.schema);
}
