import { createHash } from "node:crypto";
import { readdirSync, statSync } from "node:fs";
import { readFile, stat, truncate, utimes, writeFile } from "node:fs/promises";
import path from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { fakeClock, tempDirectory, until } from "../../../test/kit/index.ts";
import { type Clock, type Disk, type Random, seededRandom, silentTelemetry, systemClock } from "../../base/index.ts";
import { nodeDisk } from "../disk.ts";
import type { ReadObject } from "../objects/local-files.ts";
import { ContentCache } from "./content-cache.ts";
import { nameOfDigest } from "./content-name.ts";

const body = (seed: number, sizeBytes: number): Buffer => Buffer.from(seededRandom(seed).bytes(sizeBytes));
const nameOf = (bytes: Uint8Array) => nameOfDigest(createHash("sha3-256").update(bytes).digest());
const keyOf = (bytes: Uint8Array) => `datasets/x/data/${nameOf(bytes)}`;

interface Opened extends AsyncDisposable {
  readonly folder: string;
  readonly cache: ContentCache;
  /** Another one on the same folder, as the next process opens it. */
  again(budgetBytes?: number): Promise<ContentCache>;
}

async function open(
  budgetBytes: number,
  given: { readonly disk?: Disk; readonly clock?: Clock; readonly random?: Random } = {},
): Promise<Opened> {
  const root = await tempDirectory();
  const folder = path.join(root.path, "cache");
  const common = {
    folder,
    disk: given.disk ?? nodeDisk,
    clock: given.clock ?? systemClock,
    telemetry: silentTelemetry,
  };
  let seed = 1;
  const again = (bytes = budgetBytes) =>
    ContentCache.open({ ...common, budgetBytes: bytes, random: seededRandom(seed++) });
  return { folder, cache: await again(), again, [Symbol.asyncDispose]: () => root[Symbol.asyncDispose]() };
}

/** A store of one object, in pieces; counts how often it is read. */
function source(bytes: Uint8Array, piece = 100_000) {
  const told = { reads: 0 };
  const read: ReadObject = async (sink, signal) => {
    told.reads++;
    await sink.begin(bytes.length);
    for (let at = 0; at < bytes.length; at += piece) {
      signal.throwIfAborted();
      await sink.take(bytes.subarray(at, at + piece));
    }
    return true;
  };
  return { told, read };
}

const unread: ReadObject = async () => {
  throw new Error("it was to be found in the cache");
};

const filesIn = (folder: string) => readdirSync(folder, { withFileTypes: true }).filter((entry) => entry.isFile());
const bytesIn = (folder: string): number =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .reduce((sum, { parentPath, name }) => sum + statSync(path.join(parentPath, name)).size, 0);

describe("the cache", () => {
  test("fetches an object once for all who ask at once, and not again", async () => {
    await using opened = await open(1e6);
    const bytes = body(1, 300_000);
    const { told, read } = source(bytes);
    const held = await Promise.all(Array.from({ length: 50 }, () => opened.cache.open(keyOf(bytes), read)));
    for (const file of held) expect(bytes.equals(await readFile(file?.path ?? ""))).toBe(true);
    for (const file of held) await file?.[Symbol.asyncDispose]();
    await using later = await opened.cache.open(keyOf(bytes), unread);
    expect([told.reads, later?.path]).toEqual([1, held[0]?.path]);
  });

  test("knows an object by its content, wherever it lies", async () => {
    await using opened = await open(1e6);
    const bytes = body(1, 1000);
    await using _held = await opened.cache.open(keyOf(bytes), source(bytes).read);
    await using other = await opened.cache.open(`datasets/y/layout/data/3-000-${nameOf(bytes)}`, unread);
    expect(bytes.equals(await readFile(other?.path ?? ""))).toBe(true);
  });

  test("gives nothing for what is absent, and keeps nothing of it", async () => {
    await using opened = await open(1e6);
    const absent: ReadObject = async () => false;
    expect(await opened.cache.open(keyOf(body(1, 10)), absent)).toBeNull();
    expect(await opened.cache.open("an/other", absent)).toBeNull();
    expect(bytesIn(opened.folder)).toBe(0);
  });

  test("gives each reader of an object that is not named by its content a file of its own, which goes with it", async () => {
    await using opened = await open(1e6);
    const { told, read } = source(Buffer.from("new"));
    const [a, b] = [await opened.cache.open("refs/head", read), await opened.cache.open("refs/head", read)];
    expect([a?.path === b?.path, told.reads]).toEqual([false, 2]);
    for (const file of [a, b]) await file?.[Symbol.asyncDispose]();
    expect(bytesIn(opened.folder)).toBe(0);
  });
});

describe("no byte is believed that does not meet its hash", () => {
  test("other bytes from the store are an error and are not kept", async () => {
    await using opened = await open(1e6);
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
    await using opened = await open(1e6);
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
    await using opened = await open(1e6);
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
    await using opened = await open(1e6);
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

describe("the budget", () => {
  test("holds through any history, and what is held stays", async () => {
    const sizes = [0, 1, 90, 100, 250, 400];
    const bodies = sizes.map((size, index) => body(index, size));
    const step = fc.record({
      what: fc.constantFrom("open", "open", "release", "adopt", "forget", "restart"),
      which: fc.nat(sizes.length - 1),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
        const budgetBytes = 500;
        const clock = fakeClock();
        await using opened = await open(budgetBytes, { clock });
        let cache = opened.cache;
        const held: { which: number; file: NonNullable<Awaited<ReturnType<ContentCache["open"]>>> }[] = [];
        for (const { what, which } of steps) {
          const bytes = bodies[which] ?? Buffer.alloc(0);
          if (what === "open") {
            const pinned = new Set([...held.map((one) => one.which), which]);
            const fits = [...pinned].reduce((sum, one) => sum + (sizes[one] ?? 0), 0) <= budgetBytes;
            if (!fits) continue;
            const file = await cache.open(keyOf(bytes), source(bytes, 60).read);
            if (file !== null) held.push({ which, file });
          } else if (what === "release") {
            await held.shift()?.file[Symbol.asyncDispose]();
          } else if (what === "adopt") {
            const local = path.join(path.dirname(opened.folder), "written");
            await writeFile(local, bytes);
            await cache.adopt(keyOf(bytes), local);
          } else if (what === "forget") {
            await cache.forget(keyOf(bytes));
          } else {
            for (const { file } of held.splice(0)) await file[Symbol.asyncDispose]();
            cache = await opened.again();
          }
          expect(bytesIn(opened.folder)).toBeLessThanOrEqual(budgetBytes);
          for (const one of held) expect(bodies[one.which]?.equals(await readFile(one.file.path))).toBe(true);
        }
      }),
      { numRuns: 60 },
    );
  });

  test("drops what was used for longest", async () => {
    await using opened = await open(300);
    const [a, b, c, d] = [1, 2, 3, 4].map((seed) => body(seed, 100)) as [Buffer, Buffer, Buffer, Buffer];
    const use = async (bytes: Buffer) => {
      const { told, read } = source(bytes);
      await using _held = await opened.cache.open(keyOf(bytes), read);
      return told.reads;
    };
    expect([await use(a), await use(b), await use(c), await use(a), await use(d)]).toEqual([1, 1, 1, 0, 1]);
    expect([await use(a), await use(c), await use(b)]).toEqual([0, 0, 1]);
  });

  test("who needs room that readers hold waits until they let go", async () => {
    await using opened = await open(300);
    const held = await opened.cache.open(keyOf(body(1, 200)), source(body(1, 200)).read);
    let isOpen = false;
    const waiting = opened.cache.open(keyOf(body(2, 200)), source(body(2, 200)).read).then((file) => {
      isOpen = true;
      return file;
    });
    await new Promise((resolve) => setImmediate(resolve));
    expect(isOpen).toBe(false);
    await held?.[Symbol.asyncDispose]();
    await using file = await waiting;
    expect(body(2, 200).equals(await readFile(file?.path ?? ""))).toBe(true);
  });

  test("and is told after a while, or at once where it can never be had", async () => {
    const clock = fakeClock();
    await using opened = await open(300, { clock });
    await using _held = await opened.cache.open(keyOf(body(1, 200)), source(body(1, 200)).read);
    const asked = opened.cache.open(keyOf(body(2, 200)), source(body(2, 200)).read);
    const refused = expect(asked).rejects.toMatchObject({ code: "disk_full" });
    await until("the wait for room", () => clock.pending > 0);
    await clock.advance(10_000);
    await refused;
    const { read } = source(body(3, 301));
    await expect(opened.cache.open(keyOf(body(3, 301)), read)).rejects.toMatchObject({ code: "disk_full" });
    expect(bytesIn(opened.folder)).toBe(200);
    // Nothing of the refused ones counts any longer.
    await using _other = await opened.cache.open(keyOf(body(4, 100)), source(body(4, 100)).read);
  });

  test("a smaller budget at the next start drops the oldest", async () => {
    await using opened = await open(1e6);
    for (const seed of [1, 2, 3]) {
      const bytes = body(seed, 100);
      const file = await opened.cache.open(keyOf(bytes), source(bytes).read);
      await utimes(file?.path ?? "", seed, seed);
      await file?.[Symbol.asyncDispose]();
    }
    await opened.again(200);
    expect(filesIn(opened.folder)).toHaveLength(2);
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
    await using opened = await open(1e6);
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
    await using opened = await open(1000);
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

describe("a full disk", () => {
  /** The machine's disk, with room for so many bytes below the folder. */
  function smallDisk(roomBytes: number): Disk {
    return {
      ...nodeDisk,
      async open(file, mode) {
        const handle = await nodeDisk.open(file, mode);
        if (mode === "read") return handle;
        const cacheFolder = path.dirname(path.dirname(file));
        return {
          read: (position, length) => handle.read(position, length),
          truncate: (size) => handle.truncate(size),
          sync: () => handle.sync(),
          sizeBytes: () => handle.sizeBytes(),
          async write(bytes, position) {
            if (bytesIn(cacheFolder) + bytes.length > roomBytes)
              throw Object.assign(new Error("ENOSPC: no space left on device"), { code: "ENOSPC" });
            await handle.write(bytes, position);
          },
          [Symbol.asyncDispose]: () => handle[Symbol.asyncDispose](),
        };
      },
    };
  }

  test("makes what nobody reads go; where all is read, it is told, and nothing half stays", async () => {
    await using opened = await open(1e6, { disk: smallDisk(1000) });
    const [a, b, c] = [body(1, 600), body(2, 600), body(3, 600)];
    const first = await opened.cache.open(keyOf(a), source(a, 100).read);
    await first?.[Symbol.asyncDispose]();
    await using held = await opened.cache.open(keyOf(b), source(b, 100).read);
    expect(filesIn(opened.folder).map(({ name }) => name)).toEqual([nameOf(b)]);
    await expect(opened.cache.open(keyOf(c), source(c, 100).read)).rejects.toMatchObject({ code: "disk_full" });
    expect([bytesIn(opened.folder), b.equals(await readFile(held?.path ?? ""))]).toEqual([600, true]);
  });
});

async function flip(file: string): Promise<void> {
  const bytes = await readFile(file);
  bytes[7] = (bytes[7] ?? 0) ^ 1;
  await writeFile(file, bytes);
}
