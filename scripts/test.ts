// Runs Vitest and ends with the plain closing line "N passed, N failed, N skipped". Arguments go to Vitest.
// A test that needs an absent tool or file skips with its reason; with MILLRACE_REQUIRE_ALL=1 that is a failure.
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import process from "node:process";
import { z } from "zod";

const root = path.dirname(import.meta.dirname);
const folder = mkdtempSync(path.join(os.tmpdir(), "millrace-test-"));
const report = path.join(folder, "report.json");
const vitest = path.join(root, "node_modules", "vitest", "vitest.mjs");
const run = spawnSync(
  process.execPath,
  [vitest, "run", "--reporter=default", "--reporter=json", `--outputFile.json=${report}`, ...process.argv.slice(2)],
  { cwd: root, stdio: "inherit", env: { ...process.env, FORCE_COLOR: process.stdout.isTTY ? "1" : "0" } },
);

const assertion = z.object({
  fullName: z.string(),
  status: z.string(),
  failureMessages: z.array(z.string()).nullish(),
});
const shape = z.object({
  success: z.boolean(),
  numPassedTests: z.number(),
  numFailedTests: z.number(),
  numPendingTests: z.number(),
  testResults: z.array(z.object({ name: z.string(), status: z.string(), assertionResults: z.array(assertion) })),
});

let result: z.infer<typeof shape>;
try {
  result = shape.parse(JSON.parse(readFileSync(report, "utf8")));
} catch {
  process.stdout.write("the test runner left no report\n0 passed, 1 failed\n");
  process.exit(1);
} finally {
  rmSync(folder, { recursive: true, force: true });
}

const skipped = result.testResults.flatMap((file) =>
  file.assertionResults.filter((test) => test.status === "pending" || test.status === "skipped"),
);
for (const test of skipped) process.stdout.write(`skipped: ${test.fullName}\n`);
const requireAll = process.env.MILLRACE_REQUIRE_ALL === "1";
const brokenFiles = result.testResults.filter((file) => file.status === "failed" && file.assertionResults.length === 0);
const failed = result.numFailedTests + brokenFiles.length + (requireAll ? skipped.length : 0);
if (requireAll && skipped.length > 0) process.stdout.write("MILLRACE_REQUIRE_ALL=1: each skip counts as a failure\n");
process.stdout.write(`${result.numPassedTests} passed, ${failed} failed, ${skipped.length} skipped\n`);
process.exit(failed > 0 || run.status !== 0 || result.numPassedTests === 0 ? 1 : 0);
