import { readFile, writeFile } from "node:fs/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type OpenIdentity, openIdentity } from "../../test/identity/open.ts";
import { CrashDisk } from "../../test/kit/crash-disk.ts";
import { type Disk, organizationName, projectName, systemRandom, userName } from "../base/index.ts";
import { nodeDisk } from "../storage/index.ts";
import { MasterKeys } from "./index.ts";

let world: OpenIdentity;
const by = userName("owner");
const web = projectName("web");
const start = { organization: organizationName("default"), owner: by };
const names = Array.from({ length: 6 }, (_, i) => `secret-${i}`);

beforeAll(async () => {
  world = await openIdentity();
  for (const name of names) await world.identity.putSecret({ project: web, name, value: `value of ${name}` }, by);
});
afterAll(() => world[Symbol.asyncDispose]());

async function expectAllOpen(identity = world.identity): Promise<void> {
  for (const name of names) expect(await identity.openSecret(web, name)).toBe(`value of ${name}`);
}

async function keysInFile(): Promise<string[]> {
  return Object.keys(JSON.parse(await readFile(world.keyFile, "utf8")).keys);
}

/** Dies at its n-th operation, and at every later one. */
function dyingDisk(operations: number): Disk {
  let left = operations;
  const live = () => {
    if (left-- <= 0) throw new Error("killed");
  };
  return {
    ...nodeDisk,
    async open(path, mode) {
      live();
      const file = await nodeDisk.open(path, mode);
      return {
        read: (position, length) => file.read(position, length),
        truncate: (size) => file.truncate(size),
        sizeBytes: () => file.sizeBytes(),
        async write(bytes, position) {
          if (left-- <= 0) {
            await file.write(bytes.subarray(0, bytes.length / 2), position); // torn
            throw new Error("killed");
          }
          await file.write(bytes, position);
        },
        async sync() {
          live();
          await file.sync();
        },
        [Symbol.asyncDispose]: () => file[Symbol.asyncDispose](),
      };
    },
    async rename(from, to) {
      live();
      await nodeDisk.rename(from, to);
    },
    async syncDirectory(path) {
      live();
      await nodeDisk.syncDirectory(path);
    },
  };
}

test("rotation seals everything anew and drops the old key", async () => {
  const [before] = await keysInFile();
  expect(await world.identity.rotateMasterKey(by)).toEqual({ resealed: names.length });
  const after = await keysInFile();
  expect(after).toHaveLength(1);
  expect(after[0]).not.toBe(before);
  await expectAllOpen();
});

test("a rotation that dies anywhere in the key file loses nothing, and the next start ends it", async () => {
  // The first operation opens the keys.
  for (let operations = 1; ; operations++) {
    const dying = await world.another({ disk: dyingDisk(operations) });
    const ended = await dying.identity.rotateMasterKey(by).then(
      () => true,
      () => false,
    );
    const next = await world.another();
    await expectAllOpen(next.identity);
    await next.identity.bootstrap(start);
    expect(await keysInFile()).toHaveLength(1);
    await expectAllOpen(next.identity);
    if (ended) {
      expect(operations).toBeGreaterThan(6);
      return;
    }
  }
});

test("a rotation that dies between secrets loses nothing", async () => {
  for (const survivors of [0, 1, 4]) {
    let left = survivors;
    world.open.store.beforePut = () => {
      if (left-- <= 0) throw new Error("the store is away");
    };
    const dying = await world.another({ resources: world.open.another({ mirrorWaitMs: 20 }) });
    await expect(dying.identity.rotateMasterKey(by)).rejects.toMatchObject({ code: "unavailable" });
    await dying.resources.stop();
    world.open.store.beforePut = null;
    expect((await keysInFile()).length).toBeGreaterThan(1);
    const next = await world.another();
    await expectAllOpen(next.identity);
    await next.identity.bootstrap(start);
    expect(await keysInFile()).toHaveLength(1);
    await expectAllOpen(next.identity);
  }
});

test("a secret put while another server rotates has its new value, and opens everywhere", async () => {
  const [other, reader] = [await world.another(), await world.another()];
  const secretOf = (round: number, name: string) => (round < 5 ? `${round} of ${name}` : `value of ${name}`);
  for (let round = 0; round <= 5; round++) {
    const puts = names.map((name) =>
      other.identity.putSecret({ project: web, name, value: secretOf(round, name) }, by),
    );
    await Promise.all([world.identity.rotateMasterKey(by), ...puts]);
    for (const { identity } of [world, other, reader]) {
      for (const name of names) expect(await identity.openSecret(web, name)).toBe(secretOf(round, name));
    }
  }
});

test("a sealed value opens under its own name, unchanged, and with its key only", async () => {
  const { masterKeys } = world;
  const sealed = masterKeys.seal("x", "web/a");
  expect(masterKeys.unseal(sealed, "web/a")).toBe("x");
  expect(masterKeys.seal("x", "web/a").sealed).not.toBe(sealed.sealed);
  const bytes = Buffer.from(sealed.sealed, "base64");
  for (let at = 0; at < bytes.length; at++) {
    const changed = Buffer.from(bytes);
    changed[at] = (changed[at] ?? 0) ^ 1;
    expect(() => masterKeys.unseal({ ...sealed, sealed: changed.toString("base64") }, "web/a")).toThrow(
      /cannot be opened/,
    );
  }
  for (const sealedText of ["", "AAAA"]) {
    expect(() => masterKeys.unseal({ ...sealed, sealed: sealedText }, "web/a")).toThrow(/cannot be opened/);
  }
  expect(() => masterKeys.unseal(sealed, "web/b")).toThrow(/cannot be opened/);
  expect(() => masterKeys.unseal({ ...sealed, keyId: "00" }, "web/a")).toThrow(/cannot be opened/);
});

test.each(["", "{}", '{"current":"aa","keys":{}}', '{"current":"aa","keys":{"aa":"short"}}'])(
  "the key file %j is refused, and not told",
  async (text) => {
    const file = `${world.keyFile}.bad`;
    await writeFile(file, text);
    const keys = new MasterKeys({ file, disk: nodeDisk, random: systemRandom });
    const error: unknown = await keys.open().catch((failure: unknown) => failure);
    expect(error).toMatchObject({ code: "bad_config" });
    expect(error).not.toHaveProperty("cause");
  },
);

test("a key that a killed process made lasts, once another one seals with it", async () => {
  const file = "/data/master.key";
  const prepared = new CrashDisk();
  await prepared.makeDirectory("/data");
  for (let at = 1; at <= 6; at++) {
    const disk = prepared.after("nothing", { at, kind: "loss after" });
    await new MasterKeys({ file, disk, random: systemRandom }).open().catch(() => {});
    const second = disk.afterKill();
    const keys = new MasterKeys({ file, disk: second, random: systemRandom });
    await keys.open();
    const later = new MasterKeys({ file, disk: second.after("all"), random: systemRandom });
    await later.open();
    expect(later.ids, `killed behind operation ${at}`).toEqual(keys.ids);
  }
});
