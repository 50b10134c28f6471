import type { RoleOptions } from "../engines/index.ts";
import type { ServerConfig } from "./config.ts";

/** Beside DuckDB's own memory: Node, results on their way, what DuckDB does not count. */
const besideBytes = 512e6;

/** Limits of the two kinds of engine worker. `directories` are the folders that their SQL may touch. */
export function engineRoles(
  { values }: ServerConfig,
  directories: readonly string[],
): { query: RoleOptions; ingest: RoleOptions } {
  const common = {
    minWorkers: 1,
    directories,
    threads: values["queries.threads"],
    spillBytes: values["queries.spill"],
  };
  const memory = (memoryBytes: number) => ({ memoryBytes, hardMemoryBytes: memoryBytes * 1.25 + besideBytes });
  return {
    query: {
      ...common,
      ...memory(values["queries.memory"]),
      maxWorkers: values["queries.workers"],
      maxQueued: values["queries.maxQueued"],
    },
    ingest: { ...common, ...memory(values["ingest.memory"]), maxWorkers: values["ingest.workers"], maxQueued: 4_096 },
  };
}
