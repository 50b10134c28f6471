import { readFile } from "node:fs/promises";
import path from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, expect, test } from "vitest";
import { bodyOf as body, type OpenRoom, openRoom } from "../../test/ingest/room.ts";
import { until } from "../../test/kit/index.ts";
import { MillraceError } from "../base/index.ts";
import type { PushRequest } from "./contract.ts";

let room: OpenRoom;
beforeAll(async () => {
  room = await openRoom();
});
afterAll(() => room[Symbol.asyncDispose]());

const signal = () => AbortSignal.timeout(25_000);
const openIngest = (directory = room.stagingDirectory(), pendingBytes = 1e9) => room.open({ directory, pendingBytes });
const request = (...wanted: Parameters<OpenRoom["request"]>) => room.request(...wanted);
const rowsOf = async (one: PushRequest) => (await room.datasets.head(one.dataset.id)).rows;

test("a committed push tells its offsets, its block and its bad rows", async () => {
  const ingest = await openIngest();
  const one = await request(gzipSync('{"a":1}\nbroken\n{"a":2}\n'), { encoding: "gzip" });
  const receipt = await ingest.push(one, signal());
  expect(receipt).toMatchObject({ state: "committed", rows: 2, quarantined: 1, firstOffset: 0, lastOffset: 1 });
  expect(receipt.reasons).toEqual([{ reason: "not valid JSON", count: 1, firstLine: 2 }]);
  expect(await ingest.receipt(receipt.id)).toEqual(receipt);
  expect((await room.datasets.head(one.dataset.id)).quarantined).toBe(1);
  await ingest.stop();
});

test("staged rows survive the end of the process, once, under a key that is known again", async () => {
  const directory = room.stagingDirectory();
  const first = await openIngest(directory);
  const one = await request('{"a":1}\n', { ack: "staged", idempotencyKey: "k" });
  const staged = await first.push(one, signal());
  // Not stopped: the next one opens the folder as it lies, as after a kill.
  const second = await openIngest(directory);
  const again = await second.push({ ...one, body: body('{"a":1}\n'), ack: "committed" }, signal());
  expect(again).toMatchObject({ id: staged.id, duplicate: true, state: "committed" });
  await first.flush(one.dataset.id, signal());
  await first.stop();
  await second.stop();
  const third = await openIngest(directory);
  expect(await rowsOf(one)).toBe(1);
  expect(await third.push({ ...one, body: body('{"a":1}\n') }, signal())).toMatchObject({
    id: staged.id,
    duplicate: true,
  });
  const other = third.push({ ...one, body: body('{"a":2}\n') }, signal());
  await expect(other).rejects.toMatchObject({ code: "conflict" });
  await third.stop();
});

test("a request repeated while the first, whose client has gone, still fails is taken itself", async () => {
  const ingest = await openIngest();
  const one = await request("", { idempotencyKey: "gone" });
  const leave = Promise.withResolvers<void>();
  async function* half(): AsyncIterable<Uint8Array> {
    yield new TextEncoder().encode('{"a":');
    await leave.promise;
    throw new MillraceError("bad_request", "The client went away.");
  }
  const first = ingest.push({ ...one, body: half() }, signal());
  const again = ingest.push({ ...one, body: body('{"a":1}\n') }, signal());
  leave.resolve();
  await expect(first).rejects.toMatchObject({ code: "bad_request" });
  expect(await again).toMatchObject({ state: "committed", rows: 1, duplicate: false });
  await ingest.stop();
});

test("of many at once under one key, one is taken", async () => {
  const ingest = await openIngest();
  const one = await request("", { idempotencyKey: "same" });
  const pushes = Array.from({ length: 8 }, () => ingest.push({ ...one, body: body('{"a":1}\n') }, signal()));
  const receipts = await Promise.all(pushes);
  expect(new Set(receipts.map((receipt) => receipt.id)).size).toBe(1);
  expect(receipts.filter((receipt) => !receipt.duplicate)).toHaveLength(1);
  expect(await rowsOf(one)).toBe(1);
  await ingest.stop();
});

test("small pushes at once share commits, and offsets have no gap", async () => {
  const ingest = await openIngest();
  const one = await request("");
  const pushes = Array.from({ length: 40 }, (_, i) =>
    ingest.push({ ...one, body: body(`{"a":${i}}\n{"a":${i}}\n`) }, signal()),
  );
  const receipts = await Promise.all(pushes);
  const offsets = receipts
    .flatMap(({ firstOffset, lastOffset }) => [firstOffset, lastOffset])
    .sort((a, b) => Number(a) - Number(b));
  expect(offsets).toEqual(Array.from({ length: 80 }, (_, i) => i));
  expect((await room.datasets.head(one.dataset.id)).slices).toBeLessThan(20);
  await ingest.stop();
});

test("parts of an import commit in order whatever order they come in, and a repeated part adds nothing", async () => {
  const ingest = await openIngest();
  const one = await request("");
  const part = (position: number) => ({
    ...one,
    body: body(`{"p":${position}}\n{"p":${position}}\n`),
    sourcePosition: { source: "import:x", position: String(position), firstLine: position * 2 - 1 },
  });
  const receipts = await Promise.all([3, 2, 1].map((position) => ingest.push(part(position), signal())));
  expect(receipts.map((receipt) => receipt.firstOffset)).toEqual([4, 2, 0]);
  await room.database.sql`DELETE FROM ingests`; // the chain alone knows the receipt now
  const again = await ingest.push(part(2), signal());
  expect(again).toMatchObject({ id: receipts[1]?.id, rows: 2, firstOffset: 2, duplicate: true });
  expect(await rowsOf(one)).toBe(6);
  await ingest.stop();
});

test("a body that cannot be read goes to quarantine whole and holds nothing up", async () => {
  const ingest = await openIngest();
  const one = await request("this is no parquet", { format: { kind: "parquet" } });
  expect(await ingest.push(one, signal())).toMatchObject({ state: "committed", rows: 0, quarantined: 1 });
  expect(await ingest.push({ ...one, format: { kind: "ndjson" }, body: body('{"a":1}\n') }, signal())).toMatchObject({
    rows: 1,
  });
  await ingest.stop();
});

test("what cannot be held is refused, and nothing of it is taken", async () => {
  const ingest = await openIngest(undefined, -1);
  const one = await request('{"a":1}\n');
  await expect(ingest.push(one, signal())).rejects.toMatchObject({ code: "too_many_requests", retryAfterS: 1 });
  await ingest.stop();
});

test("history tells each ingest once, when its rows are in the chain or it has failed", async () => {
  const directory = room.stagingDirectory();
  const ingest = await openIngest(directory);
  const text = '{"a":1}\nbroken\n';
  const one = await request("", { encoding: "gzip" });
  const zipped = () => body(gzipSync(text));
  room.history.length = 0;
  const staged = await ingest.push({ ...one, body: zipped(), ack: "staged", idempotencyKey: "h" }, signal());
  expect(room.history).toEqual([]);
  await ingest.flush(one.dataset.id, signal());
  await ingest.push({ ...one, body: zipped(), idempotencyKey: "h" }, signal());
  await expect(ingest.push({ ...one, body: body("not gzip") }, signal())).rejects.toMatchObject({ code: "bad_input" });
  const sourcePosition = { source: "import:h", position: "1", firstLine: 1 };
  const part = await ingest.push({ ...one, body: zipped(), sourcePosition }, signal());
  const same = { user: "owner", format: "ndjson", bytes: text.length, wireBytes: gzipSync(text).length, rows: 1 };
  expect(room.history).toMatchObject([
    { ...same, ingestId: staged.id, state: "committed", quarantined: 1, firstOffset: 0, lastOffset: 0 },
    { ingestId: expect.any(String), state: "failed", errorCode: "bad_input", bytes: 0, wireBytes: 8, rows: null },
    { ...same, ingestId: part.id, state: "committed", quarantined: 1, firstOffset: 1, lastOffset: 1 },
  ]);
  await ingest.stop();
});

test("a small Parquet body is read as it came", async () => {
  const ingest = await openIngest();
  const one = await request("", { format: { kind: "parquet" } });
  const file = path.join(room.pool.shared, "small.parquet");
  const sql = `COPY (SELECT i AS a FROM range(3) AS t(i)) TO '${file}' (FORMAT parquet)`;
  await room.pool.pool.script({ traceId: one.traceId, label: "test", statements: [{ sql }] }, signal());
  const wire = body(await readFile(file));
  expect(await ingest.push({ ...one, body: wire }, signal())).toMatchObject({ rows: 3, quarantined: 0 });
  await ingest.stop();
});

test("hostile lines are put aside with their reason and their exact bytes, and the others are kept", async () => {
  const ingest = await openIngest();
  const lines = [
    Buffer.from('\ufeff{"a":"bom"}\r'),
    Buffer.from('{"a":"crlf"}\r'),
    Buffer.from(""),
    Buffer.from('{"a":"nul\0"}'),
    Buffer.from('{"a":"\xff"}', "latin1"),
    Buffer.from('{"a":"\\u0000"}'),
    Buffer.from('{"a":"\u{1f600}').subarray(0, -2),
  ];
  const bytes = Buffer.concat(lines.flatMap((line, at) => (at === 0 ? [line] : [Buffer.from("\n"), line])));
  const one = await request(bytes, {
    body: (async function* () {
      for (const byte of bytes) yield Buffer.of(byte);
    })(),
  });
  expect(await ingest.push(one, signal())).toMatchObject({
    rows: 3,
    quarantined: 3,
    reasons: [
      { reason: "not valid UTF-8", count: 2, firstLine: 5 },
      { reason: "not valid JSON", count: 1, firstLine: 4 },
    ],
  });
  await ingest.stop();
});

test("rows that wait for a dataset that is deleted are dropped, and whoever asks is told", async () => {
  const ingest = await openIngest();
  const one = await request('{"a":1}\n', { ack: "staged" });
  await room.datasets.delete(await room.datasets.get(one.dataset.path));
  const staged = await ingest.push(one, signal());
  const waited = ingest.push({ ...one, body: body('{"a":2}\n'), ack: "committed" }, signal());
  await expect(waited).rejects.toMatchObject({ code: "dataset_not_found" });
  await until("the receipt says so", async () => (await ingest.receipt(staged.id))?.state === "failed");
  expect(room.history.filter((entry) => entry.errorCode === "dataset_not_found")).toHaveLength(2);
  await ingest.stop();
});

test("rows of a dataset that was deleted while the server was away do not stop the next start", async () => {
  const directory = room.stagingDirectory();
  const first = await room.open({ directory, commitIntervalMs: 60_000 });
  const one = await request('{"a":1}\n', { ack: "staged" });
  const staged = await first.push(one, signal());
  await room.datasets.delete(await room.datasets.get(one.dataset.path));
  const second = await openIngest(directory);
  expect(await second.receipt(staged.id)).toBeNull();
  await first.stop();
  await second.stop();
});
