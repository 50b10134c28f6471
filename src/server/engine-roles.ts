import type { RoleOptions, WorkerRole } from "../engines/index.ts";
import type { ServerConfig } from "./config.ts";

/** Beside DuckDB's own memory: Node, results on their way, what DuckDB does not count. */
const besideBytes = 512e6;

/** Limits of the kinds of engine worker. `directories` are the folders that their SQL may touch. */
export function engineRoles(
  { values }: ServerConfig,
  directories: readonly string[],
): Readonly<Record<WorkerRole, RoleOptions>> {
  const common = {
    minWorkers: 1,
    directories,
    spillBytes: values["queries.spill"],
  };
  const memory = (memoryBytes: number) => ({ memoryBytes, hardMemoryBytes: memoryBytes * 1.25 + besideBytes });
  return {
    query: {
      ...common,
      threads: values["queries.threads"],
      ...memory(values["queries.memory"]),
      maxWorkers: values["queries.workers"],
      maxQueued: values["queries.maxQueued"],
    },
    ingest: {
      ...common,
      ...memory(values["ingest.memory"]),
      // Conversions side by side share the cores; with more threads than cores each costs up to twice as much.
      threads: Math.max(1, Math.floor(values["queries.threads"] / values["ingest.workers"])),
      maxWorkers: values["ingest.workers"],
      maxQueued: 4_096,
    },
    compute: {
      ...common,
      ...memory(values["transforms.memory"]),
      minWorkers: 0,
      // Mostly one runs, and it should have all cores: a lone one with half of them took nearly twice as long.
      threads: values["queries.threads"],
      maxWorkers: values["transforms.workers"],
      maxQueued: 1_024,
    },
    upkeep: {
      ...common,
      ...memory(Math.min(1e9, values["ingest.memory"])),
      minWorkers: 0,
      maxWorkers: 1,
      threads: 1,
      maxQueued: 64,
    },
  };
}
