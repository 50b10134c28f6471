import { afterAll, beforeAll, expect, test } from "vitest";
import { commitBatch, type Instance, type OpenDatasets, openDatasets, readRows } from "../../../test/datasets/open.ts";
import { type DatasetId, datasetPath } from "../../base/index.ts";

let open: OpenDatasets;
const signal = AbortSignal.timeout(120_000);
const silent = () => {};
const layout = { packBlocks: 8, checkpointBlocks: 4, regions: { first: 4, fan: 2 } };
beforeAll(async () => {
  open = await openDatasets();
});
afterAll(() => open[Symbol.asyncDispose]());

let datasets = 0;
async function filled(one: Instance, commits: number): Promise<{ id: DatasetId; values: string[] }> {
  const { id } = await one.datasets.create(datasetPath(`copies.d${++datasets}`));
  const values: string[] = [];
  for (let position = 1; position <= commits; position++) {
    const added = Array.from({ length: 1 + (position % 3) }, (_, at) => `${position}.${at}`);
    await commitBatch(open, one, id, { source: "s", position, values: added });
    values.push(...added);
  }
  return { id, values };
}

async function keysOf(one: Instance, id: DatasetId, folder: string): Promise<string[]> {
  const root = `datasets/${id.slice("did:odf:".length)}/`;
  const keys: string[] = [];
  for await (const { key } of one.store.list(`${root}${folder}`)) keys.push(key.slice(root.length + folder.length));
  return keys;
}

test("regions are compacted bottom-up, read at once, proven, and their originals superseded; every past version stays", async () => {
  const one = open.instance({ layout });
  const other = open.instance({ layout });
  const { id, values } = await filled(one, 40);
  expect(await readRows(other, id)).toEqual(values);
  const versions = new Map<number, string[]>();
  const newest = (await one.datasets.head(id)).seq;
  for (let seq = 0; seq <= newest; seq++) versions.set(seq, await readRows(one, id, { kind: "version", seq }));

  const report = await one.datasets.layouts.compact(id, signal, silent);
  expect(report).toMatchObject({ regions: 10 + 5 + 2 + 1, unproven: 0 });
  expect((await one.datasets.snapshot(id)).slices.length).toBeLessThan(8);
  expect(await readRows(one, id)).toEqual(values);
  expect(await keysOf(one, id, "data/")).toHaveLength(40);

  await one.datasets.layouts.deleteOutdated(id, signal);
  expect(await keysOf(one, id, "layout/regions/")).toEqual(["2/000000000004", "4/000000000000"]);
  open.clock.jump(1);
  const superseded = await one.datasets.layouts.supersede(id, 0, signal, silent);
  expect(superseded.slices).toBeGreaterThan(35);
  expect(await keysOf(one, id, "data/")).toHaveLength(40 - superseded.slices);
  for (const server of [one, other, open.instance({ layout })]) {
    expect(await readRows(server, id)).toEqual(values);
    for (const [seq, rows] of versions) expect(await readRows(server, id, { kind: "version", seq })).toEqual(rows);
  }
  expect(await one.datasets.layouts.supersede(id, 0, signal, silent)).toMatchObject({ slices: 0 });
  expect(await one.datasets.verify(id, { level: "chain", signal })).toMatchObject({ ok: true, broken: null });
  for (const level of ["physical", "logical"] as const)
    expect(await one.datasets.verify(id, { level, signal })).toMatchObject({
      ok: true,
      slices: 40,
      superseded: superseded.slices,
      broken: null,
    });
});
