// npm run s3-server: builds the S3 server that tests and benchmarks use, once, into .tools/. Needs Go; the build takes
// about three minutes on two cores the first time. What is fetched is checked against Go's checksum database.
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from "node:fs";
import path from "node:path";
import process from "node:process";
import { s3Program } from "../test/kit/s3-program.ts";

if (!existsSync(s3Program.file)) build();

function build(): void {
  const folder = path.dirname(s3Program.file);
  mkdirSync(folder, { recursive: true });
  const made = mkdtempSync(path.join(folder, "build-"));
  try {
    process.stderr.write(`millrace: building ${s3Program.module} (once; about three minutes)\n`);
    const { status, error, stderr } = spawnSync("go", ["install", "-trimpath", "-ldflags", "-s -w", s3Program.module], {
      cwd: made,
      env: { ...process.env, GOBIN: made, CGO_ENABLED: "0" },
      stdio: ["ignore", "ignore", "pipe"],
      timeout: 40 * 60_000,
      maxBuffer: 64 * 1024 * 1024,
      encoding: "utf8",
    });
    if (status !== 0) {
      const said = error?.message ?? `go ended with ${status}: ${stderr.slice(-2_000)}`;
      process.stderr.write(`millrace: the S3 server could not be built: ${said}\n`);
      process.exitCode = 1;
      return;
    }
    renameSync(path.join(made, "minio"), s3Program.file);
  } finally {
    rmSync(made, { recursive: true, force: true });
  }
}
