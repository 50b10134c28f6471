// Writes src/storage/postgres/schema.sql from a database that the migrations have just made.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { silentTelemetry, systemClock, systemRandom } from "../src/base/index.ts";
import { openPostgres } from "../src/storage/index.ts";
import { describeSchema } from "../test/kit/schema.ts";

const folder = mkdtempSync(path.join(os.tmpdir(), "millrace-schema-"));
try {
  await using database = await openPostgres({
    server: { kind: "embedded", directory: path.join(folder, "postgres") },
    clock: systemClock,
    random: systemRandom,
    log: silentTelemetry.log,
  });
  const file = path.join(import.meta.dirname, "..", "src", "storage", "postgres", "schema.sql");
  writeFileSync(file, await describeSchema(database.sql));
} finally {
  rmSync(folder, { recursive: true, force: true });
}
