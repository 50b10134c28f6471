import { afterAll, beforeAll, expect, test } from "vitest";
import { seededRandom, systemClock } from "../../src/base/index.ts";
import type { Ingest } from "../../src/ingest/ingest.ts";
import { stagedReceipt } from "../../src/ingest/intake.ts";
import { Receipts } from "../../src/ingest/receipts.ts";
import { type OpenRoom, openRoom } from "./room.ts";

// Several servers, each with its own staging log, over one database and one store of datasets.

const seed = Number(process.env.MILLRACE_TEST_SEED ?? Date.now() % 1_000_000);
const late = { commitIntervalMs: 3_600_000 };

let room: OpenRoom;
beforeAll(async () => {
  room = await openRoom();
});
afterAll(async () => {
  await room[Symbol.asyncDispose]();
});

const signal = () => AbortSignal.timeout(30_000);

async function* body(text: string): AsyncIterable<Uint8Array> {
  yield new TextEncoder().encode(text);
}

async function* broken(): AsyncIterable<Uint8Array> {
  yield new TextEncoder().encode('{"a":');
  throw new Error("the client went away");
}

test("a key that one server has staged is not taken by another, which answers with the first request once it is committed", async () => {
  const [first, second] = [await room.open(late), await room.open(late)];
  const one = await room.request("", { idempotencyKey: "k", ack: "staged" });
  const staged = await first.push({ ...one, body: body('{"a":1}\n') }, signal());
  const tooEarly = second.push({ ...one, body: body('{"a":1}\n') }, signal());
  await expect(tooEarly).rejects.toMatchObject({ code: "unavailable", retryAfterS: 1 });
  await first.flush(one.dataset.id, signal());
  const again = await second.push({ ...one, body: body('{"a":1}\n'), ack: "committed" }, signal());
  expect(again).toMatchObject({ id: staged.id, duplicate: true, state: "committed" });
  const other = second.push({ ...one, body: body('{"a":2}\n') }, signal());
  await expect(other).rejects.toMatchObject({ code: "conflict" });
  expect((await room.datasets.head(one.dataset.id)).rows).toBe(1);
  await first.stop();
  await second.stop();
});

test("a request that was never staged gives its key up to any server", async () => {
  const [first, second] = [await room.open(), await room.open()];
  const one = await room.request("", { idempotencyKey: "k" });
  await expect(first.push({ ...one, body: broken() }, signal())).rejects.toThrow();
  expect(await second.push({ ...one, body: body('{"a":1}\n') }, signal())).toMatchObject({ duplicate: false });
  await first.stop();
  await second.stop();
});

test("a server that died between taking a key and staging its request gives it up at its next start", async () => {
  const directory = room.stagingDirectory();
  const first = await room.open({ ...late, directory });
  const one = await room.request("", { idempotencyKey: "k", ack: "staged" });
  const staged = await first.push({ ...one, body: body('{"a":1}\n') }, signal());
  const logId = await logOf(staged.id);
  const receipts = new Receipts(room.database.sql);
  const dead = {
    receipt: stagedReceipt("dead", staged.dataset),
    datasetId: one.dataset.id,
    key: "never staged",
    logId,
    atMs: systemClock.now(),
  };
  expect(await receipts.claim(dead)).toEqual({ kind: "taken" });
  const second = await room.open(late);
  const early = second.push({ ...one, idempotencyKey: "never staged", body: body('{"a":2}\n') }, signal());
  await expect(early).rejects.toMatchObject({ code: "unavailable" });
  await first.stop();
  const restarted = await room.open({ ...late, directory });
  const taken = await second.push({ ...one, idempotencyKey: "never staged", body: body('{"a":2}\n') }, signal());
  expect(taken.duplicate).toBe(false);
  // What is staged keeps its key.
  const kept = second.push({ ...one, body: body('{"a":1}\n') }, signal());
  await expect(kept).rejects.toMatchObject({ code: "unavailable" });
  await restarted.stop();
  await second.stop();
});

test("a request whose key went to another meanwhile is not recovered", async () => {
  const directory = room.stagingDirectory();
  const first = await room.open({ ...late, directory });
  const one = await room.request("", { idempotencyKey: "k", ack: "staged" });
  const staged = await first.push({ ...one, body: body('{"a":1}\n') }, signal());
  const logId = await logOf(staged.id);
  await first.stop();
  // As if its append had failed in the eyes of that process.
  await new Receipts(room.database.sql).release(staged.id, logId);
  const second = await room.open();
  await second.push({ ...one, ack: "committed", body: body('{"a":1}\n') }, signal());
  const restarted = await room.open({ directory });
  await restarted.flush(one.dataset.id, signal());
  expect((await room.datasets.head(one.dataset.id)).rows).toBe(1);
  await second.stop();
  await restarted.stop();
});

test(`requests that are repeated at any server are stored once (MILLRACE_TEST_SEED=${seed})`, async () => {
  const random = seededRandom(seed);
  const servers = await Promise.all([1, 2, 3].map(() => room.open({ commitIntervalMs: 20 })));
  const any = (): Ingest => servers[Math.floor(random.float() * servers.length)] ?? fail();
  const one = await room.request("", { ack: "staged" });
  const send = async (key: number) => {
    for (let copies = 0; copies < 3; ) {
      const isBroken = random.float() < 0.2;
      const sent = { ...one, idempotencyKey: `k${key}`, body: isBroken ? broken() : body(`{"key":${key}}\n`) };
      const ack = random.float() < 0.5 ? ("staged" as const) : ("committed" as const);
      const outcome = await any()
        .push({ ...sent, ack }, signal())
        .catch((error: unknown) => String(error));
      if (typeof outcome !== "string") copies++;
      else await new Promise((resolve) => setTimeout(resolve, 5)); // as a client comes back
    }
  };
  const keys = 60;
  const sent = Array.from({ length: keys * 2 }, (_, index) => send(index % keys)); // each twice at the same time
  await Promise.all(sent);
  for (const server of servers) await server.flush(one.dataset.id, signal());
  expect((await room.datasets.head(one.dataset.id)).rows).toBe(keys);
  expect(
    await room.database.sql`SELECT id FROM ingests WHERE dataset_id = ${one.dataset.id} AND log_id IS NOT NULL`,
  ).toHaveLength(0);
  for (const server of servers) await server.stop();
}, 60_000);

async function logOf(ingestId: string): Promise<string> {
  const [row] = await room.database.sql<{ log_id: string }[]>`SELECT log_id FROM ingests WHERE id = ${ingestId}`;
  return row?.log_id ?? fail();
}

function fail(): never {
  throw new Error("it must be there");
}
