import { afterAll, beforeAll, expect, test } from "vitest";
import { until } from "../../test/kit/index.ts";
import { type OpenQueries, openQueries, pathOf } from "../../test/queries/open.ts";
import { idSource, Semaphore, seededRandom, systemClock, systemRandom } from "../base/index.ts";
import { nodeDisk } from "../storage/index.ts";
import { LookupCopy } from "./copy.ts";
import { EntryReader } from "./feed/reader.ts";

// One lookup over real datasets and workers.

const seed = Number(process.env.MILLRACE_TEST_SEED ?? Date.now() % 1_000_000);
let opened: OpenQueries;
beforeAll(async () => {
  opened = await openQueries();
});
afterAll(() => opened?.[Symbol.asyncDispose]());

function hold(dataset: string, key: readonly string[], partRows = 3) {
  const { datasets, pool } = opened;
  const ids = idSource(systemClock, systemRandom);
  const reader = new EntryReader({ datasets, engine: pool.pool, disk: nodeDisk, ids, partRows });
  const copy = new LookupCopy({
    project: "web",
    name: dataset,
    ordinal: 1,
    dataset: pathOf(dataset),
    key,
    seed: [1, 2],
    datasets,
    reader,
    turns: new Semaphore(1),
    clock: systemClock,
    changed: () => {},
  });
  copy.start();
  return copy;
}

const rowOf = (copy: LookupCopy, key: string): unknown => {
  const bytes = Buffer.from(key);
  const address = copy.rows?.find(bytes, 0, bytes.length) ?? 0;
  return address === 0 ? null : JSON.parse(copy.rows?.row(address).toString() ?? "");
};
const applied = (copy: LookupCopy, offset: number) =>
  until(`${offset} rows are in`, () => copy.state.appliedOffset === offset && copy.state.behindMs === 0);

test(`retractions and corrections, in whatever commits and parts they come, end in what a Map has (MILLRACE_TEST_SEED=${seed})`, async () => {
  const random = seededRandom(seed);
  const oracle = new Map<string, object>();
  const copies: LookupCopy[] = [];
  let offset = 0;
  for (let commit = 0; commit < 12; commit++) {
    const rows: string[][] = [];
    const ops: number[] = [];
    const add = (op: number, key: string) => {
      const n = offset + rows.length;
      rows.push([`'${key}'`, `${n}`]);
      ops.push(op);
      if (op === 0 || op === 3) oracle.set(key, { k: key, n });
      else oracle.delete(key);
    };
    for (let n = 1 + Math.floor(random.float() * 9); n > 0; n--) {
      const [op, key] = [Math.floor(random.float() * 3), `k${Math.floor(random.float() * 6)}`];
      add(op, key);
      if (op === 2) add(3, random.float() < 0.7 ? key : "moved");
    }
    await opened.commit(pathOf("ops"), { k: "VARCHAR", n: "BIGINT" }, rows, ops);
    offset += rows.length;
    for (const copy of copies) copy.wake(rows.length);
    // Some load what is there already, each in parts of another size.
    if (commit % 4 === 0) copies.push(hold("ops", ["k"], 2 + commit));
  }
  for (const copy of copies) {
    await applied(copy, offset);
    expect(copy.state.entries).toBe(oracle.size);
    for (const key of ["k0", "k1", "k2", "k3", "k4", "k5", "moved"])
      expect(rowOf(copy, key)).toEqual(oracle.get(key) ?? null);
    await copy.stop();
  }
});

test("rows that have expired are gone with the next commit", async () => {
  const columns = { id: "INTEGER", t: "VARCHAR" };
  for (let n = 0; n < 6; n++) await opened.commit(pathOf("old"), columns, [[`${n}`, `'row ${n}'`]]);
  const copy = hold("old", ["id"]);
  await applied(copy, 6);
  expect(rowOf(copy, "0")).toEqual({ id: 0, t: "row 0" });
  const { id } = await opened.datasets.get(pathOf("old"));
  const signal = new AbortController().signal;
  await opened.datasets.layouts.expire(id, { rows: 3 }, signal, async () => {});
  await opened.commit(pathOf("old"), columns, [["6", "'row 6'"]]);
  copy.wake(1);
  await applied(copy, 7);
  expect([0, 1, 2, 3, 4, 5, 6].map((n) => rowOf(copy, `${n}`) !== null)).toEqual([
    false,
    false,
    false,
    true,
    true,
    true,
    true,
  ]);
  await copy.stop();
});

test("a column of the key that is missing is waited for, and what was deleted is not served", async () => {
  await opened.commit(pathOf("late"), { a: "INTEGER" }, [["1"]]);
  const copy = hold("late", ["b"]);
  await until("the problem is told", () => copy.state.state === "failed");
  expect(copy.state.problem?.message).toContain('no column "b"');
  expect(copy.rows).toBe(null);
  await opened.commit(pathOf("late"), { a: "INTEGER", b: "VARCHAR" }, [["2", "'x'"]]);
  copy.wake(1);
  await applied(copy, 2);
  expect(rowOf(copy, "x")).toEqual({ a: 2, b: "x" });
  expect(copy.state).toMatchObject({ state: "ready", entries: 1, skippedRows: 1, problem: null });
  await copy.stop();
});
