import path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { z } from "zod";
import { type TempDirectory, tempDirectory, until } from "../kit/index.ts";
import { type Platform, startPlatform } from "../kit/platform.ts";

// Lineage over HTTP, of a real server: raw ▸ errors ▸ paths ▸ the lookup, and `mine` in a project that others may not see.

let folder: TempDirectory;
let platform: Platform;
const tokens: Record<string, string> = {};

beforeAll(async () => {
  folder = await tempDirectory();
  platform = await startPlatform({ dataDirectory: path.join(folder.path, "data") });
  tokens.owner = platform.token;
  await push("web", "raw", [{ id: 1, path: "/a", status: 200 }]);
  await push("web", "lone", [{ n: 1 }]);
  await push("own", "notes", [{ path: "/a", note: "x" }]);
  await ok("owner", "POST", "/api/v1/users", { name: "vic" });
  await ok("owner", "PUT", "/api/v1/projects/web/members/vic", { role: "viewer" });
  const made = await ok("owner", "POST", "/api/v1/users/vic/tokens", { scopes: ["read"] });
  tokens.vic = z.object({ token: z.string() }).parse(made).token;
  await define("web.errors AS SELECT id, path, status >= 500 AS bad, id + status FROM web.raw");
  await define("web.paths AS SELECT upper(path) AS path FROM web.errors");
  await define("own.mine AS SELECT path, note FROM own.notes UNION ALL SELECT path, 'none' FROM web.paths");
  await define("web.mixed AS SELECT path, note FROM own.notes UNION ALL SELECT path, path FROM web.paths");
  await ok("owner", "PUT", "/api/v1/projects/web/resources/Lookup/by_path", {
    spec: { dataset: "paths", key: ["path"] },
  });
}, 60_000);
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
  const value: unknown = JSON.parse((await reply.text()) || "null");
  return { status: reply.status, body: value };
}
async function ok(user: string, method: string, route: string, body?: unknown): Promise<unknown> {
  const reply = await ask(user, method, route, body);
  expect(reply.status, JSON.stringify(reply.body)).toBeLessThan(300);
  return reply.body;
}
const define = (text: string) => ok("owner", "POST", "/api/v1/sql", { sql: `CREATE DATASET ${text}` });
async function push(project: string, dataset: string, rows: readonly object[]): Promise<void> {
  const reply = await fetch(
    new URL(`/api/v1/projects/${project}/datasets/${dataset}/rows?create=true&ack=committed`, platform.url),
    {
      method: "POST",
      headers: { authorization: `Bearer ${platform.token}`, "content-type": "application/x-ndjson" },
      body: rows.map((row) => `${JSON.stringify(row)}\n`).join(""),
    },
  );
  expect(reply.status).toBe(200);
}

const graph = z.object({
  nodes: z.array(
    z.object({
      id: z.string(),
      kind: z.string(),
      state: z.string().nullable(),
      rows: z.number(),
      behindRows: z.number().nullable(),
      behindMs: z.number().nullable(),
    }),
  ),
  edges: z.array(
    z.object({
      from: z.string(),
      to: z.string(),
      readOffset: z.number(),
      behindRows: z.number(),
      behindMs: z.number(),
    }),
  ),
  truncated: z.boolean(),
  columns: z
    .array(z.object({ name: z.string(), from: z.array(z.record(z.string(), z.string())).nullable() }))
    .optional(),
});
const lineage = async (user: string, route: string) => {
  const { nodes, edges, columns = [], truncated } = graph.parse(await ok(user, "GET", `/api/v1/${route}`));
  const short = (id: string) => id.replace("dataset:", "").replace("lookup:", "@");
  return {
    nodes,
    edges,
    truncated,
    ids: nodes.map(({ id }) => short(id)).sort(),
    arrows: edges.map(({ from, to }) => `${short(from)} > ${short(to)}`).sort(),
    columns: Object.fromEntries(
      columns.map(({ name, from }) => [name, from?.map(({ dataset, column }) => `${dataset}.${column}`).join() ?? "?"]),
    ),
  };
};

test("a project's graph has its datasets, lookups and neighbours, and what joins them", async () => {
  const { ids, arrows, truncated } = await lineage("owner", "lineage?project=web");
  expect(ids).toEqual([
    "@web.by_path",
    "own.mine",
    "own.notes",
    "web.errors",
    "web.lone",
    "web.mixed",
    "web.paths",
    "web.raw",
  ]);
  expect(arrows).toEqual([
    "own.notes > own.mine",
    "own.notes > web.mixed",
    "web.errors > web.paths",
    "web.paths > @web.by_path",
    "web.paths > own.mine",
    "web.paths > web.mixed",
    "web.raw > web.errors",
  ]);
  expect(truncated).toBe(false);
  const all = await lineage("owner", "lineage");
  expect(all.ids).toEqual(ids);
  expect((await lineage("owner", "lineage?limit=2")).truncated).toBe(true);
});

test("what one may not read is left out, with all that leads to it", async () => {
  const { ids, arrows } = await lineage("vic", "lineage");
  expect(ids).toEqual(["@web.by_path", "web.errors", "web.lone", "web.mixed", "web.paths", "web.raw"]);
  expect(arrows.join()).not.toContain("own.");
  const mixed = await lineage("vic", "projects/web/datasets/mixed/lineage");
  expect(mixed.ids).toEqual(["web.errors", "web.mixed", "web.paths", "web.raw"]);
  expect(mixed.columns).toEqual({ path: "?", note: "?" });
  expect(JSON.stringify((await ask("vic", "GET", "/api/v1/projects/web/datasets/mixed/lineage")).body)).not.toContain(
    "notes",
  );
  expect((await ask("vic", "GET", "/api/v1/lineage?project=own")).status).toBe(404);
  expect((await ask("vic", "GET", "/api/v1/projects/own/datasets/mine/lineage")).status).toBe(404);
});

test("a dataset's graph goes up and down from it, as deep as asked, and tells its columns", async () => {
  const near = await lineage("owner", "projects/web/datasets/errors/lineage?depth=1");
  expect(near.ids).toEqual(["web.errors", "web.paths", "web.raw"].concat("@web.by_path").sort());
  expect(near.columns).toEqual({
    id: "raw.id",
    path: "raw.path",
    bad: "raw.status",
    "(id + status)": "raw.id,raw.status",
  });
  // Up from paths lies nothing of mixed's other input; down from raw lies all.
  const deep = await lineage("owner", "projects/web/datasets/raw/lineage");
  expect(deep.ids).toEqual(["@web.by_path", "own.mine", "web.errors", "web.mixed", "web.paths", "web.raw"]);
  expect(deep.columns).toEqual({});
  expect((await lineage("owner", "projects/web/datasets/mixed/lineage")).columns).toEqual({
    path: "notes.path,paths.path",
    note: "notes.note,paths.path",
  });
});

test("a paused derivative is behind by the rows that came, and since they came; one that runs is not", async () => {
  const errors = async () => {
    const { nodes, edges } = await lineage("owner", "lineage?project=web");
    const node = nodes.find(({ id }) => id === "dataset:web.errors");
    return { node, edge: edges.find(({ to }) => to === "dataset:web.errors") };
  };
  const isRead = (offset: number) => until("it has read all", async () => (await errors()).edge?.readOffset === offset);
  await isRead(1);
  await ok("owner", "POST", "/api/v1/sql", { sql: "PAUSE DATASET web.errors" });
  await push("web", "raw", [{ id: 2, path: "/b", status: 500 }]);
  await push("web", "raw", [{ id: 3, path: "/c", status: 500 }]);
  const { node, edge } = await errors();
  expect(node).toMatchObject({ kind: "derivative", state: "paused", rows: 1, behindRows: 2 });
  expect(edge).toMatchObject({ readOffset: 1, behindRows: 2 });
  expect(edge?.behindMs).toBeGreaterThan(0);
  expect(node?.behindMs).toBe(edge?.behindMs);
  await ok("owner", "POST", "/api/v1/sql", { sql: "RESUME DATASET web.errors" });
  await isRead(3);
  expect((await errors()).node).toMatchObject({ rows: 3, behindRows: 0, behindMs: 0 });
});
