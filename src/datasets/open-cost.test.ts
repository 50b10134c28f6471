import { readFile, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { commitBatch, type OpenDatasets, openDatasets, readRows } from "../../test/datasets/open.ts";
import { type DatasetId, datasetPath } from "../base/index.ts";

const commits = 2_000;
let open: OpenDatasets;
let id: DatasetId;
let hint: string;

beforeAll(async () => {
  open = await openDatasets();
  const one = open.instance();
  id = (await one.datasets.create(datasetPath("cost.long"))).id;
  for (let position = 1; position <= commits; position++)
    await commitBatch(open, one, id, { source: "log", position, values: [`row ${position}`] });
  hint = path.join(open.root, "datasets", id.slice("did:odf:".length), "refs/head");
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
const dropIndex = () => open.database.sql`DELETE FROM chain_blocks WHERE dataset_id = ${id}`;

test("through the index a long chain opens with two looks at the store; then with one", async () => {
  expect(await cost()).toEqual({ store: 1, sql: 3, stats: 1 });
  const fresh = open.instance();
  await fresh.datasets.head(id);
  fresh.faults.arm(null);
  await fresh.datasets.head(id);
  expect(fresh.faults.steps).toEqual(["stat"]);
});

test("an index that is behind costs what it lacks", async () => {
  await open.database.sql`DELETE FROM chain_blocks WHERE dataset_id = ${id} AND seq > ${commits - 9}`;
  const { store, stats } = await cost();
  // The log entry that the index is held against, and of each of ten blocks the entry, the block, the statistics.
  expect(store).toBe(1 + 10 * 3);
  expect(stats).toBeLessThan(12);
  expect(await cost()).toEqual({ store: 1, sql: 3, stats: 1 });
});

test("a row of the index that is damaged is mended by whoever meets it", async () => {
  await open.database.sql`UPDATE chain_blocks SET bytes = '\\x00' WHERE dataset_id = ${id} AND seq = ${commits - 20}`;
  expect((await cost()).store).toBeGreaterThan(60);
  expect(await cost()).toEqual({ store: 1, sql: 3, stats: 1 });
});

test("without the index the hint tells where the log ends; then the index is there again", async () => {
  await dropIndex();
  const { stats } = await cost();
  expect(stats).toBe(1);
  expect(await cost()).toEqual({ store: 1, sql: 3, stats: 1 });
}, 60_000);

test("without index and hint the end is found by doubling and halving", async () => {
  const right = await readFile(hint);
  for (const damage of [() => rm(hint), () => writeFile(hint, "nonsense")]) {
    await dropIndex();
    await damage();
    expect((await cost()).stats).toBeLessThan(30);
  }
  await writeFile(hint, right);
  expect(await readRows(open.instance(), id)).toHaveLength(commits);
}, 60_000);
