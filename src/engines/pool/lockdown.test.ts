import { existsSync, writeFileSync } from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type OpenPool, openPool } from "../../../test/kit/engine-pool.ts";
import type { TraceId } from "../../base/index.ts";
import { ask } from "../conformance.ts";

// What the gate of the compiler lets nobody say anyhow. Here the gate is taken to have failed: the statements go to the
// engine as queries, and as trusted scripts too, where nothing but the locked instance itself stands in their way.

let opened: OpenPool;
let outside: string;
beforeAll(async () => {
  opened = await openPool();
  outside = path.join(opened.shared, "..", "outside");
  writeFileSync(`${outside}.csv`, "secret\n1\n");
}, 30_000);
afterAll(async () => await opened[Symbol.asyncDispose]());

const never = new AbortController().signal;
const script = (sql: string) =>
  opened.pool.script({ traceId: "t" as TraceId, label: "hostile", statements: [{ sql, rows: true }] }, never);

test.each([
  "SELECT * FROM read_text('/etc/passwd')",
  "SELECT * FROM read_blob('/etc/passwd')",
  "SELECT * FROM read_csv('/etc/passwd')",
  "SELECT * FROM read_json('/proc/self/environ')",
  "SELECT * FROM read_parquet('/etc/passwd')",
  "SELECT * FROM '/etc/passwd'",
  "SELECT * FROM glob('/etc/*')",
  "SELECT * FROM sniff_csv('/etc/passwd')",
  "SELECT * FROM query('SELECT * FROM read_text(''/etc/passwd'')')",
  "SELECT * FROM read_text('OUTSIDE.csv')",
  "SELECT * FROM read_text('SHARED/../outside.csv')",
  "SELECT * FROM read_csv('https://127.0.0.1:1/x.csv')",
  "ATTACH '/tmp/x.db'",
  "ATTACH 'OUTSIDE.db'",
  "COPY (SELECT 1) TO '/tmp/millrace-escape.csv'",
  "COPY (SELECT 1) TO 'OUTSIDE-copy.csv'",
  "EXPORT DATABASE 'OUTSIDE-export'",
  "IMPORT DATABASE '/etc'",
  "INSTALL httpfs",
  "LOAD httpfs",
  "LOAD '/tmp/evil.duckdb_extension'",
  "SET memory_limit = '100GB'",
  "SET GLOBAL threads = 100",
  "SET enable_external_access = true",
  "SET allowed_directories = ['/']",
  "SET lock_configuration = false",
  "RESET lock_configuration",
  "SET temp_directory = '/tmp'",
  "SET SESSION home_directory = '/'",
  "PRAGMA memory_limit = '100GB'",
  "PRAGMA enable_logging",
])("%s", async (template) => {
  const sql = template.replaceAll("OUTSIDE", outside).replaceAll("SHARED", opened.shared);
  await expect(script(sql)).rejects.toMatchObject({ code: expect.stringMatching(/^(sql_|internal)/) });
  await expect(ask(opened.pool, sql)).rejects.toMatchObject({ code: expect.stringMatching(/^(sql_|internal)/) });
  for (const suffix of [".db", "-copy.csv", "-export"]) expect(existsSync(outside + suffix)).toBe(false);
  expect(existsSync("/tmp/millrace-escape.csv")).toBe(false);
});

test("a worker's environment holds no secret of the server", async () => {
  process.env.MILLRACE_SECRET_FOR_TEST = "visible";
  await using own = await openPool();
  const sql = "SELECT getenv('MILLRACE_SECRET_FOR_TEST') AS s";
  const rows = await own.pool
    .script({ traceId: "t" as TraceId, label: "env", statements: [{ sql, rows: true }] }, never)
    .catch(() => [[{ s: "refused" }]]);
  expect(rows[0]?.[0]?.s).not.toBe("visible");
  delete process.env.MILLRACE_SECRET_FOR_TEST;
});

test("one script leaves nothing behind for the next", async () => {
  await script("CREATE TEMP TABLE kept AS SELECT 1 AS i");
  await expect(script("FROM kept")).rejects.toMatchObject({ code: "sql_binding" });
});
