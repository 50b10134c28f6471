import fc from "fast-check";
import { expect, test } from "vitest";
import { LookupStore } from "../store/store.ts";
import { Applier } from "./applier.ts";

/** A record as an engine's `entries` writes it. */
function record(op: number, key: string | null, row: string): Buffer {
  const [keyBytes, rowBytes] = [Buffer.from(key ?? ""), Buffer.from(op === 1 || op === 2 ? "" : row)];
  const head = Buffer.alloc(9);
  head.writeUInt8(op, 0);
  head.writeUInt32LE(key === null ? 0xffff_ffff : keyBytes.length, 1);
  head.writeUInt32LE(rowBytes.length, 5);
  return Buffer.concat([head, keyBytes, rowBytes]);
}

const get = (store: LookupStore, key: string) => {
  const bytes = Buffer.from(key);
  const address = store.find(bytes, 0, bytes.length);
  return address === 0 ? null : store.row(address).toString();
};

type Step = { readonly op: 0 | 1 | 2; readonly key: string | null; readonly to: string };
const name = fc.constantFrom("a", "b", "c", "", "ä");
const step: fc.Arbitrary<Step> = fc.record({
  op: fc.constantFrom<0 | 1 | 2>(0, 1, 2),
  key: fc.option(name, { freq: 9 }),
  to: name,
});

test("whatever pieces the records come in, each key has its last row", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60 }), fc.array(fc.nat({ max: 40 })), async (steps, cuts) => {
      const oracle = new Map<string, string>();
      const records: Buffer[] = [];
      let nulls = 0;
      for (const [at, { op, key, to }] of steps.entries()) {
        const row = `{"at":${at}}`;
        records.push(record(op, key, row));
        if (key === null) nulls++;
        else if (op === 0) oracle.set(key, row);
        else oracle.delete(key);
        if (op !== 2) continue;
        records.push(record(3, to, row)); // a correction may give a row another key
        oracle.set(to, row);
      }
      const store = new LookupStore([1, 2]);
      const applier = new Applier(store);
      const bytes = Buffer.concat(records);
      let at = 0;
      for (const cut of cuts) {
        await applier.take(bytes.subarray(at, at + cut));
        at = Math.min(bytes.length, at + cut);
      }
      await applier.take(bytes.subarray(at));
      applier.finish();
      expect(store.entries).toBe(oracle.size);
      for (const key of ["a", "b", "c", "", "ä"]) expect(get(store, key)).toBe(oracle.get(key) ?? null);
      expect(applier.skipped).toBe(nulls);
    }),
    { numRuns: 200 },
  );
});

test("a reader never misses a key that is corrected", async () => {
  const store = new LookupStore([1, 2]);
  const applier = new Applier(store);
  await applier.take(record(0, "k", "1"));
  const correction = Buffer.concat([record(2, "k", ""), record(3, "k", "2")]);
  for (let at = 0; at < correction.length; at++) {
    await applier.take(correction.subarray(at, at + 1));
    expect(get(store, "k")).toBe(at < correction.length - 1 ? "1" : "2");
  }
  await applier.take(record(2, "k", ""));
  expect(applier.holdsBack).toBe(true);
  applier.finish();
  expect(get(store, "k")).toBe(null);
});

test("records that end within one are refused, and so are keys that are too long", async () => {
  const applier = new Applier(new LookupStore([1, 2]));
  await applier.take(record(0, "k".repeat(65_536), "1"));
  expect(applier.skipped).toBe(1);
  await applier.take(record(0, "k", "12").subarray(0, 8));
  expect(() => applier.finish()).toThrow(/end within one/);
});
