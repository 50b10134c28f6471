import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import path from "node:path";
import { type Logger, MillraceError } from "../../base/index.ts";
import type { Sql } from "./sql.ts";

interface Migration {
  readonly name: string;
  readonly text: string;
  readonly hash: string;
}

const folder = path.join(import.meta.dirname, "migrations");

/** Any number that no other use of advisory locks in this program takes: "MIGR". */
const lockKey = 0x4d494752;

/**
 * Brings the database to this program's schema. Migrations are the files of `migrations/` in order of their names; each
 * runs once, in its own transaction; all of it under an advisory lock, so that servers starting together take turns.
 * @throws unsupported_version where the database has a migration that this program does not know, or another text of one
 */
export async function migrate(sql: Sql, log: Logger): Promise<void> {
  const migrations = await readMigrations();
  const session = await sql.reserve();
  try {
    await session`SELECT pg_advisory_lock(${lockKey})`;
    await session`CREATE TABLE IF NOT EXISTS migrations (
      name text PRIMARY KEY,
      hash text NOT NULL,
      applied_at timestamptz NOT NULL DEFAULT now()
    )`;
    const applied = await session<{ name: string; hash: string }[]>`SELECT name, hash FROM migrations ORDER BY name`;
    checkApplied(applied, migrations);
    const done = new Set(applied.map((row) => row.name));
    for (const migration of migrations.filter((candidate) => !done.has(candidate.name))) {
      await session`BEGIN`;
      try {
        await session.unsafe(migration.text);
        await session`INSERT INTO migrations (name, hash) VALUES (${migration.name}, ${migration.hash})`;
        await session`COMMIT`;
      } catch (error) {
        await session`ROLLBACK`;
        throw error;
      }
      log.info("migrated the database", { migration: migration.name });
    }
  } finally {
    // Where the connection has broken, the lock has gone with it: the error that broke it is the one to tell.
    await session`SELECT pg_advisory_unlock(${lockKey})`.catch(() => {});
    session.release();
  }
}

/** How a database stands to this program's migrations; it is only read. One that has none lacks all. */
export async function compareMigrations(sql: Sql): Promise<{ lacking: string[]; foreign: string[] }> {
  const known = await readMigrations();
  const [table] = await sql<{ found: string | null }[]>`SELECT to_regclass('migrations')::text AS found`;
  const applied =
    table?.found == null ? [] : await sql<{ name: string; hash: string }[]>`SELECT name, hash FROM migrations`;
  const hashes = new Map(known.map(({ name, hash }) => [name, hash]));
  return {
    lacking: known.map(({ name }) => name).filter((name) => applied.every((row) => row.name !== name)),
    foreign: applied.filter(({ name, hash }) => hashes.get(name) !== hash).map(({ name }) => name),
  };
}

async function readMigrations(): Promise<Migration[]> {
  const names = (await readdir(folder)).filter((name) => name.endsWith(".sql")).sort();
  return await Promise.all(
    names.map(async (name) => {
      const text = await readFile(path.join(folder, name), "utf8");
      return { name: name.replace(/\.sql$/, ""), text, hash: createHash("sha256").update(text).digest("hex") };
    }),
  );
}

function checkApplied(applied: readonly { name: string; hash: string }[], migrations: readonly Migration[]): void {
  for (const { name, hash } of applied) {
    const known = migrations.find((migration) => migration.name === name);
    if (known === undefined) {
      throw new MillraceError(
        "unsupported_version",
        `The database has the migration ${name}, which this version does not know.`,
        {
          hint: "A newer Millrace has used this database: run that version or a later one.",
        },
      );
    }
    if (known.hash !== hash) {
      throw new MillraceError(
        "unsupported_version",
        `The migration ${name} has another text than the one that was applied.`,
        {
          hint: "Migrations are never edited: restore the file, and add a new one.",
        },
      );
    }
  }
}
