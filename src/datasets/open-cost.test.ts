import { readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { commitBatch, type OpenDatasets, openDatasets, readRows } from "../../test/datasets/open.ts";
import { type DatasetId, datasetPath } from "../base/index.ts";

const commits = 1_500;
let open: OpenDatasets;
let id: DatasetId;
let folder: string;

beforeAll(async () => {
  open = await openDatasets();
  const one = open.instance();
  id = (await one.datasets.create(datasetPath("cost.long"))).id;
  for (let position = 1; position <= commits; position++)
    await commitBatch(open, one, id, { source: "log", position, values: [`row ${position}`] });
  folder = path.join(open.root, "datasets", id.slice("did:odf:".length));
}, 120_000);
afterAll(() => open[Symbol.asyncDispose]());

/** Opens the chain by a server that knows nothing of it; what it asked for. */
async function cost(): Promise<{ store: number; sql: number; stats: number }> {
  const fresh = open.instance();
  const head = await fresh.datasets.head(id);
  expect(head).toMatchObject({ seq: commits + 1, rows: commits, slices: commits });
  const { steps } = fresh.faults;
  const count = (name: string) => steps.filter((step) => step === name).length;
  return { store: count("readFile"), sql: count("sql"), stats: count("stat") };
}
async function dropIndex(): Promise<void> {
  await open.database.sql`DELETE FROM chain_blocks WHERE dataset_id = ${id}`;
  await open.database.sql`DELETE FROM chain_checkpoints WHERE dataset_id = ${id}`;
}

describe("a dataset of an older build, without packs and checkpoints", () => {
  /** The newest entry and its pack; the next entry and its pack. */
  const throughIndex = { store: 1, stats: 3 };

  test("opens through the rows of its index; nothing new costs two looks", async () => {
    expect(await cost()).toEqual({ ...throughIndex, sql: 2 });
    const fresh = open.instance();
    await fresh.datasets.head(id);
    fresh.faults.arm(null);
    await Promise.all([fresh.datasets.head(id), fresh.datasets.head(id), fresh.datasets.snapshot(id)]);
    expect(fresh.faults.steps, "for all who ask at once").toEqual(["stat", "stat"]);
  });

  test("an index that is behind costs what it lacks", async () => {
    await open.database.sql`DELETE FROM chain_blocks WHERE dataset_id = ${id} AND seq > ${commits - 9}`;
    const { store, stats } = await cost();
    // The log entry that the index is held against, and of each of ten blocks the entry, the block, the statistics.
    expect(store).toBe(1 + 10 * 3);
    expect(stats).toBeLessThan(15);
    expect(await cost()).toEqual({ ...throughIndex, sql: 2 });
  });

  test("a row of the index that is damaged is mended by whoever meets it", async () => {
    await open.database.sql`UPDATE chain_blocks SET bytes = '\\x00' WHERE dataset_id = ${id} AND seq = ${commits - 20}`;
    expect((await cost()).store).toBeGreaterThan(60);
    expect(await cost()).toEqual({ ...throughIndex, sql: 2 });
  });

  test("without index and hint the end is found by doubling and halving; then the index has the state", async () => {
    const hint = path.join(folder, "refs/head");
    const right = await readFile(hint);
    for (const damage of [() => rm(hint), () => writeFile(hint, "nonsense")]) {
      await dropIndex();
      await damage();
      // Of each slice the listed statistics, of each batch of 32 blocks a look for a pack.
      expect((await cost()).stats).toBeLessThan(commits + commits / 32 + 50);
      expect(await cost()).toEqual({ ...throughIndex, sql: 1 });
    }
    await writeFile(hint, right);
    expect(await readRows(open.instance(), id)).toHaveLength(commits);
  }, 60_000);
});

describe("kept short", () => {
  beforeAll(async () => {
    await dropIndex();
    expect(await open.instance().datasets.upkeep(id, new AbortController().signal)).toEqual({
      packs: 1,
      deleted: 1_024,
    });
  }, 60_000);

  test("the packed blocks and entries are gone, and everything is there", async () => {
    expect(await readdir(path.join(folder, "log"))).toHaveLength(commits + 2 - 1_024);
    expect(await readdir(path.join(folder, "blocks"))).toHaveLength(commits + 2 - 1_024);
    expect(await readRows(open.instance(), id)).toHaveLength(commits);
  });

  test("the index is one row", async () => {
    expect(await cost()).toEqual({ store: 1, stats: 3, sql: 1 });
    const [rows] = await open.database.sql<{ count: number }[]>`
      SELECT count(*)::int AS count FROM chain_blocks WHERE dataset_id = ${id}`;
    expect(rows?.count).toBe(0);
  });

  test("a reader without an index needs the hint, the checkpoint, and what was committed behind it", async () => {
    const one = open.instance();
    for (let position = 1; position <= 3; position++)
      await commitBatch(open, one, id, { source: "later", position, values: [`later ${position}`] });
    await dropIndex();
    const fresh = open.instance();
    expect(await fresh.datasets.head(id)).toMatchObject({ seq: commits + 4, rows: commits + 3 });
    const reads = fresh.faults.steps.filter((step) => step === "readFile").length;
    // The hint, the checkpoint, the entry that it is held against, refs/head; of each block entry, block, statistics.
    expect(reads).toBeLessThanOrEqual(4 + 3 * 3);
    expect(fresh.faults.steps.filter((step) => step === "stat").length).toBeLessThan(12);
  });

  test("once compacted, the checkpoint lists the few files that are left, though nobody commits", async () => {
    const one = open.instance({ keepsUp: true });
    await one.datasets.layouts.compact(id, new AbortController().signal, () => {});
    await one.datasets[Symbol.asyncDispose](); // what is behind has ended
    const { rows, slices } = await open.instance().datasets.snapshot(id);
    expect({ rows, isShort: slices.length < 64 + 16 }).toEqual({ rows: commits + 3, isShort: true });
    const [index] = await open.database.sql<{ bytes: number }[]>`
      SELECT octet_length(bytes) AS bytes FROM chain_checkpoints WHERE dataset_id = ${id}`;
    expect(index?.bytes).toBeLessThan(20_000);
    const checkpoints = await readdir(path.join(folder, "layout/checkpoints"));
    const { size } = await stat(path.join(folder, "layout/checkpoints", checkpoints.toSorted().at(-1) ?? ""));
    expect(size).toBeLessThan(20_000);
  }, 60_000);
});
