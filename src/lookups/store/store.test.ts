import fc from "fast-check";
import { expect, test } from "vitest";
import { Arena } from "./arena.ts";
import { hashOf, type Seed } from "./hash.ts";
import { LookupStore } from "./store.ts";

const seed: Seed = [0x01020304, 0x05060708];

function put(store: LookupStore, key: string, row: string): void {
  const bytes = Buffer.from(key + row);
  const at = Buffer.byteLength(key);
  store.set(bytes, 0, at, bytes.length);
}

function get(store: LookupStore, key: string): string | null {
  // Not at the buffer's beginning, as keys of a door are.
  const bytes = Buffer.from(`..${key}..`);
  const address = store.find(bytes, 2, bytes.length - 2);
  if (address === 0) return null;
  const target = Buffer.alloc(store.rowBytes(address) + 1);
  expect(store.copyRow(address, target, 1)).toBe(target.length);
  expect(target.subarray(1).equals(store.row(address))).toBe(true);
  return target.subarray(1).toString();
}

function remove(store: LookupStore, key: string): boolean {
  const bytes = Buffer.from(key);
  return store.delete(bytes, 0, bytes.length);
}

function keysOf(store: LookupStore, places = 1_000): string[] {
  const keys: string[] = [];
  for (let at: number | null = 0; at !== null; ) at = store.visit(at, places, (key) => keys.push(key.toString()));
  return keys;
}

const key = fc.oneof(
  fc.integer({ min: 0, max: 40 }).map((n) => `k${n}`),
  fc.string({ unit: "grapheme", maxLength: 12 }),
);
const change = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant("set" as const), key, size: fc.nat({ max: 60 }) }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant("set" as const), key, size: fc.integer({ min: 30_000, max: 1_300_000 }) }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("delete" as const), key, size: fc.constant(0) }) },
);

test("it answers as a Map does, whatever is set and deleted, and keeps no more than it needs", () => {
  fc.assert(
    fc.property(fc.array(change, { maxLength: 300 }), fc.constantFrom(1, 20_000), (changes, firstChunk) => {
      const store = new LookupStore(seed, firstChunk);
      const oracle = new Map<string, string>();
      let turn = 0;
      for (const { kind, key: name, size } of changes) {
        if (kind === "delete") expect(remove(store, name)).toBe(oracle.delete(name));
        else {
          const row = `${++turn}`.padEnd(size, "x");
          oracle.set(name, row);
          put(store, name, row);
        }
        expect(get(store, name)).toBe(oracle.get(name) ?? null);
      }
      expect(store.entries).toBe(oracle.size);
      for (const [name, row] of oracle) expect(get(store, name)).toBe(row);
      expect(keysOf(store).sort()).toEqual([...oracle.keys()].sort());
      const live = [...oracle].reduce((sum, [name, row]) => sum + Buffer.byteLength(name) + row.length + 16, 0);
      expect(store.bytes).toBeLessThan(live * 2 + 3 * 1024 * 1024);
    }),
    { numRuns: 60 },
  );
});

test("many keys, each overwritten and half of them deleted: all is right, and dead bytes are given back", () => {
  const store = new LookupStore(seed);
  const count = 60_000;
  const row = (n: number, turn: number) => `{"n":${n},"turn":${turn}}`;
  for (let turn = 0; turn < 4; turn++) for (let n = 0; n < count; n++) put(store, `user:${n}`, row(n, turn));
  const full = store.bytes;
  expect(full / count).toBeLessThan(90); // about 34 of key and row, 8 of head, 16 of places, a quarter dead
  for (let n = 0; n < count; n += 2) expect(remove(store, `user:${n}`)).toBe(true);
  expect(store.entries).toBe(count / 2);
  expect(store.bytes).toBeLessThan(full * 0.75);
  for (let n = 0; n < count; n++) expect(get(store, `user:${n}`)).toBe(n % 2 === 0 ? null : row(n, 3));
});

test("a visit that goes on while the table grows and shrinks gives what stays exactly once", () => {
  const store = new LookupStore(seed);
  for (let n = 0; n < 2_000; n++) put(store, `stays${n}`, "1");
  const seen: string[] = [];
  let added = 0;
  for (let at: number | null = 0; at !== null; ) {
    at = store.visit(at, 50, (found) => seen.push(found.toString()));
    if (added > 40_000) continue; // it ends where the table grows no faster than it is visited
    for (let n = 0; n < 700; n++) put(store, `comes${added++}`, "1");
    for (let n = 0; n < 300; n++) remove(store, `comes${added - 600 + n}`);
  }
  const stayed = seen.filter((name) => name.startsWith("stays"));
  expect(stayed).toHaveLength(2_000);
  expect(new Set(stayed).size).toBe(2_000);
});

test("an arena that has no addresses left says so, and addresses beyond 2^31 are right", () => {
  const arena = new Arena(2 ** 15 - 1);
  const bytes = Buffer.from("keyrow");
  const address = arena.add(bytes, 0, 3, 6);
  expect(address).toBeGreaterThan(2 ** 31);
  expect(arena.row(address).toString()).toBe("row");
  expect(() => arena.add(Buffer.alloc(2_000_000), 0, 3, 2_000_000)).toThrow(/32 GiB/);
});

test("hashes depend on each byte, on the length and on the seed", () => {
  const hashes = new Set<number>();
  const bytes = Buffer.alloc(64);
  for (let length = 0; length <= 32; length++) hashes.add(hashOf(bytes, 0, length, seed));
  for (let at = 0; at < 32; at++) {
    bytes[at] = 1;
    hashes.add(hashOf(bytes, 0, 32, seed));
    bytes[at] = 0;
  }
  hashes.add(hashOf(bytes, 0, 32, [1, 2]));
  expect(hashes.size).toBe(33 + 32 + 1);
});
