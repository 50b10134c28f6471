import { fork } from "node:child_process";
import { once } from "node:events";
import os from "node:os";
import path from "node:path";
import { z } from "zod";

const report = z.object({
  seed: z.number(),
  failure: z.string().nullable(),
  faults: z.array(z.string()),
  events: z.number(),
  simulatedMs: z.number(),
  traceHash: z.string(),
  trace: z.string(),
});
export type Report = z.infer<typeof report>;

/**
 * Worlds of one process. Node keeps signals that wait for others for good, and a server that was killed waits for ever: each world
 * leaves about 2 MB behind.
 */
const seedsOfProcess = 250;

export interface SeedsOptions {
  readonly from: number;
  readonly count: number;
  /** Processes at once. */
  readonly workers?: number;
  /** Told after each report. */
  readonly progress?: (done: number, failed: number) => void;
  /** Told of each failure when it comes. */
  readonly failed?: (report: Report) => void;
  /** Failures after which no new seed begins. */
  readonly mostFailures?: number;
}

export interface SeedsReport {
  readonly done: number;
  readonly events: number;
  readonly simulatedMs: number;
  readonly failures: readonly Report[];
}

/** Runs many worlds, each from its seed, spread over processes. */
export async function runSeeds(options: SeedsOptions): Promise<SeedsReport> {
  const { from, count, workers = os.availableParallelism(), progress, mostFailures = 5 } = options;
  const total = { done: 0, events: 0, simulatedMs: 0, failures: [] as Report[] };
  let next = from;
  const isOver = () => next >= from + count || total.failures.length >= mostFailures;
  const simulateSome = async () => {
    const child = fork(path.join(import.meta.dirname, "seeds-process.ts"), {
      stdio: ["ignore", "inherit", "inherit", "ipc"],
    });
    let left = seedsOfProcess;
    const give = () => {
      if (isOver() || left-- === 0) child.disconnect();
      else child.send(next++);
    };
    child.on("message", (message) => {
      const one = report.parse(message);
      total.done++;
      total.events += one.events;
      total.simulatedMs += one.simulatedMs;
      if (one.failure !== null) {
        total.failures.push(one);
        options.failed?.(one);
      }
      progress?.(total.done, total.failures.length);
      give();
    });
    give();
    const [code] = await once(child, "exit");
    if (code !== 0) throw new Error(`a process that simulates ended with ${code}`);
  };
  const children = Array.from({ length: Math.min(workers, count) }, async () => {
    while (!isOver()) await simulateSome();
  });
  await Promise.all(children);
  return { ...total, failures: total.failures.sort((a, b) => a.seed - b.seed) };
}
