import { afterAll, beforeAll, expect, test } from "vitest";
import { bodyOf, type OpenRoom, openRoom } from "../../test/ingest/room.ts";
import { engineConverter } from "./convert/converter.ts";

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

/** The room's engine, which counts the jobs that have ended. */
function counting() {
  const count = { ended: 0 };
  const engine = new Proxy(room.pool.pool, {
    get(pool, name) {
      const member: unknown = Reflect.get(pool, name, pool);
      if (typeof member !== "function") return member;
      return (...given: unknown[]) => {
        const answer: unknown = member.apply(pool, given);
        return answer instanceof Promise ? answer.finally(() => count.ended++) : answer;
      };
    },
  });
  return { engine, count };
}

test("many parts at once do not stand in front of a small dataset's rows", async () => {
  const { engine, count } = counting();
  const ingest = await room.open({ converter: engineConverter(engine) });
  const flood = await room.request("");
  const rows = megabyte.slice(0, megabyte.length / 4);
  const many = 80;
  const parts = Array.from({ length: many }, (_, at) => {
    const sourcePosition = { source: "import:flood", position: String(at + 1), firstLine: 1 };
    return ingest.push({ ...flood, body: bodyOf(rows), sourcePosition }, signal());
  });
  await expect.poll(() => count.ended, { timeout: 20_000 }).toBeGreaterThan(2);
  const before = count.ended;
  await ingest.push(await room.request('{"a":1}\n'), signal());
  const meanwhile = count.ended - before;
  await Promise.all(parts);
  // It takes a few jobs itself, one after the other, and before each of them two of the flood's may run: not all of them.
  expect(meanwhile).toBeLessThan((count.ended - before) / 3);
  expect((await room.datasets.head(flood.dataset.id)).rows).toBe((many * 45_000) / 4);
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
