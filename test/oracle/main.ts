import { spawnSync } from "node:child_process";
import path from "node:path";
import { parseArgs } from "node:util";

/** `npm run test:oracle -- --cases N [--seed S]`: N cases from a seed, on the PostgreSQL server that the suite starts. */
const { values } = parseArgs({ options: { cases: { type: "string" }, seed: { type: "string" } } });
const [cases, seed] = [Number(values.cases ?? 2_000), Number(values.seed ?? Date.now() % 1_000_000)];
if (!Number.isSafeInteger(cases) || !Number.isSafeInteger(seed) || cases < 1) {
  process.stderr.write("usage: npm run test:oracle -- [--cases N] [--seed S]\n");
  process.exit(2);
}
const folder = path.join(import.meta.dirname, "../..");
const { status } = spawnSync(
  process.execPath,
  [path.join(folder, "node_modules/vitest/vitest.mjs"), "run", "test/oracle/oracle.test.ts"],
  { cwd: folder, stdio: "inherit", env: { ...process.env, ORACLE_CASES: String(cases), ORACLE_SEED: String(seed) } },
);
process.exitCode = status ?? 1;
