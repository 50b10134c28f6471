import type { TraceId } from "../../base/index.ts";
import type { ColumnStatistics, Engine, SliceHashes } from "../../engines/index.ts";
import { literal, timestampLiteral } from "../../slices/index.ts";
import type { Batch, BatchEntry, ConvertContext, Converted } from "./batch.ts";
import { convert } from "./convert.ts";
import { writePieces } from "./pieces.ts";
import { quarantineOptions, renumberSql } from "./slice-sql.ts";

export interface ConverterCall {
  readonly traceId: TraceId;
  readonly signal: AbortSignal;
}

/** A slice to be written once more behind another commit. */
export interface Renumbering {
  readonly input: string;
  readonly output: string;
  readonly delta: number;
  readonly systemTimeMs: number;
}

/** A body that is put aside as it is. */
export interface WholeBody {
  readonly path: string;
  readonly entry: BatchEntry;
  readonly reason: string;
  readonly workPath: string;
  readonly output: string;
  /** Of the commit, in the file's metadata: written anew, it is another file. */
  readonly systemTimeMs: number;
}

/** What commits need of the engines: files in, files out. `engineConverter` fits it, and so can another row format. */
export interface Converter {
  /** @throws bad_input, bad_request, worker_lost, out_of_memory, disk_full */
  convert(batch: Batch, call: ConverterCall & Pick<ConvertContext, "detect">): Promise<Converted>;
  /** Writes the same rows at other offsets and with another system time. */
  renumber(slice: Renumbering, call: ConverterCall): Promise<void>;
  /** Writes a body's bytes as quarantined pieces; tells how many. */
  putAside(body: WholeBody, call: ConverterCall): Promise<number>;
  hashes(path: string, signal: AbortSignal): Promise<SliceHashes>;
  columnStatistics(path: string, signal: AbortSignal): Promise<readonly ColumnStatistics[]>;
}

/** Conversion by the engine's workers. */
export function engineConverter(engine: Engine): Converter {
  return {
    convert: (batch, call) => convert(batch, { ...call, engine }),
    async renumber({ input, output, delta, systemTimeMs }, { traceId, signal }) {
      const sql = renumberSql(input, output, delta, systemTimeMs);
      await engine.script({ traceId, label: "renumber", statements: [{ sql }] }, signal);
    },
    async putAside({ path, entry, reason, workPath, output, systemTimeMs }, { traceId, signal }) {
      const pieces = `${workPath}.records`;
      const count = await writePieces(path, entry, pieces);
      const received = timestampLiteral(entry.receivedAt);
      const sql = `COPY (SELECT ${literal(entry.ingestId)} AS ingest_id, ${received} AS received_at, ${literal(entry.source)} AS source, n AS line,
      NULL::VARCHAR AS column_name, ${literal(reason)} AS reason, raw FROM read_json(${literal(pieces)}, format = 'newline_delimited', columns = {n: 'BIGINT', raw: 'VARCHAR'})) TO ${literal(output)} (${quarantineOptions(systemTimeMs)})`;
      await engine.script({ traceId, label: "quarantine", statements: [{ sql }] }, signal);
      return count;
    },
    hashes: (path, signal) => engine.hashes(path, signal),
    columnStatistics: (path, signal) => engine.columnStatistics(path, signal),
  };
}
