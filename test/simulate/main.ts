import { parseArgs } from "node:util";
import { reduce, run } from "./run.ts";
import { type Report, runSeeds } from "./seeds.ts";

/** `npm run test:simulate -- --seeds N [--seed S]`: N worlds from seed S on; with `--seed` alone that one, and its trace. */
const { values } = parseArgs({
  options: { seeds: { type: "string" }, seed: { type: "string" }, workers: { type: "string" } },
});
const from = Number(values.seed ?? 1);
const count = Number(values.seeds ?? (values.seed === undefined ? 1_000 : 1));
if (!Number.isSafeInteger(from) || !Number.isSafeInteger(count) || count < 1) {
  process.stderr.write("usage: npm run test:simulate -- [--seeds N] [--seed S] [--workers W]\n");
  process.exit(2);
}
process.exitCode = count === 1 ? await one(from) : await many();

async function one(seed: number): Promise<number> {
  const report = await run({ seed, keepTrace: true });
  process.stdout.write(`${report.trace}\n`);
  if (report.failure === null) {
    process.stdout.write(`seed ${seed}: all held; ${report.events} events, trace ${report.traceHash}\n`);
    return 0;
  }
  await tell(seed, report.failure, report.faults);
  return 1;
}

async function many(): Promise<number> {
  const startedMs = performance.now();
  const workers = values.workers === undefined ? {} : { workers: Number(values.workers) };
  const isTerminal = process.stderr.isTTY === true;
  const progress = (done: number, failed: number) => {
    if (isTerminal && done % 50 === 0) process.stderr.write(`\r${done} of ${count} seeds, ${failed} failed`);
  };
  const failed = ({ seed, failure, trace }: Report) => {
    process.stdout.write(`\n${trace}\nseed ${seed} FAILED: ${failure}\n`);
  };
  const { done, failures, events, simulatedMs } = await runSeeds({ from, count, progress, failed, ...workers });
  if (isTerminal) process.stderr.write("\n");
  for (const { seed, failure, faults } of failures) await tell(seed, failure ?? "", faults);
  const seconds = (performance.now() - startedMs) / 1_000;
  const hours = simulatedMs / 3_600_000;
  process.stdout.write(
    `${done - failures.length} of ${done} seeds held: ${events} events, ${hours.toFixed(1)} hours of the worlds in ${seconds.toFixed(0)} s\n`,
  );
  return failures.length === 0 && done === count ? 0 : 1;
}

/** The failure, and the fewest classes of faults that it takes. */
async function tell(seed: number, failure: string, faults: readonly string[]): Promise<void> {
  const fewest = await reduce(seed);
  process.stdout.write(`seed ${seed} FAILED: ${failure}\n`);
  process.stdout.write(
    `faults: ${faults.join(", ") || "none"}; enough for a failure: ${fewest.join(", ") || "none"}\n`,
  );
  process.stdout.write(`again: npm run test:simulate -- --seed ${seed}\n`);
}
