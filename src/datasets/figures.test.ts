import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { commitBatch, type Instance, type OpenDatasets, openDatasets } from "../../test/datasets/open.ts";
import { type DatasetId, datasetPath } from "../base/index.ts";
import { KeptFigures } from "./figures.ts";

let open: OpenDatasets;
let writer: Instance;
/** A server that has room for one whole chain. */
let lister: Instance;
let first: DatasetId;
let second: DatasetId;
const signal = new AbortController().signal;
const row = (position: number) => ({ source: "log", position, values: [`row ${position}`] });

beforeAll(async () => {
  open = await openDatasets();
  writer = open.instance();
  lister = open.instance({ cacheBytes: 1 });
  first = (await writer.datasets.create(datasetPath("list.first"))).id;
  second = (await writer.datasets.create(datasetPath("list.second"))).id;
  for (const id of [first, second])
    for (const position of [1, 2, 3]) await commitBatch(open, writer, id, row(position));
});
afterAll(() => open[Symbol.asyncDispose]());

/** What a server that knows nothing finds out. */
async function truth(id: DatasetId) {
  const { sourceState: _, ...figures } = await open.instance().datasets.head(id);
  return figures;
}

/** Figures of the first dataset, asked for when its chain has made room for another's. */
async function figures() {
  await lister.datasets.head(second);
  lister.faults.arm(null);
  return await lister.datasets.figures(first);
}

describe("the figures of a head, when its chain is in memory no more", () => {
  test("cost two looks as long as nothing is committed, and a reading of the chain behind that", async () => {
    await figures();
    expect(await figures()).toEqual(await truth(first));
    expect(lister.faults.steps).toEqual(["stat", "stat"]);
    await commitBatch(open, writer, first, row(4));
    expect(await figures()).toMatchObject({ rows: 4, nextOffset: 4 });
    expect(lister.faults.steps).toContain("sql");
    expect(await figures()).toEqual(await truth(first));
  });

  test("are those behind what was expired without a commit", async () => {
    await figures();
    await lister.datasets.layouts.expire(first, { rows: 1 }, signal, async () => {});
    expect(await figures()).toMatchObject({ rows: 1, slices: 1, nextOffset: 4 });
    expect(await figures()).toEqual(await truth(first));
  });

  test("are not there for a dataset that another server deleted", async () => {
    await figures();
    await writer.datasets.delete({ id: first, path: datasetPath("list.first"), createdAt: open.clock.now() });
    await expect(figures()).rejects.toMatchObject({ code: "dataset_not_found" });
  });
});

test("figures have a bounded place: those of datasets that were asked for long ago go first", () => {
  const kept = new KeptFigures();
  const fields = Array.from({ length: 2_000 }, () => ({}));
  const of = { schema: { fields } } as unknown as Parameters<KeptFigures["set"]>[1];
  const ids = Array.from({ length: 1_000 }, (_, at) => `did:odf:${at}` as DatasetId);
  for (const id of ids) {
    kept.set(id, of);
    kept.get(ids[0] as DatasetId);
  }
  const there = ids.filter((id) => kept.get(id) !== null);
  expect(there.length).toBeGreaterThan(100);
  expect(there.length).toBeLessThan(500);
  expect([there.includes(ids[0] as DatasetId), there.includes(ids[1] as DatasetId)]).toEqual([true, false]);
  for (const id of ids) kept.drop(id);
  for (const id of there) kept.set(id, of);
  expect(there.every((id) => kept.get(id) !== null)).toBe(true);
});
