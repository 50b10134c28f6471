import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { expect, test } from "vitest";
import { fakeRooms } from "../../../test/gateway/rooms.ts";
import { until } from "../../../test/kit/index.ts";
import { freePort } from "../../../test/kit/redis-programs.ts";
import { datasetPath, instant, MillraceError, silentTelemetry, systemClock } from "../../base/index.ts";
import type { LookupRows } from "../http/index.ts";
import type { OrderedLookup, RedisLimits } from "./contract.ts";
import { RedisDoor } from "./door.ts";

// The door alone, over lookups that a test makes up.

const long = Buffer.from(`{"text":"${"x".repeat(100_000)}"}`);
const loaded: LookupRows = {
  entries: 1,
  find: (source, start, end) => (Buffer.from(source.subarray(start, end)).toString() === "there" ? 1 : 0),
  rowBytes: () => long.length,
  copyRow: (_address, target, at) => at + long.copy(target, at),
  row: () => long,
  visit: () => null,
};

async function openDoor(limits: Partial<RedisLimits> = {}) {
  const lookups = new Map<string, { rows: LookupRows | null; problem: MillraceError | null }>();
  const port = await freePort();
  const { access } = fakeRooms().rooms;
  const lookupOf = (name: string): OrderedLookup | null => {
    const made = lookups.get(name);
    if (made === undefined) return null;
    const { rows, problem } = made;
    const dataset = datasetPath("web.users");
    const figures = { entries: 0, bytes: 0, appliedOffset: 0, behindRows: 0, behindMs: 0, skippedRows: 0 };
    const state = {
      project: "web",
      name,
      at: instant(0),
      dataset,
      key: ["id"],
      state: "loading" as const,
      ...figures,
      problem,
    };
    return { project: "web", name, ordinal: 1, dataset, rows, state };
  };
  const kept = new Map<string, OrderedLookup | null>();
  const door = new RedisDoor({
    bind: { host: "127.0.0.1", port, tlsCertificate: null, tlsKey: null, allowPlaintext: false },
    access: { ...access, version: 1 },
    lookups: {
      find(_project, name) {
        if (!kept.has(name)) kept.set(name, lookupOf(name));
        return kept.get(name) ?? null;
      },
      list: () => [],
    },
    version: "0",
    clock: systemClock,
    telemetry: silentTelemetry,
    limits,
  });
  await door.start();
  return {
    set(name: string, rows: LookupRows | null, problem: MillraceError | null = null) {
      lookups.set(name, { rows, problem });
      kept.delete(name);
    },
    async client() {
      const socket: Socket = connect(port, "127.0.0.1");
      socket.on("error", () => {});
      await once(socket, "connect");
      let got = "";
      socket.on("data", (chunk) => {
        got += chunk.toString("latin1");
      });
      return {
        socket,
        async ask(text: string): Promise<string> {
          got = "";
          socket.write(text);
          await until(`an answer to ${text}`, () => got.endsWith("\r\n"));
          return got;
        },
      };
    },
    [Symbol.asyncDispose]: () => door.stop(),
  };
}

test("a lookup that is being loaded, or cannot be, says LOADING, and answers as soon as it is there", async () => {
  await using door = await openDoor();
  const { socket, ask } = await door.client();
  expect(await ask("GET web.users:there\r\n")).toMatch(/^-NOAUTH /);
  expect(await ask("AUTH mlr_wrong\r\n")).toMatch(/^-WRONGPASS /);
  expect(await ask("AUTH owner correct\\ horse\r\n")).toMatch(/^-ERR wrong number/);
  expect(await ask("AUTH mlr_owner\r\n")).toBe("+OK\r\n");
  expect(await ask("GET web.users:there\r\n")).toMatch(/^-ERR there is no lookup web.users /);
  door.set("users", null);
  expect(await ask("GET web.users:there\r\n")).toBe("-LOADING the lookup web.users is being loaded\r\n");
  door.set("users", null, new MillraceError("conflict", "It has\r\nno column."));
  expect(await ask("MGET web.users:there\r\n")).toBe(
    "-LOADING the lookup web.users cannot be loaded: It has no column.\r\n",
  );
  door.set("users", loaded);
  expect(await ask("GET web.users:there\r\n")).toBe(`$${long.length}\r\n${long}\r\n`);
  expect(await ask("GET web.users:gone\r\n")).toBe("$-1\r\n");
  socket.destroy();
});

test("one that may not read a lookup is told that there is none", async () => {
  await using door = await openDoor();
  door.set("users", loaded);
  const { socket, ask } = await door.client();
  expect(await ask("AUTH mlr_guest\r\n")).toBe("+OK\r\n");
  expect(await ask("GET web.users:there\r\n")).toMatch(/^-ERR there is no lookup web.users /);
  socket.destroy();
});

test("an answer has a bound, a request of many keys too; what is below it is whole", async () => {
  await using door = await openDoor({ replyBytes: 250_000, waitingBytes: 10_000 });
  door.set("users", loaded);
  const { socket, ask } = await door.client();
  await ask("AUTH mlr_owner\r\n");
  const two = await ask("MGET web.users:there web.users:there\r\n");
  expect(two.length).toBe("*2\r\n".length + 2 * (`$${long.length}\r\n`.length + long.length + 2));
  expect(await ask("MGET web.users:there web.users:there web.users:there\r\n")).toMatch(/^-ERR the rows are longer/);
  socket.destroy();
});

test("who says nothing is sent away, and more connections than there may be are not taken", async () => {
  await using door = await openDoor({ authenticateMs: 50, maxConnections: 2 });
  const silent = await door.client();
  const ended = once(silent.socket, "end");
  const known = await door.client();
  await known.ask("AUTH mlr_owner\r\n");
  const third = await door.client();
  await once(third.socket, "close");
  await ended;
  expect(await known.ask("PING\r\n")).toBe("+PONG\r\n");
  known.socket.destroy();
});
