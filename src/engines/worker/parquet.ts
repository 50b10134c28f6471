import { rmSync, statSync } from "node:fs";
import type { DuckDBConnection } from "@duckdb/node-api";
import type { ResultColumn } from "../contract.ts";
import type { QueryBody, TextQuery } from "../protocol/index.ts";
import { typeName } from "./encode/lines.ts";
import { failureOf, JobFailure } from "./failure.ts";
import type { Interruptible } from "./interruptible.ts";
import { literal, uniqueNames } from "./names.ts";
import { tooLarge } from "./sink.ts";
import { runWrapped } from "./statement.ts";

const watchMs = 50;
const options = "FORMAT parquet, COMPRESSION zstd";

/** A result as a Parquet file: DuckDB writes it by COPY, which fails as a whole. A watch on its length bounds it. */
export async function parquetResult(
  connection: DuckDBConnection,
  job: TextQuery,
  running: Interruptible,
): Promise<QueryBody> {
  const limit = job.rowLimit === null ? "" : ` LIMIT ${job.rowLimit + 1}`;
  const raw = job.rowLimit === null ? job.spoolPath : `${job.spoolPath}.rows`;
  const watch = setInterval(() => {
    if (sizeOf(raw) > job.byteLimit) running.cancel(tooLarge(job.byteLimit));
  }, watchMs);
  let kept = false;
  try {
    const copied = await runWrapped(
      connection,
      job,
      "COPY (SELECT * FROM (",
      `)${limit}) TO ${literal(raw)} (${options})`,
    );
    const written = Number(copied.getChunk(0).getColumnVector(0).getItem(0));
    const rows = Math.min(written, job.rowLimit ?? written);
    if (raw !== job.spoolPath) {
      const cut = `COPY (SELECT * FROM read_parquet(${literal(raw)}) LIMIT ${rows}) TO ${literal(job.spoolPath)} (${options})`;
      await connection.run(cut);
    }
    const sizeBytes = sizeOf(job.spoolPath);
    if (sizeBytes > job.byteLimit) throw tooLarge(job.byteLimit);
    const columns = await columnsIn(connection, job.spoolPath);
    kept = true;
    return { columns, rows, truncated: rows < written, body: { kind: "file", path: job.spoolPath, sizeBytes } };
  } catch (error) {
    running.check();
    throw new JobFailure(failureOf(error, job.sql));
  } finally {
    clearInterval(watch);
    if (raw !== job.spoolPath) rmSync(raw, { force: true });
    if (!kept) rmSync(job.spoolPath, { force: true });
  }
}

async function columnsIn(connection: DuckDBConnection, file: string): Promise<ResultColumn[]> {
  const prepared = await connection.prepare(`SELECT * FROM read_parquet(${literal(file)})`);
  try {
    const names = uniqueNames(Array.from({ length: prepared.columnCount }, (_, index) => prepared.columnName(index)));
    return names.map((name, index) => ({ name, type: typeName(prepared.columnType(index)) }));
  } finally {
    prepared.destroySync();
  }
}

function sizeOf(file: string): number {
  return statSync(file, { throwIfNoEntry: false })?.size ?? 0;
}
