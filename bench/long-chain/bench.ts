import { existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { type Disk, datasetPath, idSource, silentTelemetry, systemClock, systemRandom } from "../../src/base/index.ts";
import { type DatasetRef, Datasets } from "../../src/datasets/index.ts";
import { EnginePool } from "../../src/engines/index.ts";
import {
  directoryStore,
  nodeDisk,
  type ObjectStore,
  openPostgres,
  type Postgres,
  type Sql,
} from "../../src/storage/index.ts";
import { millrace, type Platform, startPlatform } from "../../test/kit/platform.ts";
import { cacheDirectory } from "../benchmark.ts";
import { unsyncedDisk } from "./unsynced-disk.ts";

/** A data folder with the datasets `bench.long` and `bench.whole`, kept between runs; no server runs on it by itself. */
export interface Bench extends AsyncDisposable {
  readonly folder: string;
  readonly work: string;
  readonly store: ObjectStore;
  readonly postgres: Postgres;
  readonly pool: EnginePool;
  /** What a server uses, knowing nothing yet. */
  datasets(): Datasets;
  /** The same for who builds in a hurry: nothing is made durable. */
  unsynced(): Promise<Datasets>;
  dataset(name: "long" | "whole"): Promise<DatasetRef>;
  /** A real server on the folder. */
  platform(): Promise<Platform>;
}

const manifest = `kind: Project
name: bench
---
kind: Dataset
project: bench
name: long
---
kind: Dataset
project: bench
name: whole
`;

export async function openBench(commits: number): Promise<Bench> {
  const folder = path.join(cacheDirectory(), `long-chain-${commits}`);
  const work = path.join(folder, "work");
  if (!existsSync(path.join(folder, "prepared"))) await prepare(folder);
  rmSync(work, { recursive: true, force: true });
  mkdirSync(work, { recursive: true });
  await using held = new AsyncDisposableStack();
  const postgres = held.use(await open({ kind: "embedded", directory: path.join(folder, "postgres") }));
  const pool = enginePool(folder, work);
  await pool.start();
  held.defer(() => pool.stop());
  held.defer(() => rmSync(work, { recursive: true, force: true }));
  const storeOf = (disk: Disk) => directoryStore({ root: path.join(folder, "objects"), disk, random: systemRandom });
  const datasetsOn = (disk: Disk, sql: Sql) =>
    new Datasets({
      store: storeOf(disk),
      sql,
      slices: pool,
      clock: systemClock,
      random: systemRandom,
      telemetry: silentTelemetry,
      announce: async () => {},
      copies: { worker: pool, disk: nodeDisk, directory: work, graceMs: 0 },
    });
  const opened = held.move();
  return {
    folder,
    work,
    store: storeOf(nodeDisk),
    postgres,
    pool,
    datasets: () => datasetsOn(nodeDisk, postgres.sql),
    async unsynced() {
      const { sql } = opened.use(await open({ kind: "external", url: `${postgres.url}?synchronous_commit=off` }));
      return datasetsOn(unsyncedDisk, sql);
    },
    dataset: (name) => datasetsOn(nodeDisk, postgres.sql).get(datasetPath(`bench.${name}`)),
    platform: () => startPlatform({ dataDirectory: folder, environment: { MILLRACE_POSTGRES_URL: postgres.url } }),
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  };
}

function open(server: Parameters<typeof openPostgres>[0]["server"]): Promise<Postgres> {
  return openPostgres({ server, clock: systemClock, random: systemRandom, log: silentTelemetry.log });
}

async function prepare(folder: string): Promise<void> {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  await using platform = await startPlatform({ dataDirectory: folder });
  const file = path.join(folder, "bench.yaml");
  writeFileSync(file, manifest);
  const applied = await millrace(["apply", file], platform);
  if (applied.code !== 0) throw new Error(applied.stderr);
  writeFileSync(path.join(folder, "prepared"), "");
}

function enginePool(folder: string, work: string): EnginePool {
  const role = {
    minWorkers: 0,
    maxWorkers: 1,
    threads: 1,
    memoryBytes: 500e6,
    hardMemoryBytes: 1_500e6,
    spillBytes: 500e6,
    maxQueued: 500,
    directories: [work, path.join(folder, "objects")],
  };
  return new EnginePool({
    directory: path.join(folder, "bench-engines"),
    roles: { query: role, ingest: role, compute: role, upkeep: role },
    idleMs: 600_000,
    graceMs: 500,
    clock: systemClock,
    random: systemRandom,
    ids: idSource(systemClock, systemRandom),
    disk: nodeDisk,
    telemetry: silentTelemetry,
  });
}
