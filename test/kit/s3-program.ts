import { existsSync } from "node:fs";
import path from "node:path";

const root = path.resolve(import.meta.dirname, "..", "..");
const version = "v0.0.0-20260212201848-7aac2a2c5b7c";

/** The S3 server that tests and benchmarks run against: MinIO, whose create-if-absent holds among racing writers. */
export const s3Program = {
  module: `github.com/minio/minio@${version}`,
  file: path.join(root, ".tools", `minio-${version}`),
} as const;

/** Why tests on a real S3 server skip here; null where it is installed. */
export const s3ServerAbsent = existsSync(s3Program.file)
  ? null
  : "the S3 server for tests is absent: install Go, then run `npm run s3-server`";
