import path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { z } from "zod";
import { type TempDirectory, tempDirectory, until } from "../kit/index.ts";
import { type Platform, startPlatform } from "../kit/platform.ts";

// Lookups of a real server over HTTP: declared, loaded, followed, read by those who may, and gone.

let folder: TempDirectory;
let platform: Platform;
const tokens: Record<string, string> = {};
const users = "/api/v1/lookups/web/users";

beforeAll(async () => {
  folder = await tempDirectory();
  platform = await startPlatform({ dataDirectory: path.join(folder.path, "data") });
  tokens.owner = platform.token;
  await push("users", [
    { id: "a", name: "Ann", n: 1 },
    { id: "b:1", name: 'B"ob', n: 2 },
    { id: "a", name: "Anna", n: 3 },
    { id: null, name: "nobody", n: 4 },
  ]);
  await ok("owner", "POST", "/api/v1/users", { name: "guest" });
  await ok("owner", "POST", "/api/v1/users", { name: "ed" });
  await ok("owner", "PUT", "/api/v1/projects/web/members/ed", { role: "editor" });
  for (const user of ["guest", "ed"]) {
    const made = await ok("owner", "POST", `/api/v1/users/${user}/tokens`, { scopes: ["read", "write"] });
    tokens[user] = z.object({ token: z.string() }).parse(made).token;
  }
});
afterAll(async () => {
  await platform?.[Symbol.asyncDispose]();
  await folder?.[Symbol.asyncDispose]();
});

async function ask(user: string, method: string, route: string, body?: unknown) {
  const reply = await fetch(new URL(route, platform.url), {
    method,
    headers: { authorization: `Bearer ${tokens[user]}`, "content-type": "application/json" },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await reply.text();
  const value: unknown = text === "" ? null : JSON.parse(text);
  const failed = z.object({ error: z.object({ code: z.string() }) }).safeParse(value);
  return { status: reply.status, body: value, text, code: failed.success ? failed.data.error.code : null };
}
async function ok(user: string, method: string, route: string, body?: unknown): Promise<unknown> {
  const reply = await ask(user, method, route, body);
  expect(reply.status, reply.text).toBeLessThan(300);
  return reply.body;
}
async function push(dataset: string, rows: readonly object[]): Promise<void> {
  const reply = await fetch(
    new URL(`/api/v1/projects/web/datasets/${dataset}/rows?create=true&ack=committed`, platform.url),
    {
      method: "POST",
      headers: { authorization: `Bearer ${platform.token}`, "content-type": "application/x-ndjson" },
      body: rows.map((row) => `${JSON.stringify(row)}\n`).join(""),
    },
  );
  expect(reply.status).toBe(200);
}
const declare = (name: string, spec: object, user = "owner") =>
  ask(user, "PUT", `/api/v1/projects/web/resources/Lookup/${name}`, { spec });
const stateOf = async (route = users) =>
  z
    .object({ state: z.string(), entries: z.int(), behindRows: z.int(), appliedOffset: z.int(), skippedRows: z.int() })
    .safeParse((await ask("owner", "GET", route)).body).data;
const applied = (offset: number, route = users) =>
  until(`${route} has ${offset} rows`, async () => {
    const state = await stateOf(route);
    return state?.state === "ready" && state.appliedOffset >= offset;
  });
const rowOf = async (key: string, route = users) =>
  (await ask("owner", "GET", `${route}/rows/${encodeURIComponent(key)}`)).body;

test("a declared lookup is loaded, and answers by key as SQL writes the rows", async () => {
  expect(
    await ok("ed", "PUT", "/api/v1/projects/web/resources/Lookup/users", { spec: { dataset: "users", key: ["id"] } }),
  ).toMatchObject({ outcome: "created" });
  await applied(4);
  expect(await rowOf("a")).toEqual({ id: "a", name: "Anna", n: 3 });
  expect(await rowOf("b:1")).toEqual({ id: "b:1", name: 'B"ob', n: 2 });
  expect((await ask("owner", "GET", `${users}/rows/c`)).code).toBe("not_found");
  expect(await ok("owner", "POST", `${users}/rows`, { keys: ["b:1", "c", "a"] })).toEqual({
    rows: [{ id: "b:1", name: 'B"ob', n: 2 }, null, { id: "a", name: "Anna", n: 3 }],
  });
  expect(await stateOf()).toEqual({ state: "ready", entries: 2, behindRows: 0, appliedOffset: 4, skippedRows: 1 });
  await until("the status tells of it", async () => {
    const resource = await ok("owner", "GET", "/api/v1/projects/web/resources/Lookup/users");
    const { status } = z.object({ status: z.unknown() }).parse(resource);
    return JSON.stringify(status) === '{"state":"ready","problem":null}';
  });
  expect(await ok("owner", "GET", "/api/v1/lookups")).toMatchObject({
    lookups: [{ name: "users", dataset: "web.users" }],
  });
});

test("it follows its dataset, also when columns come", async () => {
  await push("users", [{ id: "c", name: "Cy", n: 5 }]);
  await applied(5);
  expect(await rowOf("c")).toEqual({ id: "c", name: "Cy", n: 5 });
  await push("users", [{ id: "d", name: "Di", n: 6, town: "Ulm" }]);
  await until("old rows have the new column", async () => Object.hasOwn(Object(await rowOf("a")), "town"));
  expect(await rowOf("a")).toEqual({ id: "a", name: "Anna", n: 3, town: null });
  expect(await rowOf("d")).toEqual({ id: "d", name: "Di", n: 6, town: "Ulm" });
});

test("keys of several columns are joined, and a prefix of them is read page by page", async () => {
  const rows = Array.from({ length: 300 }, (_, n) => ({ shop: n % 3 === 0 ? "x:y" : "z", item: n, price: n / 4 }));
  await push("prices", rows);
  expect((await declare("prices", { dataset: "web.prices", key: ["shop", "item"] })).status).toBe(200);
  const prices = "/api/v1/lookups/web/prices";
  await applied(300, prices);
  expect(await rowOf("x\\:y:3", prices)).toEqual({ shop: "x:y", item: 3, price: 0.75 });
  const page = z.object({
    rows: z.array(z.object({ key: z.string(), row: z.unknown() })),
    next: z.string().nullable(),
  });
  const found = new Map<string, unknown>();
  let pages = 0;
  for (let after: string | null = "0"; after !== null; pages++) {
    const query = new URLSearchParams({ prefix: "x\\:y:", after, limit: "7" });
    const got = page.parse(await ok("owner", "GET", `${prices}/rows?${query}`));
    for (const { key, row } of got.rows) found.set(key, row);
    after = got.next;
  }
  expect(pages).toBeGreaterThan(5);
  expect(found).toEqual(new Map(rows.filter(({ shop }) => shop === "x:y").map((row) => [`x\\:y:${row.item}`, row])));
});

test("who may not read the dataset does not find the lookup, and what it stands on stays", async () => {
  expect((await ask("guest", "GET", `${users}/rows/a`)).code).toBe("not_found");
  expect(await ok("guest", "GET", "/api/v1/lookups")).toEqual({ lookups: [] });
  const grant = "/api/v1/projects/web/datasets/users/grants/guest/select";
  await ok("owner", "PUT", grant);
  expect(await ok("guest", "GET", `${users}/rows/a`)).toMatchObject({ name: "Anna" });
  await ok("owner", "DELETE", grant);
  expect((await ask("guest", "GET", `${users}/rows/a`)).code).toBe("not_found");
  expect((await ask("owner", "DELETE", "/api/v1/projects/web/resources/Dataset/users")).code).toBe("conflict");
  expect((await declare("none", { dataset: "no_such", key: ["id"] })).code).toBe("dataset_not_found");
  expect((await declare("wrong", { dataset: "users", key: ["idd"] })).code).toBe("conflict");
  expect((await declare("sys", { dataset: "system.queries", key: ["sql"] })).code).toBe("bad_manifest");
  await ok("owner", "PUT", "/api/v1/resources/Project/other", { spec: {} });
  await ok("owner", "PUT", "/api/v1/projects/other/members/guest", { role: "editor" });
  const foreign = { spec: { dataset: "web.prices", key: ["item"] } };
  expect((await ask("guest", "PUT", "/api/v1/projects/other/resources/Lookup/spy", foreign)).code).toBe(
    "dataset_not_found",
  );
});

test("a restarted server loads it again; history and metrics tell of it; a deleted one is gone", async () => {
  const before = await stateOf();
  await platform.end("SIGKILL");
  platform = await startPlatform({ dataDirectory: path.join(folder.path, "data") });
  await applied(before?.appliedOffset ?? 0);
  expect(await rowOf("a")).toMatchObject({ name: "Anna" });
  expect((await stateOf())?.entries).toBe(before?.entries);
  await until("history", async () => {
    const sql =
      "SELECT state, max(entries)::INT AS n FROM system.lookups WHERE lookup = 'users' AND state = 'ready' GROUP BY ALL";
    const reply = z.object({ rows: z.array(z.unknown()) }).parse(await ok("owner", "POST", "/api/v1/sql", { sql }));
    return JSON.stringify(reply.rows) === JSON.stringify([{ state: "ready", n: before?.entries }]);
  });
  await until("metrics", async () => {
    const metrics = await (await fetch(new URL("/metrics", platform.url))).text();
    return /^millrace_lookups_ready 2$/m.test(metrics) && /^millrace_lookup_entry_bytes \d/m.test(metrics);
  });
  await ok("owner", "DELETE", "/api/v1/projects/web/resources/Lookup/users");
  await until("the lookup is gone", async () => (await ask("owner", "GET", users)).code === "not_found");
  await ok("owner", "DELETE", "/api/v1/projects/web/resources/Dataset/users");
});
