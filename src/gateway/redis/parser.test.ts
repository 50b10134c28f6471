import fc from "fast-check";
import { expect, test } from "vitest";
import { ProtocolError, RequestParser } from "./parser.ts";

const encoded = (words: readonly Uint8Array[]) =>
  Buffer.concat([
    Buffer.from(`*${words.length}\r\n`),
    ...words.flatMap((word) => [Buffer.from(`$${word.length}\r\n`), word, Buffer.from("\r\n")]),
  ]);

function parsed(parser: RequestParser, chunk: Buffer): string[][] {
  const requests: string[][] = [];
  parser.take(chunk);
  while (parser.next()) {
    requests.push(
      Array.from({ length: parser.count }, (_, index) =>
        parser.bytes.toString("latin1", parser.start(index), parser.end(index)),
      ),
    );
  }
  return requests;
}

const word = fc.uint8Array({ maxLength: 40 });
const request = fc.array(word, { minLength: 1, maxLength: 20 });

test("requests are the same, whatever pieces they come in", () => {
  fc.assert(
    fc.property(
      fc.array(request, { maxLength: 8 }),
      fc.infiniteStream(fc.integer({ min: 1, max: 60 })),
      (asked, sizes) => {
        const bytes = Buffer.concat(asked.map(encoded));
        const parser = new RequestParser();
        const got: string[][] = [];
        for (let at = 0; at < bytes.length; ) {
          const size = sizes.next().value;
          // A copy that is overwritten afterwards: what is kept is the parser's own.
          const chunk = Buffer.from(bytes.subarray(at, at + size));
          got.push(...parsed(parser, chunk));
          chunk.fill(0x21);
          at += size;
        }
        expect(got).toEqual(asked.map((words) => words.map((one) => Buffer.from(one).toString("latin1"))));
      },
    ),
    { numRuns: 300 },
  );
});

test("lines that somebody types are requests, empty ones are none", () => {
  expect(parsed(new RequestParser(), Buffer.from("PING\r\n\r\n*0\r\n  GET  a\tb \nQUIT\r\n"))).toEqual([
    ["PING"],
    ["GET", "a", "b"],
    ["QUIT"],
  ]);
});

test.each([
  ["an argument without its mark", "*1\r\nPING\r\n"],
  ["a length that is none", "*1\r\n$x\r\n"],
  ["a length below nothing", "*1\r\n$-1\r\n"],
  ["a count that is too large", "*70000\r\n"],
  ["a count that never ends", `*${"1".repeat(40)}`],
  ["an argument that is too long", "*1\r\n$200000\r\n"],
  ["an argument that ends elsewhere", "*1\r\n$4\r\nPINGxx"],
  ["a line that never ends", "a".repeat(70_000)],
])("%s is refused", (_, text) => {
  expect(() => parsed(new RequestParser(), Buffer.from(text))).toThrow(ProtocolError);
});

test("a request that grows without end is refused before it is large", () => {
  const parser = new RequestParser();
  parsed(parser, Buffer.from("*60000\r\n"));
  const argument = Buffer.concat([Buffer.from("$100000\r\n"), Buffer.alloc(100_000), Buffer.from("\r\n")]);
  let taken = 0;
  expect(() => {
    for (; taken < 1_000; taken++) parsed(parser, argument);
  }).toThrow(ProtocolError);
  expect(taken * argument.length).toBeLessThan(9 * 1024 * 1024);
});
