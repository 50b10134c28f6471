import path from "node:path";
import { z } from "zod";
import { datasetPath, idSource, silentTelemetry, systemClock, systemRandom } from "../../src/base/index.ts";
import { Datasets } from "../../src/datasets/index.ts";
import { connect, directoryStore, type ObjectStore, type Sql } from "../../src/storage/index.ts";
import { Transforms, type TransformsOptions } from "../../src/streams/index.ts";
import { openPool } from "../kit/engine-pool.ts";
import { unsyncedDisk } from "../kit/unsynced-disk.ts";
import { noLeases } from "./no-leases.ts";

/** A process of its own that keeps transforms, as it is told by the one that started it. */

const transform = z.object({
  id: z.string(),
  name: z.string(),
  sql: z.string(),
  key: z.array(z.string()).optional(),
  maxRows: z.number(),
});

const order = z.object({
  /** Folder of the objects, and one for what the process works on. */
  objects: z.string(),
  work: z.string(),
  postgresUrl: z.string(),
  transforms: z.array(transform),
});
export type ProcessOrder = z.infer<typeof order>;

/** Stands between a process and what it stands on. */
export interface Between {
  readonly store: (store: ObjectStore) => ObjectStore;
  readonly sql: (sql: Sql) => Sql;
}

export const orderOf = (text: string | undefined): ProcessOrder => order.parse(JSON.parse(text ?? ""));

/** Its transforms are kept as soon as they are started. */
export async function openProcess(
  { objects, work, postgresUrl, transforms: all }: ProcessOrder,
  between: Between,
  options: Partial<TransformsOptions> = {},
): Promise<Transforms> {
  const store = between.store(directoryStore({ root: objects, disk: unsyncedDisk, random: systemRandom }));
  const { pool } = await openPool({
    minWorkers: 0,
    maxWorkers: 1,
    threads: 1,
    maxQueued: 100,
    directories: [objects, work],
  });
  const datasets = new Datasets({
    store,
    sql: between.sql(connect(postgresUrl, all.length)),
    slices: pool,
    clock: systemClock,
    random: systemRandom,
    telemetry: silentTelemetry,
    announce: async (news) => transforms.committed(news),
  });
  const transforms = new Transforms({
    datasets,
    engine: pool,
    store,
    disk: unsyncedDisk,
    directory: path.join(work, String(process.pid)),
    // One process after another keeps the same, as on a server's disk.
    stateDirectory: path.join(work, "states"),
    declared: async () => all.map(({ name, ...said }) => ({ ...said, path: datasetPath(name), paused: false })),
    declaredNow: async () => null,
    commits: { tail: noCommits },
    flush: async () => {},
    lateRows: null,
    record: () => {},
    clock: systemClock,
    random: systemRandom,
    ids: idSource(systemClock, systemRandom),
    telemetry: silentTelemetry,
    leases: noLeases,
    atOnce: all.length,
    ...options,
  });
  return transforms;
}

async function* noCommits({ signal }: { readonly signal: AbortSignal }): AsyncIterable<never> {
  await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
}
