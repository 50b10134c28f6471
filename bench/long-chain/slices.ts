import { rmSync, statSync } from "node:fs";
import { readFile } from "node:fs/promises";
import path from "node:path";
import { type DuckDBConnection, DuckDBInstance } from "@duckdb/node-api";
import { copyColumns, fieldFromDuckdb, multihash, schemaWith, sha3Multihash } from "../../src/slices/index.ts";
import type { Bench } from "./bench.ts";

export const rowsOfCommit = 50;
const signal = new AbortController().signal;
/** As `ingest/` writes slices. */
const parquetOptions =
  "FORMAT parquet, PARQUET_VERSION V2, COMPRESSION zstd, COMPRESSION_LEVEL 1, DICTIONARY_SIZE_LIMIT 6000, ROW_GROUP_SIZE 122880";

const columns = [
  ["path", "VARCHAR"],
  ["status", "INTEGER"],
  ["bytes", "BIGINT"],
  ["at", "TIMESTAMP"],
] as const;
export const schema = schemaWith(columns.map(([name, type]) => fieldFromDuckdb(name, type)));

/** Columns of a slice, with whether their least and greatest value are kept. */
const kept: readonly (readonly [string, string, boolean])[] = [
  ["offset", "UBIGINT", true],
  ["op", "UTINYINT", true],
  ["system_time", "TIMESTAMP WITH TIME ZONE", true],
  ["event_time", "TIMESTAMP WITH TIME ZONE", true],
  ...columns.map(([name, type]) => [name, type, type !== "VARCHAR"] as const),
];

/** Makes slices: those of many commits in one pass, each a file of its own, with the hashes and statistics that a commit brings. */
export class SliceMaker implements Disposable {
  readonly #bench: Bench;
  readonly #instance: DuckDBInstance;
  readonly #connection: DuckDBConnection;

  private constructor(bench: Bench, instance: DuckDBInstance, connection: DuckDBConnection) {
    this.#bench = bench;
    this.#instance = instance;
    this.#connection = connection;
  }

  static async open(bench: Bench): Promise<SliceMaker> {
    const instance = await DuckDBInstance.create(":memory:", { threads: "1" });
    const connection = await instance.connect();
    await connection.run("SET TimeZone = 'UTC'");
    await connection.run("SET partitioned_write_max_open_files = 10000");
    return new SliceMaker(bench, instance, connection);
  }

  /** One slice of some rows. */
  async whole(rows: number) {
    const file = path.join(this.#bench.work, "whole.parquet");
    await this.#copy(`SELECT * FROM ${rowsSql(0, rows)}`, file, "");
    const { logicalHash, physicalHash } = await this.#bench.pool.hashes(file, signal);
    return {
      localPath: file,
      rows,
      sizeBytes: statSync(file).size,
      physicalHash: multihash(physicalHash),
      logicalHash: multihash(logicalHash),
      statistics: await this.#bench.pool.columnStatistics(file, signal),
    };
  }

  /** The slices of some commits in a row. */
  async batch(first: number, count: number): Promise<NewSlice[]> {
    const folder = path.join(this.#bench.work, `batch-${first}`);
    const all = `${folder}.parquet`;
    const from = first * rowsOfCommit;
    await this.#connection.run(`CREATE OR REPLACE TEMP TABLE batch AS ${rowsSql(from, count * rowsOfCommit)}`);
    await this.#copy("FROM batch", all, "");
    await this.#copy(
      `SELECT *, "offset" // ${rowsOfCommit} AS commit FROM batch`,
      folder,
      ", PARTITION_BY (commit), WRITE_PARTITION_COLUMNS false",
    );
    const ranges = Array.from({ length: count }, (_, at) => rangeOf(first + at));
    // The copies' own way of hashing many ranges at once: of rows of the same types in the same order.
    const logical = await this.#bench.pool.rangeHashes({ path: all, columns: copyColumns([schema]), ranges }, signal);
    const statistics = await this.#statistics();
    rmSync(all);
    return await Promise.all(
      logical.map(async (hash, at) => {
        const localPath = path.join(folder, `commit=${first + at}`, "data_0.parquet");
        const bytes = await readFile(localPath);
        return {
          localPath,
          rows: rowsOfCommit,
          sizeBytes: bytes.length,
          physicalHash: sha3Multihash(bytes),
          logicalHash: multihash(hash),
          statistics: statistics[at] ?? [],
        };
      }),
    );
  }

  async #copy(query: string, target: string, options: string): Promise<void> {
    const quoted = target.replaceAll("'", "''");
    await this.#connection.run(`COPY (${query}) TO '${quoted}' (${parquetOptions}${options})`);
  }

  async #statistics() {
    const bounds = kept.map(([name]) => `min("${name}")::VARCHAR, max("${name}")::VARCHAR`).join(", ");
    const sql = `SELECT ${bounds} FROM batch GROUP BY "offset" // ${rowsOfCommit} ORDER BY "offset" // ${rowsOfCommit}`;
    return (await this.#connection.runAndReadAll(sql)).getRowsJson().map((row) =>
      kept.map(([column, type, isBound], at) => ({
        column,
        type,
        nullCount: 0,
        min: isBound ? String(row[2 * at]) : null,
        max: isBound ? String(row[2 * at + 1]) : null,
      })),
    );
  }

  [Symbol.dispose](): void {
    this.#connection.closeSync();
    this.#instance.closeSync();
  }
}

export type NewSlice = Awaited<ReturnType<SliceMaker["whole"]>>;

function rangeOf(commit: number) {
  return { firstOffset: commit * rowsOfCommit, lastOffset: (commit + 1) * rowsOfCommit - 1 };
}

function rowsSql(firstOffset: number, rows: number): string {
  return `(SELECT CAST(i AS UBIGINT) AS "offset", 0::UTINYINT AS op,
    TIMESTAMPTZ '2030-01-01' + to_milliseconds(i) AS system_time, TIMESTAMPTZ '2030-01-01' + to_milliseconds(i) AS event_time,
    '/shop/item/' || (hash(i) % 5000) AS path, CASE WHEN hash(i) % 50 = 0 THEN 404 ELSE 200 END::INTEGER AS status,
    (hash(i * 3) % 100000)::BIGINT AS bytes, TIMESTAMP '2030-01-01' + to_milliseconds(i) AS at
    FROM range(${firstOffset}, ${firstOffset + rows}) t(i))`;
}
