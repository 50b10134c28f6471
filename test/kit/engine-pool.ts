import path from "node:path";
import { idSource, silentTelemetry, systemClock, systemRandom } from "../../src/base/index.ts";
import { EnginePool, type RoleOptions } from "../../src/engines/index.ts";
import { nodeDisk } from "../../src/storage/index.ts";
import { type TempDirectory, tempDirectory } from "./folder.ts";

/** A small pool with real workers, for tests. SQL may touch the folder `shared`. */
export interface OpenPool extends AsyncDisposable {
  readonly pool: EnginePool;
  readonly shared: string;
}

export async function openPool(changes: Partial<RoleOptions> = {}, graceMs = 500): Promise<OpenPool> {
  const folder: TempDirectory = await tempDirectory();
  const shared = path.join(folder.path, "shared");
  await nodeDisk.makeDirectory(shared);
  const role = {
    minWorkers: 1,
    maxWorkers: 2,
    threads: 2,
    memoryBytes: 300e6,
    hardMemoryBytes: 900e6,
    spillBytes: 50e6,
    maxQueued: 4,
    directories: [shared],
    ...changes,
  };
  const pool = new EnginePool({
    directory: path.join(folder.path, "engines"),
    roles: {
      query: role,
      ingest: role,
      compute: { ...role, minWorkers: 0 },
      upkeep: { ...role, minWorkers: 0, threads: 1 },
    },
    idleMs: 60_000,
    graceMs,
    clock: systemClock,
    random: systemRandom,
    ids: idSource(systemClock, systemRandom),
    disk: nodeDisk,
    telemetry: silentTelemetry,
  });
  await pool.start();
  return {
    pool,
    shared,
    async [Symbol.asyncDispose]() {
      await pool.stop();
      await folder[Symbol.asyncDispose]();
    },
  };
}
