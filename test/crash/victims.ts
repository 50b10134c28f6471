import type { Random } from "../../src/base/index.ts";
import { postmasterOf, workersOf } from "../kit/processes.ts";
import type { Importer } from "./importer.ts";
import type { Store } from "./store.ts";
import type { Supervisor } from "./supervisor.ts";

export const victims = ["server", "starting", "worker", "postgres", "machine", "client", "s3"] as const;
export type Victim = (typeof victims)[number];

const weights: Readonly<Record<Victim, number>> = {
  server: 6,
  starting: 1,
  worker: 4,
  postgres: 3,
  machine: 2,
  client: 1,
  s3: 3,
};

export function pickVictim(random: Random, store: Store): Victim {
  const possible = victims.filter((victim) => victim !== "s3" || store.kind === "s3");
  const pot = possible.flatMap((victim) => Array.from({ length: weights[victim] }, () => victim));
  return pot[Math.floor(random.float() * pot.length)] ?? "server";
}

/** Ends a process with SIGKILL, and has all stand again. @returns whether there was one */
export async function kill(
  victim: Victim,
  { supervisor, importer, store, random }: { supervisor: Supervisor; importer: Importer; store: Store; random: Random },
): Promise<boolean> {
  const { platform, dataDirectory } = supervisor;
  const server = platform?.process.pid ?? 0;
  switch (victim) {
    case "server":
      await supervisor.restart(() => {});
      return true;
    case "starting":
      await supervisor.restartKilled(random.float() * 1_500);
      return true;
    case "machine":
      await supervisor.restart(() => {
        for (const pid of [...workersOf(server), postmasterOf(dataDirectory)]) end(pid);
      });
      return true;
    case "worker": {
      const workers = workersOf(server);
      return end(workers[Math.floor(random.float() * workers.length)] ?? null);
    }
    case "postgres":
      return end(postmasterOf(dataDirectory));
    case "client":
      return importer.kill();
    case "s3":
      if (store.kind === "s3") await store.server.restart();
      return store.kind === "s3";
  }
}

function end(pid: number | null): boolean {
  if (pid === null) return false;
  try {
    process.kill(pid, "SIGKILL");
    return true;
  } catch {
    return false; // it ended by itself meanwhile
  }
}
