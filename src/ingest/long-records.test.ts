import { afterAll, beforeAll, expect, test } from "vitest";
import { type OpenRoom, openRoom } from "../../test/ingest/room.ts";
import type { FormatSpec } from "./formats/spec.ts";

let room: OpenRoom;
beforeAll(async () => {
  room = await openRoom();
});
afterAll(() => room[Symbol.asyncDispose]());

const megabyte = Buffer.alloc(1 << 20, "y");
async function* body(begin: string, megabytes: number, end: string) {
  yield Buffer.from(begin);
  for (let at = 0; at < megabytes; at++) yield megabyte;
  yield Buffer.from(end);
}

test.each<[string, FormatSpec, string, string]>([
  ["a line of JSON", { kind: "ndjson" }, '{"a":1}\n{"a":"', '"}\n{"a":2}\n'],
  ["an element of an array", { kind: "json" }, '[{"a":1},{"a":"', '"}, {"a":2}]'],
  ["a line of text", { kind: "text", pattern: "^(?<word>\\S+)$" }, "x\n", "\nz\n"],
])(
  "%s that is too long for any reader goes to quarantine in pieces, and the others are kept",
  async (_, format, begin, end) => {
    const ingest = await room.open();
    const request = await room.request("", { format, body: body(begin, 40, end) });
    const receipt = await ingest.push(request, AbortSignal.timeout(60_000));
    expect(receipt).toMatchObject({
      state: "committed",
      rows: 2,
      reasons: [{ reason: "the record is longer than 32 MiB", firstLine: 2 }],
    });
    await ingest.stop();
  },
  60_000,
);
