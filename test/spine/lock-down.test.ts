import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type TempDirectory, tempDirectory } from "../kit/index.ts";
import { type Platform, startPlatform } from "../kit/platform.ts";
import { disguises, escapes, explosions, malformed, outsiders, positions } from "./hostile-sql.ts";

let folder: TempDirectory;
let host: string;
let platform: Platform;

beforeAll(async () => {
  folder = await tempDirectory();
  host = path.join(folder.path, "host");
  mkdirSync(host);
  writeFileSync(path.join(host, "canary"), "canary");
  platform = await startPlatform({
    dataDirectory: path.join(folder.path, "data"),
    flags: ["--queries.memory", "400MB", "--queries.spill", "200MB", "--queries.resultBytes", "50MB"],
  });
  const reply = await post(
    "/api/v1/projects/web/datasets/access/rows?create=true&ack=committed",
    '{"status":200}\n',
    "application/x-ndjson",
  );
  expect(reply.status).toBe(200);
}, 60_000);

afterAll(async () => {
  await platform?.[Symbol.asyncDispose]();
  await folder?.[Symbol.asyncDispose]();
});

async function post(route: string, body: string, type: string): Promise<{ status: number; text: string }> {
  const reply = await fetch(new URL(route, platform.url), {
    method: "POST",
    headers: { authorization: `Bearer ${platform.token}`, "content-type": type },
    body,
    signal: AbortSignal.timeout(30_000), // whatever is asked, there is an answer by then
  });
  return { status: reply.status, text: await reply.text() };
}

const ask = (sql: string, timeoutMs = 3_000) =>
  post("/api/v1/sql", JSON.stringify({ sql, format: "json", timeoutMs }), "application/json");

/** A clear refusal: a 4xx with a code of ours, never a fault of the server. */
function expectRefusal(sql: string, { status, text }: { status: number; text: string }): void {
  const shown = `${sql.slice(0, 200)}\n${status} ${text.slice(0, 500)}`;
  expect(status, shown).toBeGreaterThanOrEqual(400);
  expect(status, shown).toBeLessThan(500);
  expect(JSON.parse(text).error.code, shown).toMatch(/^(sql_|dataset_not_found|bad_|too_large|not_found|forbidden)/);
  expect(text, shown).not.toContain("root:x:0:0");
}

async function expectServing(): Promise<void> {
  const { status, text } = await ask("SELECT count(*) AS n FROM web.access");
  expect(status, text).toBe(200);
  expect(JSON.parse(text).rows).toEqual([{ n: 1 }]);
}

describe("hostile SQL", () => {
  test("nothing leaves the database", async () => {
    for (const statement of [...escapes, ...disguises]) {
      const sql = statement.replaceAll("HOST", host);
      expectRefusal(sql, await ask(sql));
    }
    expect(readdirSync(host)).toEqual(["canary"]);
    expect(readFileSync(path.join(host, "canary"), "utf8")).toBe("canary");
    expect(existsSync("/tmp/evil.duckdb_extension")).toBe(false);
    await expectServing();
  });

  test("nothing outside is named in any position where a table can stand", { timeout: 180_000 }, async () => {
    for (const position of positions) {
      const fits = await ask(position.replaceAll("@T", "web.access"), 10_000);
      // The statement is one that runs: what is refused below is refused for what it names.
      expect(`${fits.status} ${position} ${fits.text}`).not.toMatch(/^[45]\d\d .*"sql_(syntax|unsupported|refused)"/);
      for (const outsider of outsiders) {
        const sql = position.replaceAll("@T", () => outsider);
        expectRefusal(sql, await ask(sql, 10_000));
      }
    }
    await expectServing();
  });

  test("texts made to break the parser get a clear error or an answer", { timeout: 120_000 }, async () => {
    for (const sql of malformed()) {
      const reply = await ask(sql, 10_000);
      if (reply.status !== 200)
        expect(JSON.parse(reply.text).error.code, `${sql.slice(0, 60)} ${reply.text.slice(0, 300)}`).toMatch(
          /^(sql_|bad_|too_large|worker_lost|out_of_memory|query_timeout)/,
        );
    }
    await expectServing();
  });

  test("what is long and harmless answers", async () => {
    for (const part of [" ", "\n", ";"]) {
      const text = `SELECT${part === ";" ? "" : part.repeat(1_500_000 / part.length)} 1 AS one${part.repeat(50_000)}`;
      const { status, text: reply } = await ask(text, 10_000);
      expect(status, reply.slice(0, 300)).toBe(200);
      expect(JSON.parse(reply).rows).toEqual([{ one: 1 }]);
    }
  });

  test("explosions end in time and touch nobody else", { timeout: 180_000 }, async () => {
    for (const sql of explosions) {
      const reply = await ask(sql, 2_000);
      if (reply.status !== 200)
        expect(JSON.parse(reply.text).error.code, `${sql} ${reply.text.slice(0, 300)}`).toMatch(
          /^(out_of_memory|query_timeout|result_too_large|sql_runtime|sql_binding|sql_refused)$/,
        );
      await expectServing();
    }
    expect(platform.process.exitCode).toBeNull();
  });
});
