import { writeFileSync } from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import { type TempDirectory, tempDirectory, until } from "../kit/index.ts";
import { millrace, type Platform, startPlatform } from "../kit/platform.ts";

/** Transforms by statements and manifests on a real server, which is killed and goes on. */
let folder: TempDirectory;
let platform: Platform;
beforeAll(async () => {
  folder = await tempDirectory();
  platform = await startPlatform({ dataDirectory: folder.path });
  await manifest("kind: Project\nname: web\n---\nkind: Dataset\nproject: web\nname: raw\nspec: {}\n");
}, 60_000);
afterAll(async () => {
  await platform?.[Symbol.asyncDispose]();
  await folder?.[Symbol.asyncDispose]();
});

const answer = z.object({ rows: z.array(z.record(z.string(), z.unknown())) });
const failure = z.object({
  error: z.object({ code: z.string(), message: z.string(), position: z.object({ offset: z.number() }).nullable() }),
});

async function post(sql: string, token = platform.token): Promise<Response> {
  const headers = { authorization: `Bearer ${token}`, "content-type": "text/plain" };
  return await fetch(`${platform.url}/api/v1/sql`, { method: "POST", headers, body: sql });
}

async function rows(sql: string): Promise<readonly Record<string, unknown>[]> {
  const reply = await post(sql);
  const text = await reply.text();
  expect(reply.status, text).toBe(200);
  return answer.parse(JSON.parse(text)).rows;
}

async function refusal(sql: string, token?: string) {
  return failure.parse(await (await post(sql, token)).json()).error;
}

async function manifest(text: string) {
  const file = path.join(folder.path, "manifest.yaml");
  writeFileSync(file, text);
  const { code, stderr } = await millrace(["apply", file], platform);
  expect(code, stderr).toBe(0);
}

async function push(dataset: string, ...lines: readonly object[]): Promise<Response> {
  const headers = { authorization: `Bearer ${platform.token}`, "content-type": "application/x-ndjson" };
  const url = `${platform.url}/api/v1/projects/web/datasets/${dataset}/rows`;
  return await fetch(url, { method: "POST", headers, body: lines.map((line) => JSON.stringify(line)).join("\n") });
}

const has = (dataset: string, count: number) =>
  until(`${dataset} has ${count} rows`, async () => {
    const [row] = await rows(`SELECT count(*) AS n FROM ${dataset}`);
    return row?.n === count;
  });

describe("transforms on a server", () => {
  test("a SELECT is kept right from rows that were only staged on, across a crash of the server", async () => {
    await push("raw", { a: 1, b: "x" }, { a: -1, b: "y" });
    await has("web.raw", 2);
    expect(await rows("CREATE DATASET web.big AS SELECT a * 10 AS a, b FROM web.raw WHERE a > 0;")).toEqual([
      { dataset: "web.big", outcome: "created" },
    ]);
    await manifest(
      "kind: Dataset\nproject: web\nname: bigger\nspec: {transform: {sql: SELECT a * 10 AS a FROM web.big}}\n",
    );
    await push("raw", { a: 2, b: "z" });
    await has("web.bigger", 2);
    await platform.end("SIGKILL");
    platform = await startPlatform({ dataDirectory: folder.path });
    await push("raw", { a: 3, b: "after" });
    await has("web.bigger", 3);
    expect(await rows('SELECT "offset", a FROM web.bigger')).toEqual([
      { offset: 0, a: 100 },
      { offset: 1, a: 200 },
      { offset: 2, a: 300 },
    ]);
    const { code, stdout } = await millrace(["verify", "web.bigger"], platform);
    expect(code, stdout).toBe(0);
  }, 60_000);

  test("is told about by its runs, and by EXPLAIN TRANSFORM", async () => {
    await until("its runs are there", async () => {
      const found = await rows("SELECT DISTINCT dataset, state, error_code FROM system.transform_runs ORDER BY ALL");
      return JSON.stringify(found).includes("web.bigger");
    });
    expect(await rows("EXPLAIN TRANSFORM web.big")).toContainEqual({ about: "mode", value: "stateless" });
    expect(await rows("EXPLAIN TRANSFORM SELECT a FROM web.raw")).toContainEqual({ about: "inputs", value: "web.raw" });
  }, 30_000);

  test("what it cannot keep right is refused at its place", async () => {
    const sql = "CREATE DATASET web.sums AS\n  SELECT a, random() AS r FROM web.raw";
    const { code, message, position } = await refusal(sql);
    expect({ code, offset: position?.offset }).toEqual({ code: "sql_unsupported", offset: sql.indexOf("random(") });
    expect(message).toContain("random() is another value each time");
    expect(await refusal("CREATE DATASET web.x AS SELECT q FROM web.raw")).toMatchObject({ code: "sql_binding" });
    expect(await refusal("CREATE DATASET web.x AS SELECT a FROM web.absent")).toMatchObject({
      code: "dataset_not_found",
    });
    expect(await refusal("CREATE DATASET web.big AS SELECT a FROM web.raw")).toMatchObject({ code: "already_exists" });
    expect(await refusal("CREATE TABLE web.t (a INT)")).toMatchObject({ code: "sql_unsupported" });
  });

  test("its rows are its own, and its inputs stay while it reads them", async () => {
    const reply = await push("big", { a: 1 });
    expect(reply.status).toBe(409);
    expect(failure.parse(await reply.json()).error.code).toBe("dataset_read_only");
    expect(await refusal("DROP DATASET web.raw")).toMatchObject({ code: "conflict" });
    expect(await refusal("DROP DATASET web.big")).toMatchObject({ code: "conflict" });
    expect(await rows("DROP DATASET web.bigger")).toEqual([{ dataset: "web.bigger", outcome: "dropped" }]);
    expect(await rows("DROP DATASET IF EXISTS web.bigger")).toEqual([{ dataset: "web.bigger", outcome: "absent" }]);
  });

  test("is paused and resumed", async () => {
    const [before] = await rows("SELECT count(*) AS n FROM web.big");
    expect(await rows("PAUSE DATASET web.big")).toEqual([{ dataset: "web.big", outcome: "paused" }]);
    await push("raw", { a: 9, b: "later" });
    await has("web.raw", 5);
    expect(await rows("SELECT count(*) AS n FROM web.big")).toEqual([before]);
    expect(await rows("RESUME DATASET web.big")).toEqual([{ dataset: "web.big", outcome: "resumed" }]);
    await has("web.big", Number(before?.n) + 1);
    expect(await refusal("PAUSE DATASET web.raw")).toMatchObject({ code: "sql_unsupported" });
  });

  test("nobody defines or reads by it what they may not", async () => {
    const headers = { authorization: `Bearer ${platform.token}`, "content-type": "application/json" };
    const call = (route: string, method: string, body: object) =>
      fetch(`${platform.url}/api/v1/${route}`, { method, headers, body: JSON.stringify(body) });
    await call("users", "POST", { name: "eve" });
    await call("resources/Project/eves", "PUT", {});
    const token = z
      .object({ token: z.string() })
      .parse(await (await call("users/eve/tokens", "POST", { label: "t", scopes: ["write"] })).json()).token;
    expect(await refusal("CREATE DATASET web.mine AS SELECT a FROM web.raw", token)).toMatchObject({
      code: "not_found",
    });
    await call("projects/eves/members/eve", "PUT", { role: "owner" });
    expect(await refusal("CREATE DATASET eves.mine AS SELECT a FROM web.raw", token)).toMatchObject({
      code: "dataset_not_found",
    });
    expect(await refusal("EXPLAIN TRANSFORM SELECT a FROM web.raw", token)).toMatchObject({
      code: "dataset_not_found",
    });
    expect(await refusal("EXPLAIN TRANSFORM web.big", token)).toMatchObject({ code: "dataset_not_found" });
  });
});
