import { readdir, readFile, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { commitBatch, type Instance, type OpenDatasets, openDatasets, readRows } from "../../../test/datasets/open.ts";
import { type DatasetId, datasetPath } from "../../base/index.ts";

const layout = { packBlocks: 4, checkpointBlocks: 2 };
const signal = new AbortController().signal;
let open: OpenDatasets;
let made = 0;
beforeAll(async () => {
  open = await openDatasets();
});
afterAll(() => open[Symbol.asyncDispose]());

const folder = (id: DatasetId) => path.join(open.root, "datasets", id.slice("did:odf:".length));
const fresh = (): Instance => open.instance({ layout });
const rowsOf = (commits: number) => Array.from({ length: commits }, (_, index) => `row ${index + 1}`);

/** Seed, schema, and commits of a row each, every third with quarantined rows. */
async function dataset(commits: number): Promise<DatasetId> {
  const one = fresh();
  const { id } = await one.datasets.create(datasetPath(`packs.set${++made}`));
  await commit(one, id, 1, commits);
  return id;
}

async function commit(one: Instance, id: DatasetId, from: number, to: number): Promise<void> {
  for (let position = from; position <= to; position++) {
    const bad = position % 3 === 0 ? { quarantined: 1 } : {};
    await commitBatch(open, one, id, { source: "log", position, values: [`row ${position}`], ...bad });
  }
}

/** By a server that remembers nothing: the same rows, now and in the past, and nothing left that a pack holds. */
async function expectWhole(id: DatasetId, commits: number): Promise<void> {
  const { datasets } = fresh();
  expect(await readRows(fresh(), id)).toEqual(rowsOf(commits));
  const seqs: number[] = [];
  for await (const { seq } of datasets.blocks(id, { from: 0, to: 1e9, newestFirst: false })) seqs.push(seq);
  expect(seqs).toEqual(Array.from({ length: commits + 2 }, (_, seq) => seq));
  expect(await readRows(fresh(), id, { kind: "version", seq: 4 })).toEqual(rowsOf(3));
  expect(await datasets.quarantines(id, 1e9)).toHaveLength(Math.floor(commits / 3));
  expect(await datasets.verify(id, { level: "logical", signal })).toMatchObject({ ok: true, rows: commits });
}

async function expectPacked(id: DatasetId, blocks: number): Promise<void> {
  const loose = blocks % layout.packBlocks;
  expect(await readdir(path.join(folder(id), "packs"))).toHaveLength(Math.floor(blocks / layout.packBlocks));
  expect(await readdir(path.join(folder(id), "log"))).toHaveLength(loose);
  expect(await readdir(path.join(folder(id), "blocks"))).toHaveLength(loose);
}

test("an older dataset gets its packs in order, and its past is read from them", async () => {
  const id = await dataset(20);
  const before = await readFile(path.join(folder(id), "log/000000000005"), "utf8");
  expect(await fresh().datasets.upkeep(id, signal)).toEqual({ packs: 5, deleted: 20 });
  await expectPacked(id, 22);
  await expectWhole(id, 20);
  expect((await fresh().datasets.block(id, 5))?.hash).toBe(before);
});

test("behind commits packs and checkpoints come by themselves", async () => {
  const one = open.instance({ layout, keepsUp: true });
  const { id } = await one.datasets.create(datasetPath(`packs.set${++made}`));
  await commit(one, id, 1, 30);
  await one.datasets[Symbol.asyncDispose]();
  expect((await readdir(path.join(folder(id), "packs"))).length).toBeGreaterThan(3);
  expect((await readdir(path.join(folder(id), "layout/checkpoints"))).length).toBeLessThanOrEqual(2);
  expect(await readRows(fresh(), id)).toEqual(rowsOf(30));
  await fresh().datasets.upkeep(id, signal);
  await expectPacked(id, 32);
});

test("racing packers make one set of packs", async () => {
  const id = await dataset(30);
  const packers = Array.from({ length: 3 }, () => fresh().datasets.upkeep(id, signal));
  await Promise.all(packers);
  await expectPacked(id, 32);
  await expectWhole(id, 30);
});

test.each([
  { kind: "crash", moment: "before" },
  { kind: "crash", moment: "after" },
  { kind: "error", moment: "before" },
  { kind: "error", moment: "after" },
] as const)(
  "$kind $moment operations of it: nothing is lost, and the next time finishes",
  async (plan) => {
    const counted = fresh();
    const first = await dataset(8);
    await counted.datasets.head(first);
    counted.faults.arm(null);
    await counted.datasets.upkeep(first, signal);
    const steps = counted.faults.steps.length;
    expect(steps).toBeGreaterThan(60);
    const shift = (plan.kind === "crash" ? 0 : 2) + (plan.moment === "after" ? 1 : 0);
    for (let at = 3 * shift; at < steps; at += 12) {
      const id = await dataset(8);
      const one = fresh();
      await one.datasets.head(id);
      one.faults.arm({ at, ...plan });
      await one.datasets.upkeep(id, signal).catch(() => null);
      expect(one.faults.hasHit).toBe(true);
      await commit(fresh(), id, 9, 9);
      expect(await readRows(fresh(), id), `operation ${at}`).toEqual(rowsOf(9));
      await fresh().datasets.upkeep(id, signal);
      await expectPacked(id, 11);
      await expectWhole(id, 9);
    }
  },
  120_000,
);

test("a packing that is cancelled keeps what it has done", async () => {
  const id = await dataset(20);
  const stop = new AbortController();
  stop.abort(new Error("enough"));
  await expect(fresh().datasets.upkeep(id, stop.signal)).rejects.toThrow("enough");
  await expectWhole(id, 20);
  await fresh().datasets.upkeep(id, signal);
  await expectPacked(id, 22);
});

test("a chain that is broken is not packed: the damage does not become the truth", async () => {
  const id = await dataset(10);
  const log = path.join(folder(id), "log");
  const names = await readdir(log);
  await writeFile(path.join(log, "000000000006"), await readFile(path.join(log, "000000000005")));
  await expect(open.instance({ layout }).datasets.upkeep(id, signal)).rejects.toMatchObject({ code: "chain_broken" });
  expect((await readdir(path.join(folder(id), "packs"))).length).toBe(1); // the region before it
  expect(await readdir(log)).toEqual(expect.arrayContaining(names.slice(4)));
});

describe("a pack that is damaged", () => {
  test.each([
    ["is missing", async (file: string) => rm(file), "it is missing"],
    ["is cut", async (file: string) => writeFile(file, (await readFile(file)).subarray(0, -5)), "its bytes are not"],
    ["has a flipped bit", flip, "is broken"],
    ["is another's", async (file: string) => writeFile(file, await readFile(otherPack(file))), "it holds blocks"],
  ] as const)("%s: told, named by verify, and nothing wrong is read", async (_what, damage, reason) => {
    const id = await dataset(20);
    await fresh().datasets.upkeep(id, signal);
    for (const region of [0, 2]) {
      const name = String(region).padStart(12, "0");
      const file = path.join(folder(id), "packs", name);
      const right = await readFile(file);
      await damage(file);
      // The rows are there: a checkpoint knows them.
      expect(await readRows(fresh(), id)).toEqual(rowsOf(20));
      const past = fresh().datasets.block(id, 4 * region + 1);
      await expect(past).rejects.toMatchObject({ code: "chain_broken", message: expect.stringContaining(reason) });
      const { broken } = await fresh().datasets.verify(id, { level: "chain", signal });
      expect(broken?.object).toContain(`/packs/${name}`);
      // Who has only the packs does not take a part for the whole.
      await open.database.sql`DELETE FROM chain_checkpoints WHERE dataset_id = ${id}`;
      await rm(path.join(folder(id), "layout"), { recursive: true });
      await expect(fresh().datasets.head(id)).rejects.toMatchObject({ code: "chain_broken" });
      await rm(path.join(folder(id), "refs/head"), { force: true });
      await expect(fresh().datasets.head(id)).rejects.toMatchObject({ code: "chain_broken" });
      await writeFile(file, right);
      await expect(readRows(fresh(), id)).resolves.toEqual(rowsOf(20));
      await fresh().datasets.upkeep(id, signal);
    }
  });

  async function flip(file: string): Promise<void> {
    const bytes = await readFile(file);
    const at = bytes.length - 50;
    bytes.writeUInt8(bytes.readUInt8(at) ^ 1, at);
    await writeFile(file, bytes);
  }

  function otherPack(file: string): string {
    return path.join(path.dirname(file), "000000000001");
  }
});
