import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { tempDirectory } from "../../test/kit/index.ts";
import { type Disk, silentTelemetry, systemClock, systemRandom } from "../base/index.ts";
import { connect, directoryStore, nodeDisk, openPostgres } from "./index.ts";

const bytes = (text: string) => new TextEncoder().encode(text);

async function keysOf(store: ReturnType<typeof directoryStore>, prefix: string, after?: string): Promise<string[]> {
  const keys = [];
  for await (const { key } of store.list(prefix, after === undefined ? {} : { after })) keys.push(key);
  return keys;
}

describe("the object store on a directory", () => {
  test("of many who create a key at once, one is told that it did, and its body stands", async () => {
    await using folder = await tempDirectory();
    for (let round = 0; round < 20; round++) {
      const stores = Array.from({ length: 8 }, () =>
        directoryStore({ root: folder.path, disk: nodeDisk, random: systemRandom }),
      );
      const outcomes = await Promise.all(
        stores.map((store, i) => store.putIfAbsent(`log/${round}`, bytes(`writer ${i}`))),
      );
      expect(outcomes.filter((outcome) => outcome === "created").length).toBe(1);
      const winner = outcomes.indexOf("created");
      expect(new TextDecoder().decode((await stores[0]?.get(`log/${round}`)) ?? new Uint8Array())).toBe(
        `writer ${winner}`,
      );
    }
  });

  test("what is written is synced before its folder, and both before the answer", async () => {
    await using folder = await tempDirectory();
    const told: string[] = [];
    const recording: Disk = {
      ...nodeDisk,
      open: async (file, mode) => {
        const handle = await nodeDisk.open(file, mode);
        return {
          write: (data, position) => handle.write(data, position),
          read: (position, length) => handle.read(position, length),
          truncate: (size) => handle.truncate(size),
          sizeBytes: () => handle.sizeBytes(),
          sync: async () => {
            await handle.sync();
            told.push("sync file");
          },
          [Symbol.asyncDispose]: () => handle[Symbol.asyncDispose](),
        };
      },
      link: async (from, to) => {
        await nodeDisk.link(from, to);
        told.push("link");
      },
      rename: async (from, to) => {
        await nodeDisk.rename(from, to);
        told.push("rename");
      },
      syncDirectory: async (directory) => {
        await nodeDisk.syncDirectory(directory);
        told.push(`sync folder ${path.basename(directory)}`);
      },
    };
    const store = directoryStore({ root: folder.path, disk: recording, random: systemRandom });
    await store.put("a/first", bytes("x"));
    told.length = 0;
    await store.put("a/b", bytes("x"));
    expect(told).toEqual(["sync file", "rename", "sync folder a"]);
    told.length = 0;
    await store.putIfAbsent("a/c", bytes("x"));
    expect(told).toEqual(["sync file", "link", "sync folder a"]);
  });

  test("a listing is in order of keys, by prefix, and goes on behind any key", async () => {
    await using folder = await tempDirectory();
    const store = directoryStore({ root: folder.path, disk: nodeDisk, random: systemRandom });
    let rounds = 0;
    const segment = fc
      .stringMatching(/^[A-Za-z0-9._=-]{1,4}$/)
      .filter((part) => !/^\.+$/.test(part) && part !== ".tmp");
    const arbitrary = fc.uniqueArray(
      fc.array(segment, { minLength: 1, maxLength: 3 }).map((parts) => parts.join("/")),
      { maxLength: 12 },
    );
    await fc.assert(
      fc.asyncProperty(arbitrary, fc.nat(), fc.stringMatching(/^[a-z0-9/]{0,3}$/), async (wanted, at, prefix) => {
        const run = `run${rounds++}`; // a folder of a deleted key stays, and would be in the way of a file of its name
        const keys: string[] = [];
        for (const key of wanted) {
          // A file system cannot hold a name that is both a file and a folder.
          if (keys.some((other) => other.startsWith(`${key}/`) || key.startsWith(`${other}/`))) continue;
          keys.push(key);
          await store.put(`${run}/${key}`, bytes(key));
        }
        const sorted = keys.map((key) => `${run}/${key}`).sort((a, b) => (a < b ? -1 : 1));
        const after = sorted[at % (sorted.length || 1)] ?? "";
        expect(await keysOf(store, `${run}/${prefix}`)).toEqual(
          sorted.filter((key) => key.startsWith(`${run}/${prefix}`)),
        );
        expect(await keysOf(store, `${run}/`, after)).toEqual(sorted.filter((key) => key > after));
        for (const key of sorted) await store.delete(key);
        expect(await keysOf(store, `${run}/`)).toEqual([]);
      }),
      { numRuns: 60 },
    );
  });

  test("adopt moves a file in, and drops it where the key is taken", async () => {
    await using folder = await tempDirectory();
    const store = directoryStore({ root: path.join(folder.path, "store"), disk: nodeDisk, random: systemRandom });
    for (const body of ["first", "second"]) {
      const file = path.join(folder.path, body);
      await writeFile(file, body);
      await store.adopt("data/x", file);
      expect(readdirSync(folder.path)).toEqual(["store"]);
    }
    expect(new TextDecoder().decode((await store.get("data/x")) ?? new Uint8Array())).toBe("first");
    expect(await store.get("data/x", { range: { start: 1, length: 100 } })).toEqual(Buffer.from("irst"));
    expect(await store.get("data/y")).toBeNull();
    await expect(store.put("../x", bytes(""))).rejects.toMatchObject({ code: "bad_name" });
  });
});

describe("the embedded PostgreSQL", () => {
  const open = (directory: string) =>
    openPostgres({
      server: { kind: "embedded", directory },
      clock: systemClock,
      random: systemRandom,
      log: silentTelemetry.log,
    });

  test("keeps its rows over a stop, its password is private, and disposing ends the server", async () => {
    await using folder = await tempDirectory();
    const directory = path.join(folder.path, "postgres");
    let url = "";
    {
      await using database = await open(directory);
      url = database.url;
      await database.sql`CREATE TABLE kept (n integer)`;
      await database.sql`INSERT INTO kept VALUES (42)`;
    }
    await expect(connect(url, 1)`SELECT 1`).rejects.toThrow();
    await using again = await open(directory);
    expect([...(await again.sql`SELECT n FROM kept`)]).toEqual([{ n: 42 }]);
  });

  test("a server whose process was killed is adopted by the next one, with every committed row", async () => {
    await using folder = await tempDirectory();
    const directory = path.join(folder.path, "postgres");
    const script = path.join(folder.path, "leave.ts");
    const room = path.resolve(import.meta.dirname, "index.ts");
    const base = path.resolve(import.meta.dirname, "..", "base", "index.ts");
    await writeFile(
      script,
      `import { openPostgres } from ${JSON.stringify(room)};
      import { silentTelemetry, systemClock, systemRandom } from ${JSON.stringify(base)};
      const database = await openPostgres({ server: { kind: "embedded", directory: ${JSON.stringify(directory)} }, clock: systemClock, random: systemRandom, log: silentTelemetry.log });
      await database.sql\`CREATE TABLE kept AS SELECT 42 AS n\`;
      process.stdout.write("ready\\n");
      setInterval(() => {}, 1000);`,
    );
    const child = spawn(process.execPath, [script], { stdio: ["ignore", "pipe", "inherit"] });
    await once(child.stdout, "data");
    const [pid] = (await readFile(path.join(directory, "cluster", "postmaster.pid"), "utf8")).split("\n");
    child.kill("SIGKILL");
    await once(child, "exit");
    {
      await using adopted = await open(directory);
      expect([...(await adopted.sql`SELECT n FROM kept`)]).toEqual([{ n: 42 }]);
      const [same] = (await readFile(path.join(directory, "cluster", "postmaster.pid"), "utf8")).split("\n");
      expect(same).toBe(pid);
    }
    expect(() => process.kill(Number(pid), 0)).toThrow();
  });
});
