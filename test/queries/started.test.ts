import { afterAll, beforeAll, expect, test } from "vitest";
import { z } from "zod";
import { type TempDirectory, tempDirectory, until } from "../kit/index.ts";
import { type Platform, startPlatform } from "../kit/platform.ts";

const token = z.object({ token: z.string() });
const view = z.object({ queryId: z.string(), state: z.string() });
const failure = z.object({ error: z.object({ code: z.string() }) });

let folder: TempDirectory;
let platform: Platform;
let guestToken: string;

beforeAll(async () => {
  folder = await tempDirectory();
  platform = await startPlatform({ dataDirectory: folder.path });
  await ask("/api/v1/users", { name: "guest" });
  const made = await ask("/api/v1/users/guest/tokens", { label: "test", scopes: ["read"] });
  guestToken = token.parse(await made.json()).token;
}, 60_000);
afterAll(async () => {
  await platform?.[Symbol.asyncDispose]();
  await folder?.[Symbol.asyncDispose]();
});

const fetchAs = (token: string, route: string, init: RequestInit = {}) =>
  fetch(new URL(route, platform.url), {
    ...init,
    headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
  });
const ask = (route: string, body: unknown, token = platform.token) =>
  fetchAs(token, route, { method: "POST", body: JSON.stringify(body) });

async function start(sql: string, more: object = {}): Promise<{ queryId: string; result: string }> {
  const reply = await ask("/api/v1/sql", { sql, wait: false, ...more });
  expect(reply.status).toBe(202);
  const { queryId, state } = view.parse(await reply.json());
  expect(["queued", "running"]).toContain(state);
  expect(reply.headers.get("location")).toBe(`/api/v1/sql/${queryId}/result`);
  return { queryId, result: `/api/v1/sql/${queryId}/result` };
}

const ended = (queryId: string) =>
  until("the query ends", async () => {
    const { state } = view.parse(await (await fetchAs(platform.token, `/api/v1/sql/${queryId}`)).json());
    return !["queued", "running"].includes(state);
  });

test("a long result is fetched by the query's id, as often as asked, by who started it, until it is dropped", async () => {
  const sql = "SELECT i, repeat('x', 50) AS x FROM range(50000) t(i)"; // longer than what travels in a reply
  const { queryId, result } = await start(sql, { format: "csv" });
  const direct = await (await ask("/api/v1/sql", { sql, format: "csv" })).text();
  await ended(queryId);
  for (let turn = 0; turn < 2; turn++) {
    const reply = await fetchAs(platform.token, result);
    expect(reply.status).toBe(200);
    expect(reply.headers.get("content-type")).toContain("text/csv");
    expect(reply.headers.get("millrace-rows")).toBe("50000");
    expect(await reply.text()).toBe(direct);
  }
  expect((await fetchAs(guestToken, result)).status).toBe(404);
  expect((await fetchAs(platform.token, `/api/v1/sql/${queryId}`, { method: "DELETE" })).status).toBe(200);
  expect((await fetchAs(platform.token, result)).status).toBe(410);
});

test("while it runs its result is 202, and cancelling ends it", async () => {
  const { queryId, result } = await start("SELECT count(*) FROM range(1000000000) a, range(1000000000) b");
  const pending = await fetchAs(platform.token, result);
  expect(pending.status).toBe(202);
  expect(pending.headers.get("retry-after")).toBe("1");
  expect(view.parse(await pending.json()).queryId).toBe(queryId);
  await fetchAs(platform.token, `/api/v1/sql/${queryId}`, { method: "DELETE" });
  await ended(queryId);
  const { error } = failure.parse(await (await fetchAs(platform.token, result)).json());
  expect(error.code).toBe("query_cancelled");
});

test("a failed query answers its own error; a text/plain statement may be started too", async () => {
  const reply = await fetch(new URL("/api/v1/sql?wait=false", platform.url), {
    method: "POST",
    headers: { authorization: `Bearer ${platform.token}`, "content-type": "text/plain" },
    body: "SELECT error('boom')",
  });
  expect(reply.status).toBe(202);
  const { queryId } = view.parse(await reply.json());
  await ended(queryId);
  const failed = await fetchAs(platform.token, `/api/v1/sql/${queryId}/result`);
  expect(failed.status).toBe(400);
  expect(failure.parse(await failed.json()).error.code).toBe("sql_runtime");
  expect((await fetchAs(platform.token, "/api/v1/sql/never/result")).status).toBe(404);
});
