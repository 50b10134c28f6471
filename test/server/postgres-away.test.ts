import { readFileSync } from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";
import { silentTelemetry, systemClock, systemRandom } from "../../src/base/index.ts";
import { openPostgres } from "../../src/storage/index.ts";
import { tempDirectory, until } from "../kit/index.ts";
import { type Platform, startPlatform } from "../kit/platform.ts";

const status = async (platform: Platform, route: string) => {
  const reply = await fetch(new URL(route, platform.url));
  return { status: reply.status, body: await reply.json() };
};

async function ask(platform: Platform, route: string, body: string): Promise<{ status: number; body: unknown }> {
  const reply = await fetch(new URL(route, platform.url), {
    method: "POST",
    headers: { authorization: `Bearer ${platform.token}`, "content-type": "application/x-ndjson" },
    body,
  });
  return { status: reply.status, body: await reply.json() };
}

const push = (platform: Platform) =>
  ask(platform, "/api/v1/projects/web/datasets/hits/rows?create=true&ack=committed", '{"n":1}\n');
const counted = async (platform: Platform) => {
  const reply = await fetch(new URL("/api/v1/sql?query=SELECT count(*) AS n FROM web.hits", platform.url), {
    headers: { authorization: `Bearer ${platform.token}` },
  });
  return { status: reply.status, body: await reply.json() };
};

test("a PostgreSQL of the user's own that goes away makes the server unready, not dead, and nothing says bug", {
  timeout: 60_000,
}, async () => {
  await using folder = await tempDirectory();
  const database = await openPostgres({
    server: { kind: "embedded", directory: path.join(folder.path, "own", "postgres") },
    clock: systemClock,
    random: systemRandom,
    log: silentTelemetry.log,
  });
  await using stopped = new AsyncDisposableStack();
  stopped.use(database);
  const environment = { MILLRACE_POSTGRES_URL: database.url };
  await using platform = await startPlatform({ dataDirectory: path.join(folder.path, "data"), environment });
  expect(await status(platform, "/readyz")).toEqual({
    status: 200,
    body: { ok: true, parts: { postgres: true, engines: true } },
  });
  expect((await push(platform)).status).toBe(200);
  await stopped.disposeAsync();
  expect(await status(platform, "/readyz")).toEqual({
    status: 503,
    body: { ok: false, parts: { postgres: false, engines: true } },
  });
  expect(await status(platform, "/healthz")).toEqual({ status: 200, body: { ok: true } });
  expect(await ask(platform, "/api/v1/apply", '{"kind":"Project","name":"new"}')).toMatchObject({
    status: 503,
    body: { error: { code: "unavailable" } },
  });
  // Data needs the object store alone: these may go on, or say what is away.
  for (const answer of [await push(platform), await counted(platform)]) {
    if (answer.status !== 200) expect(answer).toMatchObject({ status: 503, body: { error: { code: "unavailable" } } });
  }
  expect((await fetch(new URL("/metrics", platform.url))).status).toBe(200);
});

test("the embedded PostgreSQL, killed, runs again by itself, with every row", { timeout: 60_000 }, async () => {
  await using folder = await tempDirectory();
  const dataDirectory = path.join(folder.path, "data");
  await using platform = await startPlatform({ dataDirectory });
  const postmaster = () =>
    Number(readFileSync(path.join(dataDirectory, "postgres", "cluster", "postmaster.pid"), "utf8").split("\n")[0]);
  for (const signal of ["SIGKILL", "SIGQUIT"] as const) {
    const killed = postmaster();
    const before = await push(platform);
    expect(before.status).toBe(200);
    process.kill(killed, signal);
    await until("it is seen to be away", async () => (await status(platform, "/readyz")).status === 503);
    expect((await status(platform, "/healthz")).status).toBe(200);
    await until("it answers again", async () => (await status(platform, "/readyz")).status === 200);
    expect(postmaster()).not.toBe(killed);
    await until("rows are committed again", async () => (await push(platform)).status === 200);
  }
  const { status: code, body } = await counted(platform);
  expect([code, body]).toMatchObject([200, { rows: [{ n: expect.any(Number) }] }]);
  const last = postmaster();
  await platform.end("SIGTERM");
  expect(() => process.kill(last, 0)).toThrow();
});
