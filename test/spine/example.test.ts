import path from "node:path";
import { expect, test } from "vitest";
import { z } from "zod";
import { tempDirectory, until } from "../kit/index.ts";
import { startPlatform } from "../kit/platform.ts";

/** What `npm start` shows: made-up requests, counted by the minute, and the newest of each visitor by key. */
test("the example's requests are counted by the minute, and looked up by visitor", async () => {
  await using folder = await tempDirectory();
  await using platform = await startPlatform({ dataDirectory: path.join(folder.path, "data"), flags: ["--example"] });
  const headers = { authorization: `Bearer ${platform.token}`, "content-type": "application/json" };
  const get = async (route: string) => await (await fetch(`${platform.url}/api/v1/${route}`, { headers })).json();
  const rows = async (sql: string) => {
    const reply = await fetch(`${platform.url}/api/v1/sql`, { method: "POST", headers, body: JSON.stringify({ sql }) });
    return z.object({ rows: z.array(z.record(z.string(), z.unknown())) }).parse(await reply.json()).rows;
  };
  const counted = "SELECT coalesce(sum(requests), 0)::INTEGER AS n FROM example.requests_per_minute";
  await until("requests are counted", async () => Number((await rows(counted))[0]?.n) > 40);
  // Stopped, so that both say the same.
  const source = "projects/example/resources/Source/web-requests";
  const { spec } = z.object({ spec: z.record(z.string(), z.unknown()) }).parse(await get(source));
  const body = JSON.stringify({ spec: { ...spec, paused: true } });
  expect((await fetch(`${platform.url}/api/v1/${source}`, { method: "PUT", headers, body })).status).toBe(200);
  const perMinute = "minute, status, count(*)::INTEGER AS requests";
  const direct = `SELECT time_bucket(INTERVAL '1 minute', event_time) AS ${perMinute} FROM example.requests GROUP BY ALL ORDER BY ALL`;
  const kept =
    "SELECT minute, status, requests::INTEGER AS requests FROM example.requests_per_minute ORDER BY minute, status";
  await until("the derivative says what its input says", async () => {
    return JSON.stringify(await rows(kept)) === JSON.stringify(await rows(direct));
  });
  const [newest] = await rows(
    'SELECT client_ip, arg_max(path, "offset") AS path FROM example.requests GROUP BY client_ip ORDER BY client_ip LIMIT 1',
  );
  await until("the lookup has the newest request of a visitor", async () => {
    const row = await get(`lookups/example/visitors/rows/${String(newest?.client_ip)}`);
    return z.object({ path: z.string() }).safeParse(row).data?.path === newest?.path;
  });
}, 90_000);
