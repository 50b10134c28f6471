import { parseArgs } from "node:util";
import { runCases } from "./run.ts";

/** `npm run test:oracle -- --cases N [--seed S]`: N cases from a seed. */
const { values } = parseArgs({ options: { cases: { type: "string" }, seed: { type: "string" } } });
const [cases, seed] = [Number(values.cases ?? 2_000), Number(values.seed ?? Date.now() % 1_000_000)];
if (!Number.isSafeInteger(cases) || !Number.isSafeInteger(seed) || cases < 1) {
  process.stderr.write("usage: npm run test:oracle -- [--cases N] [--seed S]\n");
  process.exit(2);
}
process.stdout.write(`${cases} cases from seed ${seed}\n`);
const startedMs = performance.now();
await runCases({ cases, seed });
process.stdout.write(`all ${cases} held, in ${((performance.now() - startedMs) / 1_000).toFixed(0)} s\n`);
