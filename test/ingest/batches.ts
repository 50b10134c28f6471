import { writeFile } from "node:fs/promises";
import path from "node:path";
import { instant, type TraceId } from "../../src/base/index.ts";
import type { Batch, ConvertContext, Converted } from "../../src/ingest/convert/batch.ts";
import { parseType } from "../../src/ingest/convert/types.ts";
import { literal } from "../../src/slices/index.ts";
import { type OpenPool, openPool } from "../kit/engine-pool.ts";

/** Batches as tests convert them, one body each unless said otherwise, and what became of them. */
export interface Batches extends AsyncDisposable {
  context(): ConvertContext;
  of(body: string | Uint8Array, columns: readonly [string, string][], more?: Partial<Batch>): Promise<Batch>;
  rows(done: Converted): Promise<unknown[]>;
  reasons(done: Converted): Promise<unknown[]>;
  read(file: string | null, columns?: string): Promise<unknown[]>;
}

export async function openBatches(): Promise<Batches> {
  const engine: OpenPool = await openPool();
  let files = 0;
  const context = () => ({ engine: engine.pool, traceId: "" as TraceId, signal: AbortSignal.timeout(60_000) });
  const read = async (file: string | null, columns = "*") => {
    if (file === null) return [];
    const statements = [{ sql: `SELECT ${columns} FROM read_parquet(${literal(file)})`, rows: true }];
    const [rows] = await engine.pool.script({ traceId: "" as TraceId, label: "test", statements }, context().signal);
    return [...(rows ?? [])];
  };
  return {
    context,
    read,
    rows: (done) => read(done.slicePath),
    reasons: (done) => read(done.quarantinePath, "line, column_name, reason, raw"),
    of: async (body, columns, more = {}) => {
      const workPath = path.join(engine.shared, `batch-${++files}`);
      const headBytes = (more.format?.kind ?? "ndjson") === "ndjson" ? 65_536 : 0;
      const bytes = Buffer.from(body);
      await writeFile(`${workPath}.bodies`, Buffer.concat([Buffer.alloc(headBytes, " "), bytes]));
      const entry = { ingestId: "i1", start: headBytes, sizeBytes: bytes.length, lines: null, source: "" };
      return {
        path: `${workPath}.bodies`,
        headBytes,
        entries: [{ ...entry, receivedAt: instant(0), firstLine: 1 }],
        format: { kind: "ndjson" },
        columns: columns.map(([name, type]) => ({ name, type: parseType(type) })),
        declared: new Set(),
        eventTime: null,
        wrongEventTime: "quarantine",
        emptyKeys: [],
        systemTime: instant(Date.parse("2030-01-01T00:00:00Z")),
        firstOffset: 10,
        workPath,
        ...more,
      };
    },
    [Symbol.asyncDispose]: () => engine[Symbol.asyncDispose](),
  };
}
