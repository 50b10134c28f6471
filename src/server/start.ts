import { access } from "node:fs/promises";
import path from "node:path";
import { systemClock } from "../base/index.ts";
import { checkBind, checkPort } from "../gateway/index.ts";
import { openLogger, openMetrics, type RootLogger } from "../telemetry/index.ts";
import { bindOf, redisBindOf } from "./api.ts";
import type { ServerConfig } from "./config.ts";
import { DataDirectory } from "./data-directory.ts";
import { openFoundation } from "./foundation.ts";
import { ownerTokenFile } from "./owner-token.ts";
import { startRooms } from "./rooms.ts";
import type { RunningServer } from "./running.ts";
import { version } from "./version.ts";

/** Takes the data folder, opens what a server stands on, starts the rooms; disposing the result stops all in reverse. */
export async function start(config: ServerConfig, signal: AbortSignal): Promise<RunningServer> {
  const held = new AsyncDisposableStack();
  try {
    await checkBind(bindOf(config)); // before anything is made
    const redis = redisBindOf(config);
    if (redis !== null) await checkBind(redis);
    if (await isAbsent(config.values.dataDir)) await checkPort(bindOf(config));
    const directory = held.use(await DataDirectory.take(config.values.dataDir));
    await directory.mark();
    const logFile =
      config.values["log.file"] === "-"
        ? null
        : (config.values["log.file"] ?? path.join(directory.path, "log", "server.log"));
    const log = held.use(openLog(config, logFile));
    const metrics = openMetrics({ log, undeclared: "log", processMetrics: true });
    const foundation = held.use(await openFoundation(config, { log, metrics }, signal));
    const tokenFile = ownerTokenFile(directory.path);
    const running = await startRooms({ config, foundation, log, metrics, ownerTokenFile: tokenFile, held }, signal);
    await directory.announce(running.url);
    log.info("ready", { url: running.url, version });
    return {
      ...running,
      version,
      logFile,
      dataDirectory: directory.path,
      ownerTokenFile: tokenFile,
      [Symbol.asyncDispose]: () => held.disposeAsync(),
    };
  } catch (error) {
    await held.disposeAsync();
    throw error;
  }
}

/** Of a folder that is there, whoever runs on it is the better reason. */
function isAbsent(folder: string): Promise<boolean> {
  return access(folder).then(
    () => false,
    () => true,
  );
}

function openLog(config: ServerConfig, file: string | null): RootLogger {
  const levels = ["debug", "info", "warn", "error", "silent"] as const;
  const level = levels.find((known) => known === config.values["log.level"]) ?? "info";
  return openLogger({
    level,
    destination: file === null ? { kind: "stderr" } : { kind: "file", path: file },
    clock: systemClock,
  });
}
