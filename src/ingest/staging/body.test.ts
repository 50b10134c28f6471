import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { createServer, request } from "node:http";
import type { AddressInfo } from "node:net";
import path from "node:path";
import { createGzip, gzipSync, zstdCompressSync } from "node:zlib";
import fc from "fast-check";
import { expect, test } from "vitest";
import { tempDirectory } from "../../../test/kit/index.ts";
import type { Disk } from "../../base/index.ts";
import { nodeDisk } from "../../storage/index.ts";
import type { Encoding } from "../formats/spec.ts";
import { type TakeOptions, takeBody } from "./body.ts";

const optionsFor = (file: string, more: Partial<TakeOptions> = {}): TakeOptions => ({
  encoding: "identity",
  jsonElements: false,
  disk: nodeDisk,
  path: file,
  durable: false,
  hashed: true,
  countLines: true,
  headBytes: 16,
  admit: () => {},
  meter: { bytes: 0, wireBytes: 0 },
  signal: new AbortController().signal,
  ...more,
});

async function* chunks(bytes: Buffer, sizes: readonly number[]): AsyncIterable<Uint8Array> {
  for (let at = 0, turn = 0; at < bytes.length; turn++) {
    const size = Math.max(1, sizes[turn % sizes.length] ?? 1);
    yield bytes.subarray(at, at + size);
    at += size;
  }
}

async function taken(bytes: Buffer, sizes: readonly number[], options: TakeOptions) {
  const body = await takeBody(chunks(bytes, sizes), options);
  const content = body.file === null ? body.bytes : (await readFile(body.file)).subarray(body.headBytes);
  return { ...body, bytes: Buffer.from(content ?? []), meter: options.meter };
}

const encode: Readonly<Record<Encoding, (bytes: Buffer) => Buffer>> = {
  identity: (bytes) => bytes,
  // Two members, two frames: what tools that append make.
  gzip: (bytes) => Buffer.concat([gzipSync(bytes.subarray(0, 7)), gzipSync(bytes.subarray(7))]),
  zstd: (bytes) => Buffer.concat([zstdCompressSync(bytes.subarray(0, 7)), zstdCompressSync(bytes.subarray(7))]),
};
const encodings = fc.constantFrom<Encoding>("identity", "gzip", "zstd");
const sizes = fc.array(fc.oneof(fc.constant(1), fc.integer({ min: 1, max: 40 })), { minLength: 1, maxLength: 5 });
const piece = fc.constantFrom("{", '"a":1', "}", "[", "]", ",", "\n", "\r\n", " ", '"\\""', "\u{1f600}", "﻿", "\0", "x");
const text = fc.array(piece, { maxLength: 60 }).map((pieces) => Buffer.from(pieces.join("")));

test("a body is the same however its bytes come in", async () => {
  await using folder = await tempDirectory();
  const options = (encoding: Encoding) => optionsFor(path.join(folder.path, "body"), { encoding });
  await fc.assert(
    fc.asyncProperty(text, encodings, sizes, async (bytes, encoding, cut) => {
      const wire = encode[encoding](bytes);
      const body = await taken(wire, cut, options(encoding));
      const lines = bytes
        .toString("latin1")
        .split("\n")
        .filter((line) => /[^\t-\r ]/.test(line));
      expect(body).toMatchObject({ sizeBytes: bytes.length, lines: lines.length, file: null, first: bytes });
      expect(body.hash).toBe(createHash("sha256").update(bytes).digest("hex"));
      expect(body.bytes.equals(bytes)).toBe(true);
      expect(body.meter).toEqual({ bytes: bytes.length, wireBytes: wire.length });
    }),
    { numRuns: 200 },
  );
});

test("the elements of a JSON array are lines, however they are cut, spaced and nested", async () => {
  await using folder = await tempDirectory();
  const row = fc.dictionary(fc.string({ unit: "binary" }), fc.jsonValue({ maxDepth: 3 }), { maxKeys: 3 });
  const spaces = fc.constantFrom(undefined, 1, "\t");
  await fc.assert(
    fc.asyncProperty(
      fc.array(row, { maxLength: 4 }),
      spaces,
      sizes,
      fc.boolean(),
      async (rows, indent, cut, marked) => {
        const json = `${marked ? "﻿" : ""}\r\n ${JSON.stringify(rows, null, indent)} \n`;
        const options = optionsFor(path.join(folder.path, "body"), { jsonElements: true });
        const body = await taken(Buffer.from(json), cut, options);
        const lines = body.bytes
          .toString()
          .split("\n")
          .filter((line) => line.trim() !== "");
        expect(lines.map((line): unknown => JSON.parse(line))).toEqual(JSON.parse(JSON.stringify(rows)));
        expect(body.lines).toBe(rows.length);
      },
    ),
    { numRuns: 200 },
  );
});

test("hostile JSON gives the same lines however it is cut, or the same refusal", async () => {
  await using folder = await tempDirectory();
  const options = () => optionsFor(path.join(folder.path, "body"), { jsonElements: true });
  await fc.assert(
    fc.asyncProperty(text, sizes, async (bytes, cut) => {
      const of = (parts: readonly number[]) =>
        taken(bytes, parts, options()).then(
          (body) => body.bytes.toString("latin1"),
          (error: unknown) => String(error),
        );
      expect(await of(cut)).toBe(await of([1_000]));
    }),
    { numRuns: 300 },
  );
});

test("a large body is the same in its file, behind the room at its head", async () => {
  await using folder = await tempDirectory();
  const bytes = Buffer.from('{"a":"é"}\n'.repeat(300_000));
  for (const cut of [[999], [1 << 16], [1 << 22]]) {
    const body = await taken(encode.zstd(bytes), cut, optionsFor(path.join(folder.path, "body"), { encoding: "zstd" }));
    expect(body).toMatchObject({ sizeBytes: bytes.length, headBytes: 16, lines: 300_000 });
    expect(body.bytes.equals(bytes)).toBe(true);
  }
});

test.each(["gzip", "zstd"] as const)(
  "%s that breaks off anywhere, or goes on behind its end, is refused",
  async (encoding) => {
    await using folder = await tempDirectory();
    const file = path.join(folder.path, "body");
    const whole = (encoding === "gzip" ? gzipSync : zstdCompressSync)(Buffer.from('{"a":1}\n{"a":2}\n'));
    for (let cut = 0; cut < whole.length; cut++) {
      const body = taken(whole.subarray(0, cut), [5], optionsFor(file, { encoding }));
      await expect(body).rejects.toMatchObject({ code: "bad_input" });
    }
    for (const tail of ["garbage!", "\0\0\0\0"]) {
      for (const cut of [[1], [whole.length], [1_000]]) {
        const body = taken(Buffer.concat([whole, Buffer.from(tail)]), cut, optionsFor(file, { encoding }));
        await expect(body).rejects.toMatchObject({ code: "bad_input" });
      }
    }
    expect(existsSync(file)).toBe(false);
  },
);

test.each([
  ["UTF-16", Buffer.from("﻿a,b\n", "utf16le")],
  ["UTF-16, the other way round", Buffer.from("﻿a,b\n", "utf16le").swap16()],
])("text in %s is refused", async (_, bytes) => {
  await using folder = await tempDirectory();
  const body = taken(bytes, [1], optionsFor(path.join(folder.path, "body")));
  await expect(body).rejects.toMatchObject({ code: "bad_input", message: expect.stringContaining("UTF-16") });
});

test("a body that grows without end ends at the disk's, in constant memory, and leaves nothing there", async () => {
  await using folder = await tempDirectory();
  const file = path.join(folder.path, "body");
  const limit = 100 << 20;
  let written = 0;
  let mostHeld = 0;
  const meter = { bytes: 0, wireBytes: 0 };
  const disk: Disk = {
    ...nodeDisk,
    async open(name, mode) {
      const opened = await nodeDisk.open(name, mode);
      return Object.assign(Object.create(opened), {
        async write(bytes: Uint8Array) {
          mostHeld = Math.max(mostHeld, meter.bytes - written);
          written += bytes.length;
          if (written > limit) throw Object.assign(new Error("no space left"), { code: "ENOSPC" });
        },
        [Symbol.asyncDispose]: () => opened[Symbol.asyncDispose](),
      });
    },
  };
  const bomb = createGzip();
  const zeros = Buffer.alloc(1 << 20);
  const pour = () => {
    while (!bomb.destroyed && bomb.write(zeros));
  };
  bomb.on("drain", pour);
  pour();
  const body = takeBody(bomb, optionsFor(file, { encoding: "gzip", disk, meter }));
  await expect(body).rejects.toMatchObject({ code: "disk_full" });
  bomb.destroy();
  expect(mostHeld).toBeLessThan(2 << 20);
  expect(existsSync(file)).toBe(false);
}, 30_000);

test("a client that goes away in the middle leaves nothing behind", async () => {
  await using folder = await tempDirectory();
  const file = path.join(folder.path, "body");
  const outcome = Promise.withResolvers<unknown>();
  const server = createServer((incoming) => {
    takeBody(incoming, optionsFor(file)).then(
      () => outcome.resolve(null),
      (error: unknown) => outcome.resolve(error),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo; // it listens on a port
  const client = request({ port, host: "127.0.0.1", method: "POST" });
  client.on("error", () => {});
  client.write("x".repeat(3 << 20));
  await expect.poll(() => existsSync(file)).toBe(true);
  client.destroy();
  expect(await outcome.promise).toMatchObject({ code: "ECONNRESET" });
  expect(existsSync(file)).toBe(false);
  await new Promise((resolve) => server.close(resolve));
});
