import { expect, test } from "vitest";
import { z } from "zod";
import { datasetPath, silentTelemetry, systemClock } from "../../src/base/index.ts";
import { PostgresEventBus } from "../../src/bus/index.ts";
import type { Datasets } from "../../src/datasets/index.ts";
import { Activity } from "../../src/server/activity.ts";
import { tempDirectory, testDatabase, until } from "../kit/index.ts";
import { startPlatform } from "../kit/platform.ts";

const { log } = silentTelemetry;
const sum = (values: readonly number[]) => values.reduce((all, one) => all + one, 0);

test("every server knows what was committed at any, in the past hour too, each commit once", async () => {
  await using database = await testDatabase();
  const { sql } = database;
  await using stack = new AsyncDisposableStack();
  const bus = new PostgresEventBus({ sql, clock: systemClock, log });
  await bus.start();
  stack.defer(() => bus.stop());
  const commit = (path: string, seq: number, rows: number) =>
    bus.append({
      type: "dataset.committed",
      subject: path,
      project: path.split(".")[0] ?? null,
      data: { datasetId: path, seq, block: "b", kind: "AddData", rows, bytes: rows * 2 },
    });
  const gone = (project: string, name: string) =>
    bus.append({
      type: "resource.deleted",
      subject: `Dataset/${project}/${name}`,
      project,
      data: { kind: "Dataset", project, name },
    });
  for (let seq = 1; seq <= 1_100; seq++) await commit("web.access", seq, 1);
  await commit("web.gone", 1, 100);
  await gone("web", "gone");
  await commit("web.other", 1, 100);
  // Of 1,102 events, the first thousand are of yesterday, the others half an hour old.
  await sql`UPDATE events SET at = now() - interval '30 hours' + position * interval '1 second' WHERE position <= 1000`;
  await sql`UPDATE events SET at = now() - interval '30 minutes' WHERE position > 1000`;

  // No chain is needed here: what a dataset held before is told by its figures.
  const head = { seq: 1_100, rows: 1_100, bytes: 2_200, slices: 9 };
  const refs = [{ id: "web.access", path: datasetPath("web.access") }];
  const datasets = { list: async (project?: string) => (project === "system" ? [] : refs), figures: async () => head };
  const start = async () => {
    const activity = new Activity({ bus, datasets: datasets as unknown as Datasets, clock: systemClock, log });
    await activity.start();
    stack.defer(() => activity.stop());
    return activity;
  };
  const servers = [await start(), await start()];
  await commit("web.access", 1_100, 5); // told late: the head has it
  await commit("web.access", 1_101, 7);
  await commit("web.new", 0, 0);
  await commit("web.new", 1, 3);
  for (const server of servers) {
    const flows = () => Object.fromEntries(server.history(60).flows.map(({ path, rows }) => [path, sum(rows)]));
    await until("all is known", () => flows()["web.new"] === 3 && flows()["web.other"] === 100);
    expect(flows()).toEqual({ "web.access": 112, "web.other": 100, "web.new": 3 });
    const recent = server.history(10).flows.map(({ path, rows }) => [path, sum(rows), rows.length]);
    expect(recent).toEqual([
      ["web.access", 12, 20],
      ["web.new", 3, 20],
    ]);
    expect(await server.storage()).toMatchObject([
      { path: refs[0]?.path, rows: 1_107, bytes: 2_214, slices: 10 },
      { path: datasetPath("web.new"), rows: 3, bytes: 6, slices: 1 },
    ]);
  }
  await gone("web", "access");
  for (const server of servers) await until("it is gone", () => server.figures.rows === 3);
});

const activityReply = z.object({
  from: z.string(),
  stepMs: z.number(),
  datasets: z.array(
    z.object({ project: z.string(), dataset: z.string(), rows: z.array(z.number()), bytes: z.array(z.number()) }),
  ),
  total: z.object({ datasets: z.number(), rows: z.array(z.number()), bytes: z.array(z.number()) }),
});

test("a real server tells what flows and what is kept, each to who may read it, and a restart forgets nothing", async () => {
  await using folder = await tempDirectory();
  const startOnce = () => startPlatform({ dataDirectory: folder.path });
  let platform = await startOnce();
  try {
    const ask = async (method: string, route: string, body?: unknown, token = platform.token) => {
      const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };
      const sent = body === undefined ? {} : { body: JSON.stringify(body) };
      const reply = await fetch(new URL(route, platform.url), { method, headers, ...sent });
      const text = await reply.text();
      expect(reply.ok, text).toBe(true);
      return text === "" ? null : JSON.parse(text);
    };
    const push = (path: string, rows: number) =>
      ask(
        "POST",
        `/api/v1/projects/${path}/rows?create=true&ack=committed`,
        Array.from({ length: rows }, (_, n) => ({ n })),
      );
    await push("web/datasets/access", 5);
    await push("web/datasets/access", 6);
    await push("hidden/datasets/salaries", 7);
    await ask("POST", "/api/v1/users", { name: "bert" });
    await ask("PUT", "/api/v1/projects/web/members/bert", { role: "viewer" });
    const { token } = z
      .object({ token: z.string() })
      .parse(await ask("POST", "/api/v1/users/bert/tokens", { scopes: ["read"] }));
    const look = async (as?: string) => {
      const reply = activityReply.parse(await ask("GET", "/api/v1/activity?minutes=60", undefined, as));
      expect([reply.stepMs, reply.total.rows.length]).toEqual([30_000, 120]);
      const ageMs = systemClock.now() - Date.parse(reply.from);
      expect(Math.abs(ageMs - 3_600_000)).toBeLessThan(31_000);
      const flows = Object.fromEntries(reply.datasets.map((one) => [`${one.project}.${one.dataset}`, sum(one.rows)]));
      expect(Object.values(flows).reduce((all, rows) => all + rows, 0)).toBe(sum(reply.total.rows));
      return flows;
    };
    const known = { "web.access": 11, "hidden.salaries": 7 };
    await until("the commits are known", async () => Object.keys(await look()).length === 2);
    expect(await look()).toEqual(known);
    expect(await look(token)).toEqual({ "web.access": 11 });
    const stored = await ask("GET", "/api/v1/storage?limit=500", undefined, token);
    expect(stored).toMatchObject({
      total: { datasets: 1, rows: 11, slices: 2 },
      projects: [{ project: "web", datasets: 1, rows: 11 }],
      datasets: [{ project: "web", dataset: "access", rows: 11, slices: 2 }],
    });
    expect((await ask("GET", "/api/v1/storage")).total.datasets).toBeGreaterThan(2); // the system's, too

    await platform.end("SIGKILL");
    platform = await startOnce();
    await until("the past is read again", async () => Object.keys(await look()).length === 2);
    expect(await look()).toEqual(known);
    expect(await ask("GET", "/api/v1/storage", undefined, token)).toMatchObject({ total: { rows: 11, slices: 2 } });
    await ask("DELETE", "/api/v1/projects/hidden/resources/Dataset/salaries");
    await until("it is gone", async () => Object.keys(await look()).length === 1);
  } finally {
    await platform[Symbol.asyncDispose]();
  }
});
