import { once } from "node:events";
import { connect, type Socket } from "node:net";
import path from "node:path";
import { Redis } from "ioredis";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type TempDirectory, tempDirectory, until } from "../kit/index.ts";
import { type Platform, startPlatform } from "../kit/platform.ts";
import { freePort, redisAbsent, runRedis } from "../kit/redis-programs.ts";

// The Redis protocol's door of a real server, asked by real clients and by hostile ones.

let folder: TempDirectory;
let platform: Platform;
let port = 0;
let guest = "";
const rows = Array.from({ length: 2_000 }, (_, n) => ({
  id: `u${n}`,
  name: n === 7 ? 'Zoë "Z"\n\u{1f600}' : `User ${n}`,
  n,
  big: n === 7 ? { a: [1, "x"] } : null,
}));

beforeAll(async () => {
  folder = await tempDirectory();
  port = await freePort();
  platform = await startPlatform({
    dataDirectory: path.join(folder.path, "data"),
    flags: ["--redis.port", String(port)],
  });
  await push("users", rows);
  await api("PUT", "/api/v1/projects/web/resources/Lookup/users", { spec: { dataset: "users", key: ["id"] } });
  await api("POST", "/api/v1/users", { name: "guest" });
  guest = JSON.parse(await api("POST", "/api/v1/users/guest/tokens", { scopes: ["read"] })).token;
  await until("the lookup is loaded", async () =>
    (await api("GET", "/api/v1/lookups/web/users").catch(() => "")).includes('"entries":2000'),
  );
});
afterAll(async () => {
  await platform?.[Symbol.asyncDispose]();
  await folder?.[Symbol.asyncDispose]();
});

async function api(method: string, route: string, body?: object): Promise<string> {
  const reply = await fetch(new URL(route, platform.url), {
    method,
    headers: { authorization: `Bearer ${platform.token}`, "content-type": "application/json" },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await reply.text();
  if (!reply.ok) throw new Error(text);
  return text;
}
async function push(dataset: string, pushed: readonly object[]): Promise<void> {
  const route = `/api/v1/projects/web/datasets/${dataset}/rows?create=true&ack=committed&format=ndjson`;
  const body = pushed.map((row) => `${JSON.stringify(row)}\n`).join("");
  const reply = await fetch(new URL(route, platform.url), {
    method: "POST",
    headers: { authorization: `Bearer ${platform.token}` },
    body,
  });
  expect(reply.status).toBe(200);
}
/** A column that holds an object in one row is text. */
const rowText = (n: number) => {
  const row = rows[n];
  return JSON.stringify({ ...row, big: row?.big ? JSON.stringify(row.big) : null });
};

async function raw(): Promise<{
  socket: Socket;
  say(text: string | Buffer): void;
  heard(what: RegExp): Promise<string>;
}> {
  const socket = connect(port, "127.0.0.1");
  await once(socket, "connect");
  let got = "";
  socket.on("data", (chunk) => {
    got += chunk.toString("latin1");
  });
  socket.on("error", () => {});
  return {
    socket,
    say: (text) => void socket.write(text),
    async heard(what) {
      await until(`an answer like ${what}`, () => what.test(got));
      const taken = got;
      got = "";
      return taken;
    },
  };
}

describe("ioredis", () => {
  const open = (more: object = {}) =>
    new Redis({ port, host: "127.0.0.1", password: platform.token, maxRetriesPerRequest: 1, ...more });

  test("reads rows, their members and what there is", async () => {
    const redis = open();
    try {
      expect(await redis.get("web.users:u1")).toBe(rowText(1));
      expect(await redis.get("web.users:none")).toBe(null);
      expect(await redis.mget("web.users:u2", "web.users:none", "web.users:u7")).toEqual([
        rowText(2),
        null,
        rowText(7),
      ]);
      expect(await redis.hget("web.users:u7", "name")).toBe(rows[7]?.name);
      expect(await redis.hget("web.users:u7", "big")).toBe('{"a":[1,"x"]}');
      expect(await redis.hget("web.users:u1", "big")).toBe(null);
      expect(await redis.hmget("web.users:u1", "n", "no", "id")).toEqual(["1", null, "u1"]);
      expect(await redis.hgetall("web.users:u1")).toEqual({ id: "u1", name: "User 1", n: "1" });
      expect(await redis.hgetall("web.users:none")).toEqual({});
      expect(await redis.exists("web.users:u1", "web.users:none", "web.users:u1")).toBe(2);
      expect(await redis.type("web.users:u1")).toBe("hash");
      expect(await redis.dbsize()).toBe(2_000);
      expect(await redis.echo("a\r\nb")).toBe("a\r\nb");
      await expect(redis.set("web.users:u1", "x")).rejects.toThrow(/only read/);
      await expect(redis.get("web.no_such:u1")).rejects.toThrow(/no lookup web.no_such/);
      await expect(redis.get("u1")).rejects.toThrow(/PROJECT.LOOKUP:KEY/);
      await expect(redis.select(1)).rejects.toThrow(/out of range/);
    } finally {
      redis.disconnect();
    }
  });

  test("with a key prefix, as a user with a name, and pipelined", async () => {
    const redis = open({ keyPrefix: "web.users:", username: "owner" });
    try {
      const pipeline = redis.pipeline();
      for (let n = 0; n < 2_000; n++) pipeline.get(`u${n}`);
      const answers = await pipeline.exec();
      expect(answers?.map(([error, text]) => error ?? text)).toEqual(rows.map((_row, n) => rowText(n)));
    } finally {
      redis.disconnect();
    }
  });

  test("scans every key exactly once, also those of a pattern", async () => {
    const redis = open();
    try {
      const scan = async (...args: [] | ["MATCH", string]) => {
        const keys: string[] = [];
        for (let cursor = "0"; ; ) {
          const [next, found] =
            args.length === 0 ? await redis.scan(cursor) : await redis.scan(cursor, ...args, "COUNT", 50);
          keys.push(...found);
          cursor = next;
          if (cursor === "0") return keys.sort();
        }
      };
      const all = rows.map(({ id }) => `web.users:${id}`).sort();
      expect(await scan()).toEqual(all);
      expect(await scan("MATCH", "web.users:u1?5")).toEqual(all.filter((key) => /u1.5$/.test(key)));
      expect(await scan("MATCH", "other.*")).toEqual([]);
    } finally {
      redis.disconnect();
    }
  });

  test("sees what was committed a moment ago, and what is loaded after a restart", async () => {
    const redis = open();
    try {
      await push("users", [{ id: "u1", name: "Anew", n: -1, big: null }]);
      await until("the new row", async () => (await redis.hget("web.users:u1", "name")) === "Anew");
      await push("users", [rows[1] ?? {}]);
      await until("the old row", async () => (await redis.get("web.users:u1")) === rowText(1));
    } finally {
      redis.disconnect();
    }
  });
});

test.skipIf(redisAbsent !== null)("redis-cli and redis-benchmark work", async () => {
  const to = ["-p", String(port), "--user", "default", "--pass", platform.token, "--no-auth-warning"];
  expect((await runRedis("cli", [...to, "GET", "web.users:u3"])).stdout.trim()).toBe(rowText(3));
  expect((await runRedis("cli", [...to, "-3", "HGETALL", "web.users:u3"])).stdout.trim().split("\n")).toEqual([
    "id u3",
    "name User 3",
    "n 3",
  ]);
  expect(
    (await runRedis("cli", [...to, "--scan", "--pattern", "web.users:u199?"])).stdout.trim().split("\n").sort(),
  ).toEqual(Array.from({ length: 10 }, (_, n) => `web.users:u199${n}`));
  expect((await runRedis("cli", ["-p", String(port), "GET", "web.users:u3"])).stdout).toContain("NOAUTH");
  const load = ["-p", String(port), "-a", platform.token, "-n", "5000", "-c", "10", "-P", "16", "-q", "--csv"];
  expect((await runRedis("benchmark", [...load, "GET", "web.users:u3"])).stdout).toMatch(/GET.*,"\d+/);
});

test("who may not read the dataset finds nothing, and a right that is revoked ends in a second", async () => {
  const redis = new Redis({ port, host: "127.0.0.1", username: "guest", password: guest, maxRetriesPerRequest: 1 });
  const grant = "/api/v1/projects/web/datasets/users/grants/guest/select";
  try {
    await expect(redis.get("web.users:u1")).rejects.toThrow(/no lookup web.users/);
    expect(await redis.dbsize()).toBe(0);
    expect((await redis.scan("0"))[1]).toEqual([]);
    await api("PUT", grant);
    expect(await redis.get("web.users:u1")).toBe(rowText(1));
    await api("DELETE", grant);
    await expect(redis.get("web.users:u1")).rejects.toThrow(/no lookup web.users/);
  } finally {
    redis.disconnect();
  }
  const wrong = new Redis({
    port,
    host: "127.0.0.1",
    password: "mlr_nobody",
    maxRetriesPerRequest: 1,
    retryStrategy: null,
  });
  wrong.on("error", () => {});
  await expect(wrong.get("web.users:u1")).rejects.toThrow();
  wrong.disconnect();
});

test("both protocol versions say maps and nulls in their own way", async () => {
  const { socket, say, heard } = await raw();
  say(`HELLO 3 AUTH default ${platform.token}\r\n`);
  expect(await heard(/modules\r\n\*0\r\n$/)).toMatch(/^%7\r\n\$6\r\nserver\r\n/);
  say(
    "HGET web.users:u1 big\r\nHGETALL web.users:none\r\nHELLO 2\r\nHGET web.users:u1 big\r\nHGETALL web.users:u1\r\n",
  );
  const said = await heard(/\*6\r\n(.*\r\n){12}/);
  expect(said).toMatch(/^_\r\n%0\r\n\*14\r\n/);
  expect(said).toMatch(/\$-1\r\n\*6\r\n\$2\r\nid\r\n\$2\r\nu1\r\n/);
  socket.destroy();
});

test("a client that asks without end and takes nothing is held back, and others go on", async () => {
  const { socket, say } = await raw();
  socket.pause();
  say(`AUTH ${platform.token}\r\n`);
  const burst = Buffer.from("GET web.users:u7\r\n".repeat(20_000));
  let sent = 0;
  // Its own socket fills: what was not taken is not asked for.
  for (; sent < 200 && socket.writableLength < 8e6; sent++) socket.write(burst);
  expect(sent).toBeLessThan(200);
  const redis = new Redis({ port, host: "127.0.0.1", password: platform.token });
  expect(await redis.get("web.users:u1")).toBe(rowText(1));
  redis.disconnect();
  socket.destroy();
});

test("what is no request is refused with a sentence, and the server goes on", async () => {
  for (const bytes of ["*1\r\n$-5\r\n", "*99999999\r\n", "*1\r\n+PING\r\n", `*2\r\n$3\r\nGET\r\n$999999999\r\n`]) {
    const { socket, say, heard } = await raw();
    say(bytes);
    await heard(/^-ERR Protocol error: .*\r\n/);
    await until("the connection is ended", () => socket.destroyed || socket.readableEnded);
    socket.destroy();
  }
  const { socket, say, heard } = await raw();
  say(
    `AUTH ${platform.token}\r\n*2\r\n$4\r\nHGET\r\n$0\r\n\r\nGET\r\nSCAN x\r\nSCAN 0 COUNT 0\r\nHELLO 9\r\nCLIENT KILL\r\nPING\r\n`,
  );
  const said = await heard(/\+PONG\r\n$/);
  expect(said.split("\r\n").filter((line) => line.startsWith("-")).length).toBe(6);
  socket.destroy();
});
