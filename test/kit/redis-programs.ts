import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { createServer } from "node:net";
import { promisify } from "node:util";

export const redisPrograms = {
  cli: "/usr/bin/redis-cli",
  server: "/usr/bin/redis-server",
  benchmark: "/usr/bin/redis-benchmark",
} as const;

/** Why tests with Redis's own programs skip here; null where they are installed. */
export const redisAbsent = Object.values(redisPrograms).every((program) => existsSync(program))
  ? null
  : "Redis's programs are absent; install them: apt-get install redis-server redis-tools";

/** Runs one of them to its end and answers what it wrote. */
export async function runRedis(
  program: keyof typeof redisPrograms,
  args: readonly string[],
): Promise<{ readonly stdout: string; readonly stderr: string }> {
  return await promisify(execFile)(redisPrograms[program], [...args], { maxBuffer: 64e6, timeout: 120_000 });
}

/** A port that was free a moment ago. */
export async function freePort(): Promise<number> {
  const probe = createServer();
  await new Promise<void>((resolve) => probe.listen(0, "127.0.0.1", resolve));
  const address = probe.address();
  await new Promise((resolve) => probe.close(resolve));
  if (address === null || typeof address === "string") throw new Error("a listener has no port");
  return address.port;
}
