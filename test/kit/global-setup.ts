import { mkdtemp, rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import type { TestProject } from "vitest/node";
import { silentTelemetry, systemClock, systemRandom } from "../../src/base/index.ts";
import { openPostgres } from "../../src/storage/index.ts";

declare module "vitest" {
  export interface ProvidedContext {
    /** The server that all test databases live on; its own database is the migrated template. */
    postgresUrl: string;
  }
}

/** One PostgreSQL server for the whole run; `testDatabase` clones its migrated template. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const directory = await mkdtemp(path.join(os.tmpdir(), "millrace-postgres-"));
  const database = await openPostgres({
    server: { kind: "embedded", directory: path.join(directory, "postgres") },
    clock: systemClock,
    random: systemRandom,
    log: silentTelemetry.log,
  });
  await database.sql`ALTER SYSTEM SET fsync = off`;
  await database.sql`SELECT pg_reload_conf()`;
  await database.sql.unsafe("CREATE DATABASE maintenance");
  await database.sql.end();
  project.provide("postgresUrl", database.url);
  return async () => {
    await database[Symbol.asyncDispose]();
    await rm(directory, { recursive: true, force: true });
  };
}
