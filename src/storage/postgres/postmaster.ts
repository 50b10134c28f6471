import { readFile, readlink } from "node:fs/promises";
import path from "node:path";
import { type Clock, delay } from "../../base/index.ts";

/** A running PostgreSQL server on a data folder, as its `postmaster.pid` tells. */
export interface Postmaster {
  readonly pid: number;
  readonly port: number;
}

/**
 * The server that runs on a data folder, or null. The file outlives a crash and pids are reused, so the process must
 * have the folder as its working directory, as a PostgreSQL server has.
 * Lines of postmaster.pid: pid, data folder, start time, port, ... (PostgreSQL documentation, "Database File Layout").
 */
export async function runningPostmaster(dataFolder: string): Promise<Postmaster | null> {
  const text = await readFile(path.join(dataFolder, "postmaster.pid"), "utf8").catch(() => null);
  const lines = text?.split("\n") ?? [];
  const pid = Number(lines[0]);
  const port = Number(lines[3]);
  if (!Number.isInteger(pid) || pid <= 0 || !Number.isInteger(port)) return null;
  if (!isAlive(pid)) return null;
  const folder = await readlink(`/proc/${pid}/cwd`).catch(() => null);
  if (folder === null) return process.platform === "linux" ? null : { pid, port };
  return path.resolve(folder) === path.resolve(dataFolder) ? { pid, port } : null;
}

/** Asks a server to end: fast shutdown (SIGINT: roll back, checkpoint), after a while immediate shutdown (SIGQUIT). */
export async function stopPostmaster(pid: number, clock: Clock): Promise<void> {
  for (const [signal, patienceMs] of [
    ["SIGINT", 10_000],
    ["SIGQUIT", 5_000],
    ["SIGKILL", 5_000],
  ] as const) {
    if (!isAlive(pid)) return;
    try {
      process.kill(pid, signal);
    } catch {
      return;
    }
    const untilMs = clock.monotonicMs() + patienceMs;
    while (isAlive(pid) && clock.monotonicMs() < untilMs) await keepAwake(delay(clock, 10));
  }
}

/** Base timers let the process end; here it must not, until the server is gone. */
async function keepAwake(waiting: Promise<void>): Promise<void> {
  const handle = setInterval(() => {}, 1_000);
  try {
    await waiting;
  } finally {
    clearInterval(handle);
  }
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && "code" in error && error.code === "EPERM";
  }
}
