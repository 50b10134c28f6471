import { afterAll, beforeAll, expect, test } from "vitest";
import { bodyOf, type OpenRoom, openRoom } from "../../test/ingest/room.ts";

let room: OpenRoom;
beforeAll(async () => {
  room = await openRoom();
});
afterAll(() => room[Symbol.asyncDispose]());

const signal = () => AbortSignal.timeout(50_000);

const flooding = 24;
const megabyte = `${'{"a":"some text of a row"}\n'.repeat(45_000)}`;

test("many small datasets commit long before the backlog of one that floods is through", async () => {
  const ingest = await room.open({ commitIntervalMs: 60_000 });
  const flood = await room.request(megabyte, { ack: "staged" });
  await Promise.all(
    Array.from({ length: flooding }, () => ingest.push({ ...flood, body: bodyOf(megabyte) }, signal())),
  );
  const backlog = ingest.pendingBytes;
  expect(backlog).toBe(flooding * megabyte.length);
  const flushed = ingest.flush(flood.dataset.id, signal());
  const small = await Promise.all(Array.from({ length: 6 }, (_, i) => room.request(`{"i":${i}}\n`)));
  await Promise.all(small.map((one) => ingest.push(one, signal())));
  expect(ingest.pendingBytes).toBeGreaterThan(backlog / 2);
  await flushed;
  await ingest.stop();
}, 60_000);

test("many parts at once do not stand in front of a small dataset's rows", async () => {
  const ingest = await room.open({ commitIntervalMs: 60_000 });
  const flood = await room.request("");
  let done = 0;
  const parts = Array.from({ length: flooding }, (_, at) => {
    const sourcePosition = { source: "import:flood", position: String(at + 1), firstLine: 1 };
    const part = ingest.push({ ...flood, body: bodyOf(megabyte), sourcePosition }, signal());
    return part.finally(() => done++);
  });
  await Promise.race(parts);
  await ingest.push(await room.request('{"a":1}\n'), signal());
  expect(done).toBeLessThan(flooding / 3);
  await Promise.all(parts);
  expect((await room.datasets.head(flood.dataset.id)).rows).toBe(flooding * 45_000);
  await ingest.stop();
}, 60_000);

test("the backlog of one dataset leaves room for the others", async () => {
  const ingest = await room.open({ commitIntervalMs: 60_000, pendingBytes: 2 * megabyte.length });
  const flood = await room.request(megabyte, { ack: "staged" });
  const again = () => ingest.push({ ...flood, body: bodyOf(megabyte) }, signal());
  await again();
  await again();
  await expect(again()).rejects.toMatchObject({ code: "too_many_requests" });
  const other = await room.request('{"a":1}\n');
  expect(await ingest.push(other, signal())).toMatchObject({ state: "committed", rows: 1 });
  await ingest.stop();
});
