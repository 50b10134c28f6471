import { createHash, randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { keysOf, listingConformance } from "./listing-conformance.ts";
import type { ObjectStore } from "./object-store.ts";

/** What the suite needs of a backend under test. */
export interface OpenStore extends AsyncDisposable {
  /** Another client of the same store, as another process would open it. The store is empty at first. */
  client(): ObjectStore;
  /** An existing local folder that files are adopted from. */
  readonly localFolder: string;
}

const bytes = (text: string) => new TextEncoder().encode(text);
const text = (body: Uint8Array | null) => (body === null ? null : Buffer.from(body).toString());
const sha256 = (body: Uint8Array) => createHash("sha256").update(body).digest("hex");
/** What every object store must do; see the contract in object-store.ts. `open` is called once. */
export function objectStoreConformance(name: string, open: () => Promise<OpenStore>) {
  describe(`${name} keeps the object store contract`, () => {
    let opened: OpenStore;
    let store: ObjectStore;
    let folders = 0;
    /** Each test writes below a folder of its own. */
    const fresh = () => `t${folders++}`;
    beforeAll(async () => {
      opened = await open();
      store = opened.client();
    }, 60_000);
    afterAll(async () => await opened?.[Symbol.asyncDispose]());

    const localFile = async (body: Uint8Array) => {
      const file = path.join(opened.localFolder, randomBytes(8).toString("hex"));
      await writeFile(file, body);
      return file;
    };

    describe("one object", () => {
      test("put replaces, putIfAbsent does not, and each is seen at once by every client", async () => {
        const key = `${fresh()}/a`;
        const other = opened.client();
        await store.put(key, bytes("one"));
        expect(text(await other.get(key))).toBe("one");
        await other.put(key, bytes("two!"));
        expect(text(await store.get(key))).toBe("two!");
        expect(await store.putIfAbsent(key, bytes("three"))).toBe("exists");
        expect(text(await store.get(key))).toBe("two!");
        expect(await other.stat(key)).toMatchObject({ key, sizeBytes: 4 });
      });

      test("an empty body is an object", async () => {
        const key = `${fresh()}/empty`;
        expect(await store.putIfAbsent(key, new Uint8Array())).toBe("created");
        expect(await store.get(key)).toHaveLength(0);
        expect(await store.stat(key)).toMatchObject({ sizeBytes: 0 });
        expect(await store.get(key, { range: { start: 0, length: 10 } })).toHaveLength(0);
        expect(await store.putIfAbsent(key, bytes("x"))).toBe("exists");
      });

      test("any bytes come back as they went in, and ranges are cut at the end", async () => {
        const folder = fresh();
        let n = 0;
        await fc.assert(
          fc.asyncProperty(fc.uint8Array({ maxLength: 300 }), fc.nat(320), fc.nat(320), async (body, start, length) => {
            const key = `${folder}/${n++}`;
            await store.put(key, body);
            expect(Buffer.from((await store.get(key)) ?? [])).toEqual(Buffer.from(body));
            const part = await store.get(key, { range: { start, length } });
            expect(Buffer.from(part ?? [])).toEqual(Buffer.from(body.subarray(start, start + length)));
          }),
          { numRuns: 50 },
        );
      });

      test("what is absent is null, and deleting it is nothing", async () => {
        const folder = fresh();
        await store.put(`${folder}/there/below`, bytes("x"));
        for (const key of [`${folder}/none`, `${folder}/there`, `${folder}/there/below/it`, "never/made/this"]) {
          expect(await store.get(key)).toBeNull();
          expect(await store.get(key, { range: { start: 0, length: 1 } })).toBeNull();
          expect(await store.stat(key)).toBeNull();
          expect(await store.local(key)).toBeNull();
          await store.delete(key);
        }
        expect(await keysOf(store, `${folder}/`)).toEqual([`${folder}/there/below`]);
      });

      test("a deleted one is gone for every client, and its name is free", async () => {
        const key = `${fresh()}/a`;
        await store.put(key, bytes("one"));
        await opened.client().delete(key);
        expect([await store.get(key), await store.stat(key)]).toEqual([null, null]);
        expect(await store.putIfAbsent(key, bytes("two"))).toBe("created");
        expect(text(await store.get(key))).toBe("two");
      });

      test("readers see one body or the other, never a mixture", async () => {
        const key = `${fresh()}/a`;
        const [ones, twos] = [Buffer.alloc(1_000_000, "1"), Buffer.alloc(700_000, "2")];
        await store.put(key, ones);
        const reader = opened.client();
        const seen = new Set<string>();
        const writing = (async () => {
          for (let round = 0; round < 20; round++) await store.put(key, round % 2 === 0 ? twos : ones);
        })();
        for (let round = 0; round < 40; round++) seen.add(sha256((await reader.get(key)) ?? new Uint8Array()));
        await writing;
        expect([...seen].filter((hash) => hash !== sha256(ones) && hash !== sha256(twos))).toEqual([]);
      });

      test("has a local file while it is held, with its bytes", async () => {
        const key = `${fresh()}/a`;
        await store.put(key, bytes("local"));
        await using held = await store.local(key);
        expect(text(await readFile(held?.path ?? ""))).toBe("local");
      });
    });

    describe("create if absent", () => {
      test("of fifty who create one key at once, one is told that it did, and its body stands", async () => {
        const folder = fresh();
        const clients = Array.from({ length: 50 }, () => opened.client());
        for (let round = 0; round < 5; round++) {
          const key = `${folder}/${round}`;
          const outcomes = await Promise.all(clients.map((client, i) => client.putIfAbsent(key, bytes(`writer ${i}`))));
          const winners = outcomes.flatMap((outcome, i) => (outcome === "created" ? [i] : []));
          expect(winners).toHaveLength(1);
          for (const client of clients) expect(text(await client.get(key))).toBe(`writer ${winners[0]}`);
        }
      });

      test("writers of different keys in one new folder do not disturb each other", async () => {
        const folder = `${fresh()}/new/folder`;
        const outcomes = await Promise.all(
          Array.from({ length: 50 }, (_, i) => opened.client().putIfAbsent(`${folder}/${i}`, bytes(`${i}`))),
        );
        expect(new Set(outcomes)).toEqual(new Set(["created"]));
        expect(await keysOf(store, `${folder}/`)).toHaveLength(50);
      });
    });

    describe("adopting a file", () => {
      test("moves it in; where the key is taken, it is dropped and the object stays", async () => {
        const key = `${fresh()}/slice.parquet`;
        for (const body of ["first", "second"]) {
          const file = await localFile(bytes(body));
          await store.adopt(key, file);
          expect(existsSync(file)).toBe(false);
          expect(text(await opened.client().get(key))).toBe("first");
        }
      });

      test("a large one comes through whole, by ranges and as a local file", async () => {
        const key = `${fresh()}/large`;
        const body = randomBytes(48 * 1024 * 1024 + 7);
        await store.adopt(key, await localFile(body));
        expect(await store.stat(key)).toMatchObject({ sizeBytes: body.byteLength });
        const start = 40 * 1024 * 1024 - 3;
        const part = await store.get(key, { range: { start, length: 9 * 1024 * 1024 } });
        expect(sha256(part ?? new Uint8Array())).toBe(sha256(body.subarray(start)));
        await using held = await store.local(key);
        expect(sha256(await readFile(held?.path ?? ""))).toBe(sha256(body));
      });

      test("once more, when its file is gone, changes nothing", async () => {
        const key = `${fresh()}/twice`;
        const file = await localFile(bytes("once"));
        await store.adopt(key, file);
        await store.adopt(key, file);
        expect(text(await store.get(key))).toBe("once");
      });

      test("an absent one makes no object", async () => {
        const key = `${fresh()}/none`;
        await expect(store.adopt(key, path.join(opened.localFolder, "none"))).rejects.toThrow();
        expect(await store.get(key)).toBeNull();
      });
    });

    listingConformance(() => store, fresh);

    describe("names", () => {
      test("may be odd and long", async () => {
        const folder = fresh();
        const long = "x".repeat(255);
        for (const key of ["-", "_._", "a..b", "=", "a=1/b=2", long, `${long}/${long}/${long}`]) {
          await store.put(`${folder}${folders++}/${key}`, bytes(key));
          expect(text(await store.get(`${folder}${folders - 1}/${key}`))).toBe(key);
        }
      });

      test.each([
        "",
        "/a",
        "a/",
        "a//b",
        ".",
        "..",
        "a/../b",
        ".hidden",
        "a/.tmp",
        "a b",
        "a\\b",
        "ä",
        "a\0b",
        "a\n",
        "a%2fb",
        "x".repeat(256),
        "x/".repeat(512).concat("x"),
      ])("%j is refused by every operation", async (key) => {
        const bad = { code: "bad_name" };
        await expect(store.put(key, bytes("x"))).rejects.toMatchObject(bad);
        await expect(store.putIfAbsent(key, bytes("x"))).rejects.toMatchObject(bad);
        const file = await localFile(bytes("x"));
        await expect(store.adopt(key, file)).rejects.toMatchObject(bad);
        expect(existsSync(file)).toBe(true);
        await expect(store.get(key)).rejects.toMatchObject(bad);
        await expect(store.stat(key)).rejects.toMatchObject(bad);
        await expect(store.local(key)).rejects.toMatchObject(bad);
        await expect(store.delete(key)).rejects.toMatchObject(bad);
      });

      test("a prefix reaches nothing beyond the store", async () => {
        for (const prefix of ["../", "/", "./", ".tmp/"]) expect(await keysOf(store, prefix)).toEqual([]);
      });
    });

    describe("an aborted signal", () => {
      test("ends reads with its reason", async () => {
        const folder = fresh();
        for (const name of ["a", "b", "c"]) await store.put(`${folder}/${name}`, bytes(name));
        const reason = new Error("no longer wanted");
        const signal = AbortSignal.abort(reason);
        await expect(store.get(`${folder}/a`, { signal })).rejects.toBe(reason);
        await expect(store.local(`${folder}/a`, signal)).rejects.toBe(reason);
        await expect(keysOf(store, `${folder}/`, { signal })).rejects.toBe(reason);
        await expect(keysOf(store, "nothing/here/", { signal })).rejects.toBe(reason);
      });

      test("ends a listing that has begun", async () => {
        const folder = fresh();
        for (let i = 0; i < 20; i++) await store.put(`${folder}/${i}/x`, bytes("x"));
        const controller = new AbortController();
        const reason = new Error("enough");
        const seen: string[] = [];
        const reading = (async () => {
          for await (const { key } of store.list(`${folder}/`, { signal: controller.signal })) {
            seen.push(key);
            controller.abort(reason);
          }
        })();
        await expect(reading).rejects.toBe(reason);
        expect(seen).toHaveLength(1);
      });
    });
  });
}
