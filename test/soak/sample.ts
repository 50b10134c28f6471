import path from "node:path";
import type { Platform } from "../kit/platform.ts";
import { platformSql } from "../kit/platform-sql.ts";
import { descendants, filesBelow, openFiles, postmasterOf, pssBytes, workersOf } from "../kit/processes.ts";

/** What is measured, by name: figures of one moment. */
export type Sample = Readonly<Record<string, number>>;

const tables = [
  "chain_blocks",
  "datasets",
  "event_subscriptions",
  "events",
  "ingests",
  "resource_changes",
  "resources",
  "task_attempts",
  "tasks",
];
const folders = ["staging", "engines", "objects/.tmp"];

/** Memory, open files, rows of PostgreSQL and files of work under way. */
export async function takeSample(platform: Platform): Promise<Sample> {
  const server = platform.process.pid ?? 0;
  const workers = workersOf(server);
  const postmaster = postmasterOf(platform.dataDirectory);
  const postgres = postmaster === null ? [] : descendants(postmaster);
  const sum = (pids: readonly number[], of: (pid: number) => number) => pids.reduce((total, pid) => total + of(pid), 0);
  const mb = (bytes: number) => bytes / 1e6;
  return {
    "memory of the server (MB)": mb(pssBytes(server)),
    "memory of its workers (MB)": mb(sum(workers, pssBytes)),
    "memory of PostgreSQL (MB)": mb(sum(postgres, pssBytes)),
    "files of the server": openFiles(server),
    "files of a worker": Math.max(0, ...workers.map(openFiles)),
    "files of PostgreSQL": sum(postgres, openFiles),
    "files of work": filesBelow(folders.map((folder) => path.join(platform.dataDirectory, folder))).length,
    ...(await rowsOfTables(platform)),
  };
}

async function rowsOfTables(platform: Platform): Promise<Sample> {
  await using database = await platformSql(platform.dataDirectory);
  const rows: Record<string, number> = {};
  for (const table of tables) {
    const [row] = await database.sql.unsafe<{ n: number }[]>(`SELECT count(*)::int AS n FROM ${table}`);
    rows[`rows of ${table}`] = row?.n ?? 0;
  }
  return rows;
}
