import { readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { commitBatch, type Instance, type OpenDatasets, openDatasets, readRows } from "../../../test/datasets/open.ts";
import { textCopies } from "../../../test/datasets/text-copies.ts";
import { type DatasetId, datasetPath } from "../../base/index.ts";

let open: OpenDatasets;
const signal = AbortSignal.timeout(120_000);
const silent = () => {};
const layout = { packBlocks: 8, checkpointBlocks: 4, regions: { first: 4, fan: 2 } };
beforeAll(async () => {
  open = await openDatasets();
});
afterAll(() => open[Symbol.asyncDispose]());

let made = 0;
async function dataset(one: Instance): Promise<{ id: DatasetId; values: string[] }> {
  const { id } = await one.datasets.create(datasetPath(`damage.d${++made}`));
  const values = Array.from({ length: 14 }, (_, at) => `row ${at}`);
  for (const [at, value] of values.entries())
    await commitBatch(open, one, id, { source: "s", position: at + 1, values: [value] });
  open.clock.jump(1);
  return { id, values };
}

async function keysOf(one: Instance, id: DatasetId, folder: string): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of one.store.list(`datasets/${id.slice("did:odf:".length)}/${folder}`)) keys.push(key);
  return keys;
}

test("a copy whose rows are others is never published: the slices stay, and it is told", async () => {
  const wrong = {
    worker: {
      ...textCopies,
      async writeCopy(...[order, abort]: Parameters<typeof textCopies.writeCopy>) {
        const written = await textCopies.writeCopy(order, abort);
        await writeFile(order.output, (await readFile(order.output, "utf8")).replace("row 5", "row X"));
        return written;
      },
    },
  };
  const one = open.instance({ layout, copies: wrong });
  const { id, values } = await dataset(one);
  const report = await one.datasets.layouts.compact(id, signal, silent);
  expect(report.unproven).toBeGreaterThan(0);
  expect(open.errors).toContain("a copy does not prove its slices; they stay");
  expect(await readRows(one, id)).toEqual(values);
  await one.datasets.layouts.supersede(id, 0, signal, silent);
  await one.datasets.layouts.deleteOutdated(id, signal);
  for (const server of [one, open.instance({ layout })]) expect(await readRows(server, id)).toEqual(values);
  expect(await one.datasets.verify(id, { level: "logical", signal })).toMatchObject({ ok: true });
});

test("slices that a worker cannot copy stay as they are", async () => {
  const writeCopy = async () => Promise.reject(Object.assign(new Error("no"), {}));
  const { MillraceError } = await import("../../base/index.ts");
  const bad = {
    worker: { ...textCopies, writeCopy: async () => Promise.reject(new MillraceError("bad_input", "no")) },
  };
  const one = open.instance({ layout, copies: bad });
  const { id, values } = await dataset(one);
  expect(await one.datasets.layouts.compact(id, signal, silent)).toMatchObject({ copies: 0 });
  expect(await readRows(one, id)).toEqual(values);
  const broken = open.instance({ layout, copies: { worker: { ...textCopies, writeCopy } } });
  const { id: next } = await dataset(broken);
  await expect(broken.datasets.layouts.compact(next, signal, silent)).rejects.toThrow("no"); // what says nothing of the file
});

test("a copy that is damaged in the store: nothing that it stands for is deleted, and verify names it", async () => {
  for (const damage of ["changed", "absent"] as const) {
    const one = open.instance({ layout });
    const { id, values } = await dataset(one);
    await one.datasets.layouts.compact(id, signal, silent);
    const [manifest] = await keysOf(one, id, "layout/regions/3/");
    const [copy] = await keysOf(one, id, "layout/data/3-");
    if (copy === undefined || manifest === undefined) throw new Error("no copy");
    const file = path.join(open.root, copy);
    const text = await readFile(file, "utf8");
    if (damage === "absent") await one.store.delete(copy);
    else await writeFile(file, text.replace("row 5", "row X"));
    const before = await keysOf(one, id, "");
    const told = { broken: [{ object: copy }] };
    expect(await one.datasets.layouts.deleteOutdated(id, signal)).toMatchObject({ manifests: 0, copies: 0, ...told });
    expect(await one.datasets.layouts.supersede(id, 0, signal, silent)).toMatchObject({ slices: 0, ...told });
    expect(await keysOf(one, id, "")).toEqual(before);
    expect(await one.datasets.layouts.broken(id, true, signal)).toMatchObject(told.broken);
    // Without reading it, only its size tells.
    expect(await one.datasets.layouts.broken(id, false, signal)).toHaveLength(damage === "absent" ? 1 : 0);
    expect(await one.datasets.verify(id, { level: "logical", signal })).toMatchObject({ ok: true, superseded: 0 });

    await writeFile(file, text);
    await one.datasets.layouts.deleteOutdated(id, signal);
    const { slices } = await one.datasets.layouts.supersede(id, 0, signal, silent);
    expect(slices).toBeGreaterThan(0);
    expect(await one.datasets.verify(id, { level: "logical", signal })).toMatchObject({ ok: true, superseded: slices });
    if (damage === "absent") await one.store.delete(copy);
    else await writeFile(file, text.replace("row 5", "row X"));
    for (const level of ["physical", "logical"] as const)
      expect(await one.datasets.verify(id, { level, signal })).toMatchObject({ ok: false, broken: { object: copy } });
    expect(await one.datasets.verify(id, { level: "chain", signal })).toMatchObject({ ok: true });
    await writeFile(file, text);
    expect(await readRows(open.instance({ layout }), id)).toEqual(values);
  }
});

test("beside a copy or a manifest that is damaged, the rest of the dataset is compacted, superseded and expires", async () => {
  for (const damaged of ["layout/data/2-000000000000-", "layout/regions/2/000000000000"]) {
    const one = open.instance({ layout });
    const { id, values } = await dataset(one);
    // 16 blocks: two regions of the second level; then 8 more, which make a third.
    await one.datasets.layouts.compact(id, signal, silent);
    for (const folder of ["layout/regions/3/", "layout/data/3-"])
      for (const key of await keysOf(one, id, folder)) await one.store.delete(key);
    const [broken] = await keysOf(one, id, damaged);
    if (broken === undefined) throw new Error("nothing to damage");
    await writeFile(path.join(open.root, broken), "nonsense");
    const { superseded, kept } = await work(one, id);
    expect(superseded.broken).toMatchObject([{ object: broken }]);
    expect(superseded.slices).toBe(8); // of the second half
    expect(kept).toHaveLength(6);
    expect(await one.datasets.layouts.broken(id, false, signal)).toMatchObject([{ object: broken }]);
    expect(await one.datasets.verify(id, { level: "logical", signal })).toMatchObject({ ok: true, superseded: 8 });
    const again = open.instance({ layout });
    await again.datasets.layouts.expire(id, { rows: 3 }, signal, silent);
    expect((await readRows(again, id)).length).toBeLessThan(values.length);
  }
  async function work(one: Instance, id: DatasetId) {
    const superseded = await one.datasets.layouts.supersede(id, 0, signal, silent);
    await one.datasets.layouts.deleteOutdated(id, signal);
    await one.datasets.layouts.compact(id, signal, silent);
    return { superseded, kept: await keysOf(one, id, "data/") };
  }
});

test("a manifest that is damaged or of a newer version is not read over", async () => {
  const one = open.instance({ layout });
  const { id, values } = await dataset(one);
  await one.datasets.layouts.compact(id, signal, silent);
  const [manifest] = await keysOf(one, id, "layout/regions/3/");
  if (manifest === undefined) throw new Error("no manifest");
  await writeFile(path.join(open.root, manifest), "nonsense");
  await expect(one.datasets.refresh(id)).rejects.toMatchObject({ code: "chain_broken" });
  expect(await readRows(open.instance({ layout }), id)).toEqual(values); // its slices are there still
});
