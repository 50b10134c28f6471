import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";
import {
  type DatasetId,
  datasetPath,
  type IdSource,
  idSource,
  silentTelemetry,
  systemClock,
  systemRandom,
} from "../../src/base/index.ts";
import { Datasets } from "../../src/datasets/index.ts";
import { EnginePool } from "../../src/engines/index.ts";
import { fieldFromDuckdb, multihash, schemaWith } from "../../src/slices/index.ts";
import { directoryStore, nodeDisk, type ObjectStore, openPostgres, type Postgres } from "../../src/storage/index.ts";
import { cacheDirectory } from "../benchmark.ts";

export const rowsOfCommit = 50;
/** Slices written by one script of a worker. */
const slicesAtOnce = 64;
const signal = new AbortController().signal;

const columns = [
  ["path", "VARCHAR"],
  ["status", "INTEGER"],
  ["bytes", "BIGINT"],
  ["at", "TIMESTAMP"],
] as const;

/** A folder with a store, a database and workers, kept between runs. */
export interface Bench extends AsyncDisposable {
  readonly folder: string;
  readonly store: ObjectStore;
  readonly postgres: Postgres;
  readonly pool: EnginePool;
  readonly ids: IdSource;
  /** A server that knows nothing yet. */
  server(): Datasets;
}

export async function openBench(commits: number): Promise<Bench> {
  const folder = path.join(cacheDirectory(), `long-chain-${commits}`);
  const work = path.join(folder, "work");
  mkdirSync(work, { recursive: true });
  const ids = idSource(systemClock, systemRandom);
  const role = {
    minWorkers: 1,
    maxWorkers: 2,
    threads: 1,
    memoryBytes: 500e6,
    hardMemoryBytes: 1_500e6,
    spillBytes: 500e6,
    maxQueued: 500,
    directories: [work, path.join(folder, "objects")],
  };
  const pool = new EnginePool({
    directory: path.join(folder, "engines"),
    roles: { query: role, ingest: role, upkeep: role },
    idleMs: 60_000,
    graceMs: 500,
    clock: systemClock,
    random: systemRandom,
    ids,
    disk: nodeDisk,
    telemetry: silentTelemetry,
  });
  await pool.start();
  const postgres = await openPostgres({
    server: { kind: "embedded", directory: path.join(folder, "postgres") },
    clock: systemClock,
    random: systemRandom,
    log: silentTelemetry.log,
  });
  const store = directoryStore({ root: path.join(folder, "objects"), disk: nodeDisk, random: systemRandom });
  const server = () =>
    new Datasets({
      store,
      sql: postgres.sql,
      slices: pool,
      clock: systemClock,
      random: systemRandom,
      telemetry: silentTelemetry,
      announce: async () => {},
    });
  return {
    folder,
    store,
    postgres,
    pool,
    ids,
    server,
    async [Symbol.asyncDispose]() {
      await pool.stop();
      await postgres[Symbol.asyncDispose]();
    },
  };
}

/** The dataset of small commits; what an earlier run has made of it is kept. */
export async function longDataset(bench: Bench, commits: number, tell: (line: string) => void): Promise<DatasetId> {
  const datasets = bench.server();
  const id = await named(bench, datasets, "long");
  const startMs = performance.now();
  const before = (await datasets.head(id)).nextOffset / rowsOfCommit;
  for (let from = before; from < commits; from += slicesAtOnce) {
    const count = Math.min(slicesAtOnce, commits - from);
    const slices = await writeSlices(bench, from, count);
    for (const [index, slice] of slices.entries()) await commit(datasets, id, slice, String(from + index));
  }
  await datasets.upkeep(id, signal);
  await datasets[Symbol.asyncDispose]();
  const seconds = (performance.now() - startMs) / 1000;
  tell(`${commits - before} commits of ${rowsOfCommit} rows made in ${seconds.toFixed(0)} s`);
  return id;
}

/** The same rows, imported whole. */
export async function wholeDataset(bench: Bench, commits: number): Promise<DatasetId> {
  const datasets = bench.server();
  const id = await named(bench, datasets, "whole");
  if ((await datasets.head(id)).nextOffset === 0) {
    const file = path.join(bench.folder, "work", "whole.parquet");
    await run(bench, [copySql(file, 0, commits * rowsOfCommit)]);
    await commit(datasets, id, await finished(bench, file, commits * rowsOfCommit), "1");
  }
  await datasets[Symbol.asyncDispose]();
  return id;
}

async function named(bench: Bench, datasets: Datasets, name: string): Promise<DatasetId> {
  const note = path.join(bench.folder, `${name}.id`);
  const known = existsSync(note) ? readFileSync(note, "utf8") : null;
  const found = await datasets.find(datasetPath(`bench.${name}`));
  if (found !== null && found.id === known) return found.id;
  const { id } = await datasets.create(datasetPath(`bench.${name}`));
  writeFileSync(note, id);
  return id;
}

async function writeSlices(bench: Bench, from: number, count: number): Promise<Slice[]> {
  const files = Array.from({ length: count }, (_, index) => path.join(bench.folder, "work", `${from + index}.parquet`));
  await run(
    bench,
    files.map((file, index) => copySql(file, (from + index) * rowsOfCommit, rowsOfCommit)),
  );
  return await Promise.all(files.map((file) => finished(bench, file, rowsOfCommit)));
}

type Slice = Awaited<ReturnType<typeof finished>>;

async function finished({ pool }: Bench, localPath: string, rows: number) {
  const [hashes, statistics] = await Promise.all([
    pool.hashes(localPath, signal),
    pool.columnStatistics(localPath, signal),
  ]);
  const { size: sizeBytes } = statSync(localPath);
  const [physicalHash, logicalHash] = [multihash(hashes.physicalHash), multihash(hashes.logicalHash)];
  return { localPath, rows, sizeBytes, physicalHash, logicalHash, statistics };
}

async function commit(datasets: Datasets, id: DatasetId, data: Slice, position: string): Promise<void> {
  const { seq, schema } = await datasets.head(id);
  const first =
    schema === null ? { schema: schemaWith(columns.map(([name, type]) => fieldFromDuckdb(name, type))) } : {};
  const outcome = await datasets.commit(id, {
    expectedSeq: seq,
    ...first,
    data,
    sourceState: { sourceName: "bench", kind: "bench", value: position },
    systemTime: systemClock.now(),
    by: "bench",
  });
  if (outcome.outcome !== "committed") throw new Error("somebody else writes to the benchmark's dataset");
}

async function run({ pool, ids }: Bench, statements: readonly string[]): Promise<void> {
  const label = "long-chain";
  const script = { traceId: ids.traceId(), label, statements: statements.map((sql) => ({ sql, rows: false })) };
  await pool.script(script, signal);
}

function copySql(file: string, firstOffset: number, rows: number): string {
  return `COPY (SELECT CAST(i AS UBIGINT) AS "offset", 0::UTINYINT AS op,
    TIMESTAMPTZ '2030-01-01' + to_milliseconds(i) AS system_time, TIMESTAMPTZ '2030-01-01' + to_milliseconds(i) AS event_time,
    '/shop/item/' || (hash(i) % 5000) AS path, CASE WHEN hash(i) % 50 = 0 THEN 404 ELSE 200 END::INTEGER AS status,
    (hash(i * 3) % 100000)::BIGINT AS bytes, TIMESTAMP '2030-01-01' + to_milliseconds(i) AS at
    FROM range(${firstOffset}, ${firstOffset + rows}) t(i))
    TO '${file.replaceAll("'", "''")}' (FORMAT parquet, COMPRESSION zstd)`;
}
