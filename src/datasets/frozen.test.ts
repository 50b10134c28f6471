import { readdir, readFile } from "node:fs/promises";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Freezer } from "../../test/datasets/frozen.ts";
import {
  commitBatch,
  commitOnce,
  type Instance,
  type OpenDatasets,
  openDatasets,
  readRows,
} from "../../test/datasets/open.ts";
import { type DatasetId, datasetPath } from "../base/index.ts";

/** One server sleeps at every operation on its store, while another commits on, packs and deletes what it was about to look at. */
const layout = { packBlocks: 4, checkpointBlocks: 2 };
const signal = new AbortController().signal;
let open: OpenDatasets;
let made = 0;
beforeAll(async () => {
  open = await openDatasets();
});
afterAll(() => open[Symbol.asyncDispose]());

interface Scene {
  readonly id: DatasetId;
  readonly awake: Instance;
  readonly sleeper: Instance;
  readonly freezer: Freezer;
  readonly values: string[];
}

/** A dataset of some commits, known to both servers. */
async function scene(commits: number): Promise<Scene> {
  const freezer = new Freezer();
  const awake = open.instance({ layout });
  const sleeper = open.instance({ layout, between: freezer.between });
  const { id } = await awake.datasets.create(datasetPath(`frozen.set${++made}`));
  const one: Scene = { id, awake, sleeper, freezer, values: [] };
  await go(one, commits);
  await sleeper.datasets.head(id);
  return one;
}

async function go({ awake, id, values }: Scene, commits: number): Promise<void> {
  for (let count = 0; count < commits; count++) {
    const value = `awake ${values.length}`;
    await commitBatch(open, awake, id, { source: "awake", position: values.length + 1, values: [value] });
    values.push(value);
  }
}

/** What a later writer finds: packs, and no log entries below them. */
async function packed({ awake, id }: Scene): Promise<void> {
  await awake.datasets.upkeep(id, signal);
  const entries = await readdir(path.join(open.root, "datasets", id.slice("did:odf:".length), "log"));
  expect(entries.length).toBeLessThan(2 * layout.packBlocks);
}

const mine = { source: "sleeper", position: 1, values: ["mine"] };

/** How many operations a commit is. */
async function operations(work: (one: Scene) => Promise<unknown>): Promise<number> {
  const one = await scene(3);
  one.freezer.arm(Number.POSITIVE_INFINITY, "before");
  await work(one);
  return one.freezer.count;
}

describe.each(["before", "after"] as const)("a writer that sleeps %s each operation", (moment) => {
  test("has committed or lost, as it is told, and goes on", async () => {
    const outcomes = new Set<string>();
    const count = await operations((one) => commitOnce(open, one.sleeper, one.id, mine));
    expect(count).toBeGreaterThan(8);
    for (let at = 0; at < count; at++) {
      // Its number is in turn the first, the last and in the middle of a pack.
      const one = await scene(2 + (at % 4));
      const head = await one.sleeper.datasets.head(one.id);
      one.freezer.arm(at, moment);
      const committing = commitOnce(open, one.sleeper, one.id, mine, head);
      await Promise.race([one.freezer.frozen, committing]);
      await go(one, 9);
      await packed(one);
      one.freezer.thaw();
      const { outcome } = await committing;
      outcomes.add(outcome);
      const rows = await readRows(open.instance({ layout }), one.id);
      expect(
        rows.filter((row) => row === "mine"),
        `operation ${at}`,
      ).toHaveLength(outcome === "committed" ? 1 : 0);
      expect(rows.filter((row) => row !== "mine")).toEqual(one.values);
      await commitBatch(open, one.sleeper, one.id, mine);
      await go(one, 5);
      await packed(one);
      const after = await readRows(open.instance({ layout }), one.id);
      expect(after.filter((row) => row === "mine")).toHaveLength(1);
      expect(after.filter((row) => row !== "mine")).toEqual(one.values);
      expect(await one.awake.datasets.verify(one.id, { level: "logical", signal })).toMatchObject({ ok: true });
    }
    expect([...outcomes].toSorted()).toEqual(["committed", "lost"]);
  }, 120_000);
});

describe.each(["before", "after"] as const)("a reader that sleeps %s each operation", (moment) => {
  test.each([
    ["that knows the head", (one: Scene) => readRows(one.sleeper, one.id)],
    ["that knows nothing", (one: Scene) => readRows(open.instance({ layout, between: one.freezer.between }), one.id)],
  ] as const)(
    "%s reads a prefix, with all that was there when it began",
    async (_who, read) => {
      const slept = async (one: Scene) => {
        await go(one, 3); // what it reads on
        await open.database.sql`DELETE FROM chain_blocks WHERE dataset_id = ${one.id}`;
        return await read(one);
      };
      const count = await operations(slept);
      for (let at = 0; at < count; at++) {
        const one = await scene(3 + (at % 4));
        await go(one, 3);
        await open.database.sql`DELETE FROM chain_blocks WHERE dataset_id = ${one.id}`;
        const before = one.values.length;
        one.freezer.arm(at, moment);
        const reading = read(one);
        await Promise.race([one.freezer.frozen, reading]);
        await go(one, 9);
        await packed(one);
        one.freezer.thaw();
        const rows = await reading;
        expect(rows, `operation ${at}`).toEqual(one.values.slice(0, rows.length));
        expect(rows.length).toBeGreaterThanOrEqual(before);
        expect(await readRows(one.sleeper, one.id)).toEqual(one.values);
      }
    },
    120_000,
  );

  test("reads the past as it was", async () => {
    const past = async (one: Scene, server: Instance) => {
      const seqs: number[] = [];
      for await (const { seq } of server.datasets.blocks(one.id, { from: 0, to: 5, newestFirst: true })) seqs.push(seq);
      return { seqs, rows: await readRows(server, one.id, { kind: "version", seq: 5 }) };
    };
    const sleeper = (one: Scene) => open.instance({ layout, between: one.freezer.between });
    const count = await operations((one) => go(one, 4).then(() => past(one, sleeper(one))));
    for (let at = 0; at < count; at++) {
      const one = await scene(7);
      one.freezer.arm(at, moment);
      const reading = past(one, sleeper(one));
      await Promise.race([one.freezer.frozen, reading]);
      await go(one, 9);
      await packed(one);
      one.freezer.thaw();
      expect(await reading, `operation ${at}`).toEqual({ seqs: [5, 4, 3, 2, 1, 0], rows: one.values.slice(0, 4) });
    }
  }, 120_000);
});

test("a deletion that sleeps before its entry ends a dataset that was packed meanwhile", async () => {
  const count = await operations((one) =>
    one.sleeper.datasets.delete({ id: one.id, path: datasetPath("x.y"), createdAt: open.clock.now() }),
  );
  for (let at = 0; at < count; at++) {
    const one = await scene(4);
    one.freezer.arm(at, "before");
    const deleting = one.sleeper.datasets.delete({ id: one.id, path: datasetPath("x.y"), createdAt: open.clock.now() });
    await Promise.race([one.freezer.frozen, deleting]);
    const went = await go(one, 9).then(
      () => true,
      () => false,
    );
    if (went) await packed(one);
    one.freezer.thaw();
    await deleting;
    await expect(open.instance({ layout }).datasets.head(one.id)).rejects.toMatchObject({ code: "dataset_not_found" });
    await expect(go(one, 1)).rejects.toMatchObject({ code: "dataset_not_found" });
  }
});

test("a writer that slept through 1,100 commits and their packing at full size has lost", async () => {
  const freezer = new Freezer();
  const awake = open.instance();
  const sleeper = open.instance({ between: freezer.between });
  const { id } = await awake.datasets.create(datasetPath("frozen.long"));
  const one: Scene = { id, awake, sleeper, freezer, values: [] };
  await go(one, 2);
  const head = await sleeper.datasets.head(id);
  const looks = 2; // for the head, which is known here
  const steps = await operations((other) => commitOnce(open, other.sleeper, other.id, mine));
  freezer.arm(steps - looks - 3, "before"); // the log entry: behind it come the look for the pack and the hint
  const committing = commitOnce(open, sleeper, id, mine, head);
  await Promise.race([freezer.frozen, committing]);
  const empty = { source: "awake", values: [] };
  for (let position = 10; position < 1_110; position++) await commitBatch(open, awake, id, { ...empty, position });
  expect(await awake.datasets.upkeep(id, signal)).toEqual({ packs: 1, deleted: 1_024 });
  freezer.thaw();
  expect((await committing).outcome).toBe("lost");
  expect(await readRows(open.instance(), id)).toEqual(one.values);
  const log = path.join(open.root, "datasets", id.slice("did:odf:".length), "log");
  expect((await readdir(log)).toSorted()[0]).toBe("000000001024"); // what it made is gone
  expect(await readFile(path.join(log, "000000001024"), "utf8")).toMatch(/^f1620/);
}, 120_000);
