import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import { type TempDirectory, tempDirectory } from "../kit/index.ts";
import { type Platform, startPlatform } from "../kit/platform.ts";

// What the console asks of a real server beside what others ask.

let folder: TempDirectory;
let platform: Platform;
const tokens: Record<string, string> = {};

beforeAll(async () => {
  folder = await tempDirectory();
  platform = await startPlatform({ dataDirectory: folder.path });
  tokens.owner = platform.token;
  await ok("owner", "PUT", "/api/v1/resources/Project/web", { spec: {} });
  for (const [user, role] of Object.entries({ ed: "editor", vic: "viewer", nina: null })) {
    await ok("owner", "POST", "/api/v1/users", { name: user });
    await ok("owner", "PUT", `/api/v1/projects/web/members/${user}`, { role });
    const made = await ok("owner", "POST", `/api/v1/users/${user}/tokens`, { scopes: ["read", "write"] });
    tokens[user] = z.object({ token: z.string() }).parse(made).token;
  }
});
afterAll(async () => {
  await platform?.[Symbol.asyncDispose]();
  await folder?.[Symbol.asyncDispose]();
});

async function ask(user: string, method: string, route: string, body?: unknown) {
  const sent = body instanceof Uint8Array ? new Uint8Array(body) : JSON.stringify(body);
  const type = body instanceof Uint8Array ? "application/octet-stream" : "application/json";
  const reply = await fetch(new URL(route, platform.url), {
    method,
    headers: { authorization: `Bearer ${tokens[user]}`, "content-type": type },
    ...(body === undefined ? {} : { body: sent }),
  });
  const text = await reply.text();
  const value: unknown = text === "" ? null : JSON.parse(text);
  const failed = z.object({ error: z.object({ code: z.string() }) }).safeParse(value);
  return { status: reply.status, body: value, code: failed.success ? failed.data.error.code : null };
}
async function ok(user: string, method: string, route: string, body?: unknown): Promise<unknown> {
  const reply = await ask(user, method, route, body);
  expect(reply.status, JSON.stringify(reply.body)).toBeLessThan(300);
  return reply.body;
}

describe("saved queries", () => {
  const of = (name: string) => `/api/v1/projects/web/resources/SavedQuery/${name}`;
  const spec = {
    folder: "reports/monthly",
    sql: "SELECT 1",
    title: "Strikes <b>‮by state",
    chart: { type: "bar", y: ["n"] },
  };

  test("editors write and delete them, viewers read them, others do not know of them", async () => {
    expect((await ask("vic", "PUT", of("q"), { spec })).code).toBe("forbidden");
    expect(await ok("ed", "PUT", of("q"), { spec })).toMatchObject({ outcome: "created", resource: { spec } });
    expect(await ok("vic", "GET", "/api/v1/projects/web/resources/SavedQuery")).toMatchObject({
      resources: [{ name: "q", spec, updatedBy: "ed" }],
    });
    expect((await ask("nina", "GET", of("q"))).code).toBe("not_found");
    expect((await ask("vic", "DELETE", of("q"))).code).toBe("forbidden");
    expect((await ask("ed", "DELETE", of("q"))).status).toBe(204);
  });

  test.each([
    ["no SQL", { folder: "" }],
    ["a folder that begins nowhere", { folder: "/a", sql: "x" }],
    ["a folder without a name", { folder: "a//b", sql: "x" }],
    ["a chart that is a book", { folder: "", sql: "x", chart: { note: "x".repeat(20_000) } }],
    ["another member", { folder: "", sql: "x", owner: "me" }],
  ])("%s is refused", async (_name, odd) => {
    expect((await ask("ed", "PUT", of("odd"), { spec: odd })).code).toBe("bad_manifest");
  });
});
