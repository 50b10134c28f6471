import { readdirSync } from "node:fs";
import { readFile, utimes, writeFile } from "node:fs/promises";
import path from "node:path";
import { describe, expect, test } from "vitest";
import { tempDirectory } from "../../../test/kit/index.ts";
import { type Disk, type DiskFile, systemRandom } from "../../base/index.ts";
import { nodeDisk } from "../disk.ts";
import { objectStoreConformance } from "./conformance.ts";
import { directoryStore } from "./directory-store.ts";
import type { ObjectStore } from "./object-store.ts";

objectStoreConformance("the directory store", async () => {
  const folder = await tempDirectory();
  const root = path.join(folder.path, "objects");
  const localFolder = path.join(folder.path, "local");
  await nodeDisk.makeDirectory(localFolder);
  return {
    client: () => directoryStore({ root, disk: nodeDisk, random: systemRandom }),
    localFolder,
    [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
  };
});

const bytes = (text: string) => new TextEncoder().encode(text);

/** The machine's disk, telling each operation that changes something before it is done; what `before` throws, it throws. */
function watchedDisk(before: (operation: string) => void): Disk {
  const name = (file: string) => (file.includes("/.tmp/") ? "temporary" : path.basename(file));
  return {
    ...nodeDisk,
    async open(file, mode) {
      if (mode !== "read") before("create temporary");
      return watchedFile(await nodeDisk.open(file, mode), name(file), before);
    },
    async rename(from, to) {
      before(`rename ${name(from)} to ${name(to)}`);
      await nodeDisk.rename(from, to);
    },
    async link(from, to) {
      before(`link ${name(from)} to ${name(to)}`);
      await nodeDisk.link(from, to);
    },
    async makeDirectory(folder) {
      before(`make ${path.basename(folder)}`);
      await nodeDisk.makeDirectory(folder);
    },
    async syncDirectory(folder) {
      before(`sync folder ${path.basename(folder)}`);
      await nodeDisk.syncDirectory(folder);
    },
  };
}

function watchedFile(file: DiskFile, name: string, before: (operation: string) => void): DiskFile {
  return {
    read: (position, length) => file.read(position, length),
    truncate: (size) => file.truncate(size),
    sizeBytes: () => file.sizeBytes(),
    async write(body, position) {
      before("write");
      await file.write(body, position);
    },
    async sync() {
      before(`sync ${name}`);
      await file.sync();
    },
    [Symbol.asyncDispose]: () => file[Symbol.asyncDispose](),
  };
}

/** What each kind of write does to the disk, in order. */
const writes: readonly {
  what: string;
  write: (store: ObjectStore, local: string) => Promise<unknown>;
  steps: string[];
}[] = [
  {
    what: "put",
    write: (store) => store.put("a/b", bytes("x")),
    steps: ["create temporary", "write", "sync temporary", "rename temporary to b", "sync folder a"],
  },
  {
    what: "putIfAbsent",
    write: (store) => store.putIfAbsent("a/b", bytes("x")),
    steps: ["create temporary", "write", "sync temporary", "link temporary to b", "sync folder a"],
  },
  {
    what: "adopt",
    write: (store, local) => store.adopt("a/b", local),
    steps: ["sync local", "rename local to b", "sync folder a"],
  },
];

async function withStore(
  before: (operation: string) => void,
  act: (store: ObjectStore, folder: string) => Promise<void>,
) {
  await using folder = await tempDirectory();
  const root = path.join(folder.path, "objects");
  await act(directoryStore({ root, disk: watchedDisk(before), random: systemRandom }), folder.path);
}

describe.each(writes)("$what", ({ write, steps }) => {
  test("syncs the file, names it, and syncs the folder, all before the answer", async () => {
    const done: string[] = [];
    await withStore(
      (operation) => done.push(operation),
      async (store, folder) => {
        const local = path.join(folder, "local");
        await writeFile(local, "x");
        await store.put("a/first", bytes("x"));
        done.length = 0;
        await write(store, local);
        expect(done).toEqual(steps);
      },
    );
  });

  test.each(["ENOSPC", "EIO"])(
    "a disk that fails with %s at any step acknowledges nothing and leaves nothing",
    async (code) => {
      for (const failing of steps) {
        let armed = false;
        const before = (operation: string) => {
          if (armed && operation === failing) throw Object.assign(new Error(`${code}: no`), { code });
        };
        await withStore(before, async (store, folder) => {
          const local = path.join(folder, "local");
          await writeFile(local, "x");
          await store.put("a/first", bytes("x"));
          armed = true;
          const expected = { code: code === "ENOSPC" ? "disk_full" : "unavailable" };
          await expect(write(store, local), failing).rejects.toMatchObject(expected);
          armed = false;
          expect(readdirSync(path.join(folder, "objects", ".tmp")), failing).toEqual([]);
          if (failing !== "sync folder a") expect(await store.get("a/b"), failing).toBeNull();
          await writeFile(local, "x");
          await write(store, local);
          expect(await store.get("a/b")).toEqual(Buffer.from("x"));
        });
      }
    },
  );
});

test("who loses a race syncs the folder too: the winner may have crashed before it did", async () => {
  const done: string[] = [];
  await withStore(
    (operation) => done.push(operation),
    async (store) => {
      await store.put("a/b", bytes("x"));
      done.length = 0;
      expect(await store.putIfAbsent("a/b", bytes("y"))).toBe("exists");
      expect(done.at(-1)).toBe("sync folder a");
    },
  );
});

test("who relies on an object that is there syncs its folder, and an absent one is not settled", async () => {
  const done: string[] = [];
  await withStore(
    (operation) => done.push(operation),
    async (store) => {
      await store.put("a/b", bytes("x"));
      done.length = 0;
      expect(await store.settle("a/b")).toBe(true);
      expect(done).toContain("sync folder a");
      expect(await store.settle("a/c")).toBe(false);
    },
  );
});

describe("new folders", () => {
  test("are synced in their parents, down from the store's, before the object's name is answered", async () => {
    const done: string[] = [];
    await withStore(
      (operation) => done.push(operation),
      async (store) => {
        await store.put("a/b/c", bytes("x"));
        const folders = done.filter(
          (operation) => /^(make|sync folder) /.test(operation) && !operation.includes(".tmp"),
        );
        expect(folders.slice(0, 6)).toEqual([
          "make objects",
          expect.stringMatching(/^sync folder millrace-/),
          "make a",
          "sync folder objects",
          "make b",
          "sync folder a",
        ]);
        expect(done.at(-1)).toBe("sync folder b");
      },
    );
  });

  test("that another writer has made and not yet synced are synced by whoever answers first", async () => {
    await using folder = await tempDirectory();
    const root = path.join(folder.path, "objects");
    const stalled = Promise.withResolvers<void>();
    const slow: Disk = {
      ...nodeDisk,
      async syncDirectory(directory) {
        if (directory === root) await stalled.promise;
        await nodeDisk.syncDirectory(directory);
      },
    };
    const store = directoryStore({ root, disk: slow, random: systemRandom });
    const answered: string[] = [];
    const first = store.put("new/1", bytes("1")).then(() => answered.push("first"));
    const second = store.put("new/2", bytes("2")).then(() => answered.push("second"));
    const other: string[] = [];
    const disk = watchedDisk((operation) => other.push(operation));
    await directoryStore({ root, disk, random: systemRandom }).put("new/3", bytes("3"));
    expect(other).toContain("sync folder objects");
    expect(answered).toEqual([]);
    stalled.resolve();
    await Promise.all([first, second]);
  });

  test("whose sync failed are not taken for durable by the next write", async () => {
    let armed = true;
    const before = (operation: string) => {
      if (armed && operation === "sync folder objects") throw Object.assign(new Error("EIO"), { code: "EIO" });
    };
    await withStore(before, async (store) => {
      for (let attempt = 0; attempt < 2; attempt++) {
        await expect(store.put("a/b", bytes("x"))).rejects.toMatchObject({ code: "unavailable" });
      }
      armed = false;
      await store.put("a/b", bytes("x"));
    });
  });
});

test("a file of another file system is copied in, synced before its name, and removed", async () => {
  const done: string[] = [];
  await using folder = await tempDirectory();
  const root = path.join(folder.path, "objects");
  const local = path.join(folder.path, "local");
  const body = Buffer.alloc(9_000_000, "millrace ");
  const watched = watchedDisk((operation) => done.push(operation));
  const disk: Disk = {
    ...watched,
    rename(from, to) {
      if (from === local) throw Object.assign(new Error("EXDEV"), { code: "EXDEV" });
      return watched.rename(from, to);
    },
  };
  const store = directoryStore({ root, disk, random: systemRandom });
  await store.put("a/first", bytes("x"));
  await writeFile(local, body);
  done.length = 0;
  await store.adopt("a/b", local);
  expect(done.filter((operation) => operation !== "write")).toEqual([
    "sync local",
    "create temporary",
    "sync temporary",
    "rename temporary to b",
    "sync folder a",
  ]);
  expect(done.filter((operation) => operation === "write").length).toBeGreaterThan(1);
  expect((await readFile(path.join(root, "a", "b"))).equals(body)).toBe(true);
  expect(readdirSync(folder.path)).toEqual(["objects"]);
});

test("what killed writers have left in the temporary folder goes when it is old, and nothing else", async () => {
  await using folder = await tempDirectory();
  const root = path.join(folder.path, "objects");
  const open = () => directoryStore({ root, disk: nodeDisk, random: systemRandom });
  await open().put("first", bytes("1"));
  const [old, fresh] = ["0ld", "fre5h"].map((name) => path.join(root, ".tmp", name));
  if (old === undefined || fresh === undefined) throw new Error("two names");
  for (const file of [old, fresh]) await writeFile(file, "half");
  const twoHoursAgo = Date.now() / 1_000 - 7_200;
  await utimes(old, twoHoursAgo, twoHoursAgo);
  await open().put("second", bytes("2"));
  expect(readdirSync(path.join(root, ".tmp"))).toEqual(["fre5h"]);
});

test("a folder is listed without a look at the others beside and above it, however many there are", async () => {
  await using folder = await tempDirectory();
  const root = path.join(folder.path, "objects");
  const listed: string[] = [];
  const disk: Disk = {
    ...nodeDisk,
    list(target) {
      listed.push(path.relative(root, target));
      return nodeDisk.list(target);
    },
  };
  const store = directoryStore({ root, disk, random: systemRandom });
  for (const key of ["a/b/1", "a/b/c/2", "a/d/3", "e/4"]) await store.put(key, bytes(key));
  listed.length = 0;
  const found = await Array.fromAsync(store.list("a/b/"));
  expect(found.map(({ key }) => key)).toEqual(["a/b/1", "a/b/c/2"]);
  expect(listed).toEqual(["a/b", "a/b/c"]);
  expect(await Array.fromAsync(store.list("../"))).toEqual([]);
  expect(await Array.fromAsync(store.list(".tmp/"))).toEqual([]);
});
