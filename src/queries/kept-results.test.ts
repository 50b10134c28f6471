import { expect, test } from "vitest";
import { fakeClock } from "../../test/kit/index.ts";
import { type QueryId, userName } from "../base/index.ts";
import type { QueryResult } from "./contract.ts";
import { type KeptLimits, KeptResults } from "./kept-results.ts";

const [ann, bob] = [userName("ann"), userName("bob")];
const limits: KeptLimits = {
  keptMs: 1_000,
  bytesPerUser: 100,
  bytes: 150,
  resultsPerUser: 3,
  results: 4,
  unfinishedPerUser: 1,
};

function openKept() {
  const clock = fakeClock();
  const kept = new KeptResults(limits, clock);
  const freed: string[] = [];
  const add = async (user: typeof ann, id: string, sizeBytes: number) => {
    const result: QueryResult = {
      queryId: id as QueryId, // any text serves
      format: "json",
      rows: 1,
      truncated: false,
      body: { kind: "file", path: id, sizeBytes },
      [Symbol.asyncDispose]: async () => void freed.push(id),
    };
    await kept.add(user, result);
  };
  return { clock, kept, freed, add, open: (id: string) => kept.open(id as QueryId) };
}
const gone = expect.objectContaining({ code: "data_expired" });

test("a result is kept for its time", async () => {
  const { clock, freed, add, open, kept } = openKept();
  await add(ann, "a", 1);
  expect(kept.until("a" as QueryId)).toBe(clock.now() + 1_000);
  await clock.advance(999);
  await open("a")[Symbol.asyncDispose]();
  await clock.advance(1);
  expect(() => open("a")).toThrow(gone);
  expect(freed).toEqual(["a"]);
  expect(clock.pending).toBe(0);
});

test("what is over a user's bound goes first, oldest first; then what is over all's", async () => {
  const { add, freed } = openKept();
  await add(bob, "b1", 60);
  await add(ann, "a1", 60);
  await add(ann, "a2", 60); // 120 of ann's 100
  expect(freed).toEqual(["a1"]);
  await add(ann, "a3", 40); // 160 of all's 150
  expect(freed).toEqual(["a1", "b1"]);
  for (const id of ["a4", "a5"]) await add(ann, id, 0); // a fourth of ann's three
  expect(freed).toEqual(["a1", "b1", "a2"]);
  await add(bob, "b2", 0);
  expect(freed).toEqual(["a1", "b1", "a2"]);
  await add(bob, "b3", 0); // a fifth of all's four
  expect(freed).toEqual(["a1", "b1", "a2", "a3"]);
});

test("a result that is read is freed when its last reader has gone", async () => {
  const { add, freed, open, kept } = openKept();
  await add(ann, "a", 1);
  const readers = [open("a"), open("a")];
  await kept.drop("a" as QueryId);
  expect(() => open("a")).toThrow(gone);
  for (const reader of readers) {
    expect(freed).toEqual([]);
    await reader[Symbol.asyncDispose]();
    await reader[Symbol.asyncDispose](); // once more changes nothing
    if (reader === readers[0]) expect(freed).toEqual([]);
  }
  expect(freed).toEqual(["a"]);
});

test("the end drops all", async () => {
  const { add, freed, kept, clock } = openKept();
  for (const id of ["a", "b"]) await add(ann, id, 1);
  await kept[Symbol.asyncDispose]();
  expect(freed.sort()).toEqual(["a", "b"]);
  expect(clock.pending).toBe(0);
});
