import { once } from "node:events";
import net from "node:net";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { instant } from "../../src/base/index.ts";
import type { Access, EventRecord } from "../../src/gateway/index.ts";
import { until } from "../kit/index.ts";
import { fakeRooms } from "./rooms.ts";
import { type Served, serve } from "./serve.ts";

/** The owner may all; the guest may see and read the project `web`. */
function accessToWeb(): Access {
  const { access } = fakeRooms().rooms;
  const allows: Access["allows"] = async (who, _action, { project, dataset }) =>
    who.isOwner || project === "web" || dataset?.project === "web";
  return { ...access, allows };
}
let position = 0;
function event(served: Served, fields: Partial<EventRecord>): void {
  position = (served.fake.events.at(-1)?.position ?? 0) + 1;
  const base = { id: `e${position}`, at: instant(0), type: "t", subject: "s", project: "web", data: {} };
  served.fake.events.push({ position, ...base, ...fields });
}
const commit = (served: Served, path: string, rows: number, bytes = rows * 10) =>
  event(served, {
    type: "dataset.committed",
    subject: path,
    project: path.split(".")[0] ?? null,
    data: { datasetId: "d", seq: 1, block: "b", kind: "AddData", rows, bytes },
  });

interface Message {
  readonly id: string | null;
  readonly event: string;
  readonly data: unknown;
}

/** A reader of the stream, as a browser's EventSource reads it. */
async function listen(served: Served, headers: Record<string, string> = {}) {
  const stopped = new AbortController();
  const reply = await served.ask("/api/v1/live", { headers, signal: stopped.signal });
  expect([reply.status, reply.headers.get("content-type")]).toEqual([200, "text/event-stream"]);
  const messages: Message[] = [];
  let text = "";
  const done = (async () => {
    for await (const chunk of reply.body?.pipeThrough(new TextDecoderStream()) ?? []) {
      text += chunk;
      for (let end = text.indexOf("\n\n"); end >= 0; end = text.indexOf("\n\n")) {
        const lines = text.slice(0, end).split("\n");
        text = text.slice(end + 2);
        const field = (name: string) =>
          lines.find((line) => line.startsWith(`${name}: `))?.slice(name.length + 2) ?? null;
        const data = field("data");
        if (data !== null) messages.push({ id: field("id"), event: field("event") ?? "", data: JSON.parse(data) });
      }
    }
  })().catch(() => {});
  const ofKind = (kind: string) => messages.filter((message) => message.event === kind);
  return {
    messages,
    positions: () => ofKind("event").map(({ id }) => Number(id)),
    flows: () =>
      ofKind("activity").flatMap(
        ({ data }) => z.object({ datasets: z.array(z.record(z.string(), z.unknown())) }).parse(data).datasets,
      ),
    activities: () => ofKind("activity"),
    gaps: () => ofKind("gap"),
    done,
    async [Symbol.asyncDispose]() {
      stopped.abort();
      await done;
    },
  };
}
const guest = { authorization: "Bearer mlr_guest" };

describe("the live stream", () => {
  test("tells events as they happen, and once a second what was committed", async () => {
    await using served = await serve();
    event(served, { subject: "before" });
    await using reader = await listen(served);
    await until("the first activity", () => reader.activities().length === 1);
    expect(reader.activities()[0]).toMatchObject({
      id: "1",
      data: { datasets: [], queriesRunning: 0, tasksRunning: 2, queries: [] },
    });
    for (const rows of [1, 2, 3]) commit(served, "web.access", rows);
    commit(served, "web.other", 7);
    commit(served, "web.empty", 0);
    await until("the commits", () => reader.flows().length >= 2);
    expect(reader.positions()).toEqual([2, 3, 4, 5, 6]);
    expect(reader.flows()).toEqual([
      { project: "web", dataset: "other", rows: 7, bytes: 70 },
      { project: "web", dataset: "access", rows: 6, bytes: 60 },
    ]);
    event(served, { type: "task.changed", data: { id: "task1", state: "done" } });
    await until("the task's end", () =>
      reader
        .activities()
        .some(({ data }) => z.looseObject({ tasksRunning: z.number() }).parse(data).tasksRunning === 1),
    );
  });

  test("nothing of what a reader may not see comes, neither events nor datasets nor counts", async () => {
    await using served = await serve({ rooms: { access: accessToWeb() } });
    await using reader = await listen(served, guest);
    await until("the first activity", () => reader.activities().length === 1);
    expect(reader.activities()[0]).toMatchObject({ data: { tasksRunning: 1 } });
    commit(served, "hidden.salaries", 1_000);
    event(served, { project: null, subject: "Token/secret" });
    event(served, { project: "hidden", subject: "forged\n\nevent: event\ndata: {}" });
    event(served, {
      type: "dataset.committed",
      subject: "hidden.salaries",
      project: "web",
      data: { rows: 5, bytes: 5 },
    });
    commit(served, "web.access", 1);
    await until("the commit", () => reader.flows().length > 0);
    expect(reader.positions()).toEqual([4, 5]);
    expect(reader.flows()).toEqual([{ project: "web", dataset: "access", rows: 1, bytes: 10 }]);
    expect(JSON.stringify(reader.messages.filter(({ id }) => id !== "4"))).not.toMatch(/hidden|salaries|secret|forged/);
  });

  test("who comes back gets what it missed, each event once and in order, also after it saw none of the last ones", async () => {
    await using served = await serve({ rooms: { access: accessToWeb() } });
    for (let made = 0; made < 1_200; made++) event(served, { project: made % 2 === 0 ? "web" : "hidden" });
    await using reader = await listen(served, { ...guest, "last-event-id": "5" });
    event(served, {});
    await until("all", () => reader.positions().at(-1) === 1_201);
    expect(reader.positions()).toEqual(
      [...Array(597).keys()]
        .map((n) => 7 + 2 * n)
        .concat([1_201])
        .filter((n) => n % 2 === 1),
    );
    const last = reader.messages.at(-1)?.id ?? "";
    await using again = await listen(served, { ...guest, "last-event-id": last });
    event(served, {});
    await until("the new one", () => again.positions().length > 0);
    expect(again.positions()).toEqual([1_202]);
  });

  test("who was away for too long is told so, and a position that is not there yet begins now", async () => {
    await using served = await serve();
    const records: EventRecord[] = [];
    for (let n = 1; n <= 10_500; n++) {
      records.push({ position: n, id: `e${n}`, at: instant(0), type: "t", subject: "s", project: "web", data: {} });
    }
    served.fake.events.push(...records);
    await using late = await listen(served, { "last-event-id": "1" });
    await using early = await listen(served, { "last-event-id": "999999999" });
    await until("both began", () => late.activities().length > 0 && early.activities().length > 0);
    event(served, {});
    await until("the new one", () => late.positions().length > 0 && early.positions().length > 0);
    expect(late.gaps()).toMatchObject([{ id: "10500", data: { after: 1, upTo: 10_500 } }]);
    expect([late.positions(), early.positions(), early.gaps()]).toEqual([[10_501], [10_501], []]);
  });

  test("a reader that takes nothing is cut off, and holds up nobody", async () => {
    await using served = await serve();
    const slow = net.connect(served.port, "127.0.0.1");
    await once(slow, "connect");
    slow.on("error", () => {});
    slow.pause();
    slow.write("GET /api/v1/live HTTP/1.1\r\nhost: x\r\nauthorization: Bearer mlr_owner\r\n\r\n");
    await using quick = await listen(served);
    await until("both read", async () => /http_live_streams 2/.test(await served.exposed()));
    const text = "x".repeat(20_000);
    for (let sent = 0; sent < 5_000; sent += 250) {
      for (let n = 0; n < 250; n++) event(served, { subject: text });
      await until("the quick one keeps up", () => quick.positions().length === sent + 250);
    }
    await until("the slow one is gone", async () => /http_live_streams 1\n/.test(await served.exposed()));
    expect(await served.exposed()).toMatch(/http_live_cut_total 1\n/);
    slow.destroy();
  });

  test("ends when the token is revoked, and when the server stops", async () => {
    let isValid = true;
    const access: Access = { ...accessToWeb(), reaches: async () => isValid };
    const served = await serve({ rooms: { access } });
    await using revoked = await listen(served, guest);
    await until("it began", () => revoked.activities().length > 0);
    isValid = false;
    await revoked.done;
    isValid = true;
    await using reader = await listen(served);
    await until("it began", () => reader.activities().length > 0);
    await served[Symbol.asyncDispose]();
    await reader.done;
  });

  test("one user opens no more than thirty, and odd positions are refused", async () => {
    await using served = await serve();
    await using stack = new AsyncDisposableStack();
    for (let opened = 0; opened < 30; opened++) stack.use(await listen(served));
    expect((await served.json("/api/v1/live")).status).toBe(429);
    stack.use(await listen(served, guest));
    for (const id of ["-1", "x", "1.5", "9".repeat(40)]) {
      const reply = await served.json("/api/v1/live", { headers: { ...guest, "last-event-id": id } });
      expect(reply.status, id).toBe(400);
    }
  });
});
