import { readFile, stat, truncate, utimes, writeFile } from "node:fs/promises";
import path from "node:path";
import { describe, expect, test } from "vitest";
import { until } from "../../../test/kit/index.ts";
import { body, bytesIn, filesIn, keyOf, nameOf, openCache, source, unread } from "../../../test/storage/cache.ts";
import type { ReadObject } from "../objects/local-files.ts";

describe("the cache", () => {
  test("fetches an object once for all who ask at once, and not again", async () => {
    await using opened = await openCache(1e6);
    const bytes = body(1, 300_000);
    const { told, read } = source(bytes);
    const held = await Promise.all(Array.from({ length: 50 }, () => opened.cache.open(keyOf(bytes), read)));
    for (const file of held) expect(bytes.equals(await readFile(file?.path ?? ""))).toBe(true);
    for (const file of held) await file?.[Symbol.asyncDispose]();
    await using later = await opened.cache.open(keyOf(bytes), unread);
    expect([told.reads, later?.path]).toEqual([1, held[0]?.path]);
  });

  test("knows an object by its content, wherever it lies", async () => {
    await using opened = await openCache(1e6);
    const bytes = body(1, 1000);
    await using _held = await opened.cache.open(keyOf(bytes), source(bytes).read);
    await using other = await opened.cache.open(`datasets/y/layout/data/3-000-${nameOf(bytes)}`, unread);
    expect(bytes.equals(await readFile(other?.path ?? ""))).toBe(true);
  });

  test("gives nothing for what is absent, and keeps nothing of it", async () => {
    await using opened = await openCache(1e6);
    const absent: ReadObject = async () => false;
    expect(await opened.cache.open(keyOf(body(1, 10)), absent)).toBeNull();
    expect(await opened.cache.open("an/other", absent)).toBeNull();
    expect(bytesIn(opened.folder)).toBe(0);
  });

  test("gives each reader of an object that is not named by its content a file of its own, which goes with it", async () => {
    await using opened = await openCache(1e6);
    const { told, read } = source(Buffer.from("new"));
    const [a, b] = [await opened.cache.open("refs/head", read), await opened.cache.open("refs/head", read)];
    expect([a?.path === b?.path, told.reads]).toEqual([false, 2]);
    for (const file of [a, b]) await file?.[Symbol.asyncDispose]();
    expect(bytesIn(opened.folder)).toBe(0);
  });
});

describe("no byte is believed that does not meet its hash", () => {
  test("other bytes from the store are an error and are not kept", async () => {
    await using opened = await openCache(1e6);
    const wrong = source(body(2, 1000)).read;
    await expect(opened.cache.open(keyOf(body(1, 1000)), wrong)).rejects.toMatchObject({ code: "chain_broken" });
    expect(bytesIn(opened.folder)).toBe(0);
    await using held = await opened.cache.open(keyOf(body(1, 1000)), source(body(1, 1000)).read);
    expect(body(1, 1000).equals(await readFile(held?.path ?? ""))).toBe(true);
  });

  test.each([
    ["stays", async () => {}, 0],
    ["is cut", (file: string) => truncate(file, 500), 1],
    ["has another byte", (file: string) => flip(file), 1],
    ["is emptied", (file: string) => truncate(file, 0), 1],
  ])("a file that %s between two processes", async (_, change, reads) => {
    await using opened = await openCache(1e6);
    const bytes = body(1, 1000);
    const { told, read } = source(bytes);
    const file = await opened.cache.open(keyOf(bytes), source(bytes).read);
    await file?.[Symbol.asyncDispose]();
    await change(file?.path ?? "");
    await writeFile(path.join(opened.folder, ".tmp", "half"), "a download that was killed");
    const next = await opened.again();
    await using held = await next.open(keyOf(bytes), read);
    expect([bytes.equals(await readFile(held?.path ?? "")), told.reads]).toEqual([true, reads]);
    expect(bytesIn(opened.folder)).toBe(1000);
  });

  test("a file whose bytes change under a running server, at the same size and time, is found out at its next use", async () => {
    await using opened = await openCache(1e6);
    const bytes = body(1, 1000);
    const { told, read } = source(bytes);
    const file = await opened.cache.open(keyOf(bytes), read);
    await file?.[Symbol.asyncDispose]();
    const { atime, mtime } = await stat(file?.path ?? "");
    await flip(file?.path ?? "");
    await utimes(file?.path ?? "", atime, mtime);
    await using held = await opened.cache.open(keyOf(bytes), read);
    expect([bytes.equals(await readFile(held?.path ?? "")), told.reads]).toEqual([true, 2]);
  });

  test("a file that was written here is held against its name at its first use", async () => {
    await using opened = await openCache(1e6);
    for (const [content, reads] of [
      [body(1, 1000), 0],
      [body(9, 1000), 1],
    ] as const) {
      const bytes = body(1, 1000);
      const local = path.join(path.dirname(opened.folder), "written");
      await writeFile(local, content);
      await opened.cache.adopt(keyOf(bytes), local);
      const { told, read } = source(bytes);
      {
        await using held = await opened.cache.open(keyOf(bytes), read);
        expect([bytes.equals(await readFile(held?.path ?? "")), told.reads]).toEqual([true, reads]);
      }
      await opened.cache.forget(keyOf(bytes));
      expect(filesIn(opened.folder)).toEqual([]);
    }
  });
});

describe("who no longer waits", () => {
  /** Gives one piece, then waits until it is let go on or aborted. */
  function slowSource(bytes: Uint8Array) {
    const told = { begun: false, aborted: false };
    const gate = Promise.withResolvers<void>();
    const read: ReadObject = async (sink, signal) => {
      await sink.begin(bytes.length);
      await sink.take(bytes.subarray(0, 10));
      told.begun = true;
      const aborted = new Promise<never>((_, reject) => {
        signal.addEventListener("abort", () => {
          told.aborted = true;
          reject(signal.reason);
        });
      });
      await Promise.race([gate.promise, aborted]);
      await sink.take(bytes.subarray(10));
      return true;
    };
    return { told, read, go: () => gate.resolve() };
  }

  test("leaves at once, and the fetch goes on for the others", async () => {
    await using opened = await openCache(1e6);
    const bytes = body(1, 1000);
    const { told, read, go } = slowSource(bytes);
    const controller = new AbortController();
    const [leaving, staying] = [
      opened.cache.open(keyOf(bytes), read, controller.signal),
      opened.cache.open(keyOf(bytes), unread),
    ];
    await until("the fetch", () => told.begun);
    const reason = new Error("no longer wanted");
    controller.abort(reason);
    await expect(leaving).rejects.toBe(reason);
    expect(told.aborted).toBe(false);
    go();
    await using held = await staying;
    expect(bytes.equals(await readFile(held?.path ?? ""))).toBe(true);
  });

  test("ends the fetch with the last of them, and nothing of it is left", async () => {
    await using opened = await openCache(1000);
    const bytes = body(1, 1000);
    const { told, read } = slowSource(bytes);
    const controller = new AbortController();
    const both = [1, 2].map(() => opened.cache.open(keyOf(bytes), read, controller.signal));
    await until("the fetch", () => told.begun);
    controller.abort(new Error("no longer wanted"));
    expect((await Promise.allSettled(both)).map(({ status }) => status)).toEqual(["rejected", "rejected"]);
    expect([told.aborted, bytesIn(opened.folder)]).toEqual([true, 0]);
    await using held = await opened.cache.open(keyOf(bytes), source(bytes).read); // the whole budget is free
    expect(held).not.toBeNull();
  });
});

async function flip(file: string): Promise<void> {
  const bytes = await readFile(file);
  bytes[7] = (bytes[7] ?? 0) ^ 1;
  await writeFile(file, bytes);
}
