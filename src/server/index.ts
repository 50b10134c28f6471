import type { ReindexReport } from "../datasets/index.ts";
import type { ServerConfig } from "./config.ts";
import type { Depth } from "./doctor/doctor.ts";
import type { Finding } from "./doctor/finding.ts";
import type { Restored } from "./maintenance.ts";
import type { RunningServer } from "./running.ts";

export type { ServerConfig } from "./config.ts";
export { formats } from "./formats.ts";
export type { RunningServer } from "./running.ts";
export { settings } from "./settings.ts";
export { version } from "./version.ts";

// The rooms are loaded when a server starts: client commands of the same program stay quick and small.

/** Starts everything; disposing the result stops it in order. @throws conflict, bad_config, unavailable */
export async function startServer(config: ServerConfig, signal: AbortSignal): Promise<RunningServer> {
  const { start } = await import("./start.ts");
  return await start(config, signal);
}

/** See doctor/doctor.ts. */
export async function examine(
  config: ServerConfig,
  depth: Depth,
  signal: AbortSignal,
): Promise<AsyncIterable<Finding>> {
  const doctor = await import("./doctor/doctor.ts");
  return doctor.examine(config, depth, signal);
}

/** See maintenance.ts. */
export async function reindex(config: ServerConfig, signal: AbortSignal): Promise<ReindexReport> {
  const { reindexChains } = await import("./maintenance.ts");
  return await reindexChains(config, signal);
}

/** See maintenance.ts. */
export async function restore(config: ServerConfig, replace: boolean, signal: AbortSignal): Promise<Restored> {
  const { restoreAll } = await import("./maintenance.ts");
  return await restoreAll(config, replace, signal);
}
