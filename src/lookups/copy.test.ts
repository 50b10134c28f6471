import { afterAll, beforeAll, expect, test } from "vitest";
import { until } from "../../test/kit/index.ts";
import { type OpenQueries, openQueries, pathOf } from "../../test/queries/open.ts";
import { idSource, Semaphore, seededRandom, systemClock, systemRandom } from "../base/index.ts";
import { nodeDisk } from "../storage/index.ts";
import { LookupCopy } from "./copy.ts";
import { EntryReader, type Part } from "./feed/reader.ts";

// One lookup over real datasets and workers.

const seed = Number(process.env.MILLRACE_TEST_SEED ?? Date.now() % 1_000_000);
let opened: OpenQueries;
beforeAll(async () => {
  opened = await openQueries();
});
afterAll(() => opened?.[Symbol.asyncDispose]());

/** Where a part that was read has ended. */
type PartEnd = Pick<Part, "of"> & { readonly to: number };

function hold(dataset: string, key: readonly string[], partRows = 3, ends: PartEnd[] = []) {
  const { datasets, pool } = opened;
  const ids = idSource(systemClock, systemRandom);
  const reader = new EntryReader({ datasets, engine: pool.pool, disk: nodeDisk, ids, partRows });
  const read = reader.read.bind(reader);
  reader.read = async (part, ...rest) => {
    const to = await read(part, ...rest);
    ends.push({ of: part.of, to });
    return to;
  };
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

test(`of a changelog, the newest row that holds for each key, whichever commits and parts it came in (MILLRACE_TEST_SEED=${seed})`, async () => {
  const random = seededRandom(seed);
  const below = (bound: number) => Math.floor(random.float() * bound);
  const columns = { k: "VARCHAR", n: "BIGINT", retracts: "UBIGINT" };
  let live: { offset: number; k: string; n: number }[] = [];
  let offset = 0;
  const copies: LookupCopy[] = [];
  const ends: PartEnd[] = [];
  /** A block as a run writes it: rows taken back, rows that change, new rows. Keys move, and several rows may have one. */
  const block = () => {
    const rows: string[][] = [];
    const ops: number[] = [];
    const add = (op: number, k: string, retracts: number | null) => {
      const n = offset + rows.length;
      rows.push([`'${k}'`, `${n}`, `${retracts ?? "NULL"}`]);
      ops.push(op);
      if (op === 0 || op === 3) live.push({ offset: n, k, n });
    };
    const old = live.map((row) => ({ row, fate: below(6) }));
    live = old.filter(({ fate }) => fate > 1).map(({ row }) => row);
    for (const { row, fate } of old) if (fate === 0) add(1, row.k, row.offset);
    for (const { row, fate } of old.reverse()) {
      if (fate !== 1) continue;
      add(2, row.k, row.offset);
      add(3, below(2) === 0 ? row.k : `k${below(7)}`, null);
    }
    for (let more = below(4); more > 0; more--) add(0, `k${below(7)}`, null);
    return { rows, ops };
  };
  const expected = () => {
    const newest = new Map<string, object>();
    for (const { k, n } of live.toSorted((a, b) => a.offset - b.offset)) newest.set(k, { k, n });
    return newest;
  };
  const judge = (copy: LookupCopy, at: string) => {
    const wanted = expected();
    for (let key = 0; key < 7; key++) expect(rowOf(copy, `k${key}`), at).toEqual(wanted.get(`k${key}`) ?? null);
    expect(copy.state.entries, at).toBe(wanted.size);
  };
  const commits = new Set<number>([0]);
  let pending = 0;
  for (let commit = 0; commit < 40; commit++) {
    const { rows, ops } = block();
    if (rows.length === 0) continue;
    await opened.commit(pathOf("changes"), columns, rows, ops);
    offset += rows.length;
    commits.add(offset);
    pending += rows.length;
    if (commit % 10 === 0) copies.push(hold("changes", ["k"], 3 + 2 * commit, ends));
    // Often several commits are taken in at once.
    if (below(3) > 0) continue;
    for (const copy of copies) copy.wake(pending);
    pending = 0;
    for (const [index, copy] of copies.entries()) {
      await applied(copy, offset);
      judge(copy, `copy ${index} after commit ${commit}`);
    }
  }
  const followed = ends.filter(({ of }) => of === "changes").map(({ to }) => to);
  expect(followed.length).toBeGreaterThan(10);
  expect(followed.filter((to) => !commits.has(to))).toEqual([]);
  for (const copy of copies) await copy.stop();
}, 60_000);

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
