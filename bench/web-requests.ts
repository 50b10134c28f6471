import { existsSync, renameSync, statSync } from "node:fs";
import path from "node:path";
import { DuckDBInstance } from "@duckdb/node-api";
import { cacheDirectory } from "./benchmark.ts";

/** Columns of the generated file, as a plain `COPY` is told them. */
export const columns =
  "{id: 'BIGINT', user_id: 'VARCHAR', method: 'VARCHAR', path: 'VARCHAR', status: 'BIGINT', bytes: 'BIGINT', duration_ms: 'DOUBLE', ts: 'TIMESTAMP', agent: 'VARCHAR'}";

/**
 * An NDJSON file of web requests, made once: nine columns, about 227 bytes a line, values hashed from the row's number.
 * @returns its path and size in bytes.
 */
export async function webRequests(rows: number): Promise<{ file: string; bytes: number }> {
  const file = path.join(cacheDirectory(), `web-requests-${rows}.ndjson`);
  if (!existsSync(file)) {
    const instance = await DuckDBInstance.create(":memory:");
    const connection = await instance.connect();
    await connection.run(`
      COPY (
        SELECT i AS id,
          'user_' || (hash(i) % 100000) AS user_id,
          ['GET', 'POST', 'PUT'][(1 + hash(i * 3) % 3)::INTEGER] AS method,
          '/path/' || (hash(i * 7) % 5000) || '/page' AS path,
          (200 + 100 * (hash(i * 11) % 4))::INTEGER AS status,
          hash(i * 13) % 100000 AS bytes,
          (hash(i * 17) % 10000) / 100.0 AS duration_ms,
          TIMESTAMP '2024-01-01' + INTERVAL (i) MILLISECOND AS ts,
          'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/' || (90 + hash(i * 19) % 40) AS agent
        FROM range(${rows}) t(i)
      ) TO '${file}.part' (FORMAT json)`);
    renameSync(`${file}.part`, file);
    connection.closeSync();
    instance.closeSync();
  }
  return { file, bytes: statSync(file).size };
}

/** One plain `COPY` of an NDJSON file to zstd Parquet with explicit columns, in a fresh instance; milliseconds. */
export async function plainCopyMs(file: string): Promise<number> {
  const instance = await DuckDBInstance.create(":memory:");
  const connection = await instance.connect();
  const output = path.join(cacheDirectory(), "plain-copy.parquet");
  const startMs = performance.now();
  await connection.run(
    `COPY (SELECT * FROM read_json('${file}', format = 'newline_delimited', columns = ${columns})) TO '${output}' (FORMAT parquet, COMPRESSION zstd)`,
  );
  const elapsedMs = performance.now() - startMs;
  connection.closeSync();
  instance.closeSync();
  return elapsedMs;
}
