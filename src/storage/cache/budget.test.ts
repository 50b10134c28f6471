import { readFile, utimes, writeFile } from "node:fs/promises";
import path from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { fakeClock, until } from "../../../test/kit/index.ts";
import { body, bytesIn, filesIn, keyOf, nameOf, openCache, source } from "../../../test/storage/cache.ts";
import type { Disk } from "../../base/index.ts";
import { nodeDisk } from "../disk.ts";
import type { ContentCache } from "./content-cache.ts";

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
        await using opened = await openCache(budgetBytes, { clock });
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
    await using opened = await openCache(300);
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
    await using opened = await openCache(300);
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
    await using opened = await openCache(300, { clock });
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
    await using opened = await openCache(1e6);
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
    await using opened = await openCache(1e6, { disk: smallDisk(1000) });
    const [a, b, c] = [body(1, 600), body(2, 600), body(3, 600)];
    const first = await opened.cache.open(keyOf(a), source(a, 100).read);
    await first?.[Symbol.asyncDispose]();
    await using held = await opened.cache.open(keyOf(b), source(b, 100).read);
    expect(filesIn(opened.folder).map(({ name }) => name)).toEqual([nameOf(b)]);
    await expect(opened.cache.open(keyOf(c), source(c, 100).read)).rejects.toMatchObject({ code: "disk_full" });
    expect([bytesIn(opened.folder), b.equals(await readFile(held?.path ?? ""))]).toEqual([600, true]);
  });
});
