import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { expect, inject, test } from "vitest";
import { silentTelemetry, systemClock, systemRandom } from "../../src/base/index.ts";
import { connect, openPostgres, type Sql } from "../../src/storage/index.ts";
import { testDatabase } from "../kit/index.ts";
import { describeSchema } from "../kit/schema.ts";

const folder = path.resolve(import.meta.dirname, "../../src/storage/postgres/migrations");
const migrations = readdirSync(folder)
  .filter((name) => name.endsWith(".sql"))
  .sort()
  .map((file) => ({ name: file.replace(/\.sql$/, ""), text: readFileSync(path.join(folder, file), "utf8") }));

/** An empty database on the run's server, as a version with the first few migrations left it. */
async function olderDatabase(name: string, count: number): Promise<string> {
  const template = new URL(inject("postgresUrl"));
  const maintenance = connect(new URL("/maintenance", template).href, 1);
  await maintenance.unsafe(`DROP DATABASE IF EXISTS ${name}`);
  await maintenance.unsafe(`CREATE DATABASE ${name} TEMPLATE template0`);
  await maintenance.end();
  const url = new URL(`/${name}`, template).href;
  const sql = connect(url, 1);
  await sql`CREATE TABLE migrations (
    name text PRIMARY KEY, hash text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())`;
  for (const { name: migration, text } of migrations.slice(0, count)) {
    await sql.unsafe(text);
    await sql`INSERT INTO migrations (name, hash) VALUES (${migration}, ${hashOf(text)})`;
  }
  await sql.end();
  return url;
}

const hashOf = (text: string) => createHash("sha256").update(text).digest("hex");

const open = (url: string) =>
  openPostgres({
    server: { kind: "external", url },
    clock: systemClock,
    random: systemRandom,
    log: silentTelemetry.log,
  });

async function drop(name: string): Promise<void> {
  const maintenance = connect(new URL("/maintenance", inject("postgresUrl")).href, 1);
  await maintenance.unsafe(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
  await maintenance.end();
}

async function schemaOf(sql: Sql): Promise<string> {
  return await describeSchema(sql);
}

test("a database of any older version is brought to the schema that a new one has", async () => {
  await using newest = await testDatabase();
  const wanted = await schemaOf(newest.sql);
  for (let count = 0; count <= migrations.length; count++) {
    const name = `older_${process.pid}_${count}`;
    try {
      await using database = await open(await olderDatabase(name, count));
      expect(await schemaOf(database.sql), `with ${count} migrations`).toBe(wanted);
    } finally {
      await drop(name);
    }
  }
});

test("a database that a newer version has used, or whose past was edited, is refused and left as it is", async () => {
  const name = `newer_${process.pid}`;
  const url = await olderDatabase(name, migrations.length - 1);
  const sql = connect(url, 1);
  try {
    const before = await schemaOf(sql);
    await sql`INSERT INTO migrations (name, hash) VALUES ('9999_of_a_later_version', 'x')`;
    await expect(open(url)).rejects.toMatchObject({
      code: "unsupported_version",
      hint: expect.stringMatching(/newer/),
    });
    await sql`DELETE FROM migrations WHERE name = '9999_of_a_later_version'`;
    await sql`UPDATE migrations SET hash = 'edited' WHERE name = ${migrations[0]?.name ?? ""}`;
    await expect(open(url)).rejects.toMatchObject({ code: "unsupported_version" });
    expect(await schemaOf(sql)).toBe(before);
  } finally {
    await sql.end();
    await drop(name);
  }
});
