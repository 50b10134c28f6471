import { afterAll, beforeAll, expect, test } from "vitest";
import { InjectedFault } from "../../../test/datasets/faults.ts";
import {
  commitBatch,
  commitOnce,
  type Instance,
  type InstanceOptions,
  type OpenDatasets,
  openDatasets,
  readRows,
} from "../../../test/datasets/open.ts";
import { type DatasetId, datasetPath } from "../../base/index.ts";

let open: OpenDatasets;
const signal = AbortSignal.timeout(300_000);
const silent = () => {};
beforeAll(async () => {
  open = await openDatasets();
});
afterAll(() => open[Symbol.asyncDispose]());

/** A server whose first write is behind it: that one looks for what others have left unfinished. */
async function warm(options: InstanceOptions = {}): Promise<Instance> {
  const one = open.instance(options);
  await one.store.put("warm/up", new Uint8Array(1));
  return one;
}

let made = 0;
async function dataset(one: Instance): Promise<DatasetId> {
  const { id } = await one.datasets.create(datasetPath(`collect.d${++made}`));
  await commitBatch(open, one, id, { source: "first", position: 1, values: ["a", "b"], quarantined: 1 });
  return id;
}

async function keysOf(one: Instance, id: DatasetId): Promise<string[]> {
  const root = `datasets/${id.slice("did:odf:".length)}/`;
  const keys: string[] = [];
  for await (const { key } of one.store.list(root)) keys.push(key.slice(root.length));
  return keys;
}

/** A commit that loses its number to another server's, and leaves what it stored. */
async function lostCommit(id: DatasetId, loser: Instance, winner: Instance, position: number) {
  const head = await loser.datasets.head(id);
  const freeze = loser.faults.freeze(12, "before");
  const batch = { source: "loser", position, values: [`lost ${position}`], quarantined: 1 };
  const losing = commitOnce(open, loser, id, batch, head);
  await Promise.race([freeze.reached, losing]);
  await commitBatch(open, winner, id, { source: "winner", position, values: [`won ${position}`] });
  freeze.thaw();
  expect(await losing).toMatchObject({ outcome: "lost" });
}

test("what a lost commit has left is deleted, and nothing else", async () => {
  const [one, other] = [open.instance(), open.instance()];
  const id = await dataset(one);
  const rows = await readRows(one, id);
  const before = (await keysOf(one, id)).filter((key) => !key.startsWith("refs/"));
  await lostCommit(id, one, other, 1);
  const between = await keysOf(one, id);
  const report = await other.datasets.layouts.collect(id, 0, signal, silent);
  expect(report).toMatchObject({ objects: 2, blocks: 1, statistics: 1 });
  const after = await keysOf(one, id);
  expect(between.filter((key) => !after.includes(key)).map((key) => key.split("/").slice(0, -1).join("/"))).toEqual([
    "blocks",
    "data",
    "layout/statistics",
    "quarantine",
  ]);
  expect(after).toEqual(expect.arrayContaining(before));
  expect(await readRows(one, id)).toEqual([...rows, "won 1"]);
  expect(await one.datasets.verify(id, { level: "logical", signal })).toMatchObject({ ok: true });
  expect(await other.datasets.layouts.collect(id, 0, signal, silent)).toMatchObject({ objects: 0, blocks: 0 });
});

test("young objects are left alone", async () => {
  const [one, other] = [open.instance(), open.instance()];
  const id = await dataset(one);
  await lostCommit(id, one, other, 1);
  const ageMs = open.clock.now() - Date.parse("2020-01-01"); // objects have the machine's time, which the test's clock is far ahead of
  expect(await one.datasets.layouts.collect(id, ageMs, signal, silent)).toMatchObject({ objects: 0, blocks: 0 });
});

test("the list of a run that was killed stays, and a writer that meets it is told to write anew", async () => {
  const [one, other, third] = [open.instance(), open.instance(), open.instance()];
  const id = await dataset(one);
  await other.datasets.head(id);
  const head = await one.datasets.head(id);
  const freeze = one.faults.freeze(19, "before");
  const batch = { source: "slow", position: 1, values: ["slow"] };
  const slow = commitOnce(open, one, id, batch, head);
  await Promise.race([freeze.reached, slow]);
  const condemned = async () => (await keysOf(third, id)).filter((key) => key.startsWith("condemned/"));
  for (let at = 0; (await condemned()).length === 0; at++) {
    const dying = await warm();
    await dying.datasets.head(id);
    dying.faults.arm({ at, moment: "after", kind: "crash" });
    await dying.datasets.layouts.collect(id, 0, signal, silent).catch((error: unknown) => {
      if (!(error instanceof InjectedFault)) throw error;
    });
    if (at > 200) throw new Error("nothing is condemned");
  }
  freeze.thaw();
  expect(await slow).toEqual({ outcome: "lost", stored: false, gone: true });
  await third.datasets.layouts.collect(id, 0, signal, silent);
  expect(await condemned()).toHaveLength(1);
  open.clock.jump(1);
  await commitBatch(open, one, id, { ...batch, values: ["slow again"] });
  expect(await readRows(third, id)).toEqual(["a", "b", "slow again"]);
});

test("a writer and a collection, both frozen anywhere: no block is committed without its data", async () => {
  const outcomes = new Map<string, number>();
  for (let writerAt = 6; writerAt < 46; writerAt += 3) {
    for (let collectorAt = 2 + (writerAt % 3); collectorAt < 60; collectorAt += 5) {
      const [writer, collector] = [await warm(), await warm()];
      const id = await dataset(writer);
      await collector.datasets.head(id);
      const head = await writer.datasets.head(id);
      const writing = writer.faults.freeze(writerAt, "before");
      const commit = commitOnce(open, writer, id, { source: "w", position: 1, values: ["c"], quarantined: 2 }, head);
      await Promise.race([writing.reached, commit]);
      const collecting = collector.faults.freeze(collectorAt, "before");
      const collection = collector.datasets.layouts.collect(id, 0, signal, silent);
      await Promise.race([collecting.reached, collection]);
      writing.thaw();
      const { outcome, ...rest } = await commit;
      collecting.thaw();
      await collection;
      const kind = "gone" in rest && rest.gone ? "gone" : outcome;
      outcomes.set(kind, (outcomes.get(kind) ?? 0) + 1);
      expect(await readRows(collector, id)).toEqual(outcome === "committed" ? ["a", "b", "c"] : ["a", "b"]);
      const report = await collector.datasets.verify(id, { level: "physical", signal });
      expect(report.broken, `writer at ${writerAt}, collection at ${collectorAt}`).toBeNull();
    }
  }
  expect([...outcomes.keys()].sort()).toEqual(["committed", "gone"]);
}, 300_000);

test("a collection is frozen anywhere while what it suspects is committed and packed away: no data go", async () => {
  const layout = { packBlocks: 4, checkpointBlocks: 2 };
  let wins = 0;
  for (let collectorAt = 2; collectorAt < 50; collectorAt += 3) {
    const [writer, collector] = [await warm({ layout }), await warm({ layout })];
    const id = await dataset(writer);
    await collector.datasets.head(id);
    const head = await writer.datasets.head(id);
    const writing = writer.faults.freeze(34, "before");
    const commit = commitOnce(open, writer, id, { source: "w", position: 1, values: ["c"] }, head);
    await Promise.race([writing.reached, commit]);
    const collecting = collector.faults.freeze(collectorAt, "before");
    const collection = collector.datasets.layouts.collect(id, 0, signal, silent);
    await Promise.race([collecting.reached, collection]);
    writing.thaw();
    const { outcome } = await commit;
    if (outcome === "committed") wins++;
    for (let position = 1; position <= 5; position++)
      await commitBatch(open, writer, id, { source: "later", position, values: [`later ${position}`] });
    expect((await writer.datasets.upkeep(id, signal)).packs).toBeGreaterThan(0);
    collecting.thaw();
    await collection.catch((error: unknown) => expect(error).toMatchObject({ code: "conflict" }));
    const report = await collector.datasets.verify(id, { level: "physical", signal });
    expect(report.broken, `collection at ${collectorAt}`).toBeNull();
  }
  expect(wins).toBeGreaterThan(5);
}, 300_000);
