import { readFile, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { commitBatch, type Instance, type OpenDatasets, openDatasets, readRows } from "../../test/datasets/open.ts";
import { type DatasetId, datasetPath, instant } from "../base/index.ts";
import type { DatasetRef } from "./index.ts";
import { decodeBlock, encodeBlock } from "./odf/index.ts";

let open: OpenDatasets;
let one: Instance;
beforeAll(async () => {
  open = await openDatasets();
  one = open.instance();
});
afterAll(() => open[Symbol.asyncDispose]());

let made = 0;
const create = (): Promise<DatasetRef> => one.datasets.create(datasetPath(`set.number${++made}`));
const batch = (position: number, ...values: string[]) => ({ source: "log", position, values });
const folder = (id: DatasetId) => path.join(open.root, "datasets", id.slice("did:odf:".length));

test.each(["before", "after"] as const)(
  "a creation cut off %s any operation can be repeated, and reindexing finds the right one",
  async (moment) => {
    const path = datasetPath(`created.${moment}`);
    one.faults.arm(null);
    await one.datasets.delete(await one.datasets.create(path, { description: "words" }));
    const steps = one.faults.steps.length;
    for (let at = 0; at < steps; at += 3) {
      const dying = open.instance();
      dying.faults.arm({ at, moment, kind: "crash" });
      await dying.datasets.create(path, { description: "words" }).catch(() => null);
      const fresh = open.instance();
      const ref = (await fresh.datasets.find(path)) ?? (await fresh.datasets.create(path, { description: "words" }));
      await commitBatch(open, fresh, ref.id, batch(1, "a"));
      await fresh.datasets.reindex();
      const found = await open.instance().datasets.get(path);
      expect(found.id).toBe(ref.id);
      expect(await readRows(fresh, found.id)).toEqual(["a"]);
      await fresh.datasets.delete(found);
    }
  },
  60_000,
);

describe("the index", () => {
  test("that is ahead of the log is dropped, said so, and written anew", async () => {
    const { id } = await create();
    await commitBatch(open, one, id, batch(1, "a"));
    const hint = await readFile(path.join(folder(id), "refs/head"));
    await commitBatch(open, one, id, batch(2, "b"));
    // The object store as it was before the last commit.
    await rm(path.join(folder(id), "log/000000000003"));
    await writeFile(path.join(folder(id), "refs/head"), hint);
    open.errors.length = 0;
    const fresh = open.instance();
    expect(await readRows(fresh, id)).toEqual(["a"]);
    expect(open.errors).toEqual(["the index of a chain is not the object store's; dropping it"]);
    await commitBatch(open, fresh, id, batch(2, "c"));
    expect(await readRows(open.instance(), id)).toEqual(["a", "c"]);
    expect(open.errors).toHaveLength(1);
  });

  test("of another history is dropped", async () => {
    const [a, b] = [await create(), await create()];
    for (const { id } of [a, b]) await commitBatch(open, one, id, batch(1, `of ${id}`));
    await open.database.sql`DELETE FROM chain_blocks WHERE dataset_id = ${a.id}`;
    await open.database.sql`UPDATE chain_blocks SET dataset_id = ${a.id} WHERE dataset_id = ${b.id}`;
    expect(await readRows(open.instance(), a.id)).toEqual([`of ${a.id}`]);
  });

  test("whose bytes are not their hash's is not believed", async () => {
    const { id } = await create();
    await commitBatch(open, one, id, { ...batch(1, "a"), watermarkMs: 5_000 });
    const [row] = await open.database.sql<{ bytes: Buffer }[]>`
      SELECT bytes FROM chain_blocks WHERE dataset_id = ${id} AND seq = 2`;
    const block = decodeBlock(row?.bytes ?? Buffer.alloc(0));
    if (block.event.kind !== "AddData") return expect.fail("no rows");
    const forged = encodeBlock({ ...block, event: { ...block.event, newWatermark: instant(9_000) } });
    await open.database.sql`
      UPDATE chain_blocks SET bytes = ${Buffer.from(forged)} WHERE dataset_id = ${id} AND seq = 2`;
    expect((await open.instance().datasets.head(id)).watermark).toBe(5_000);
  });

  test("reindexing names what it cannot read and goes on", async () => {
    const fresh = await openDatasets();
    await using _ = fresh;
    const server = fresh.instance();
    const refs = [];
    for (const name of ["x.a", "x.b", "x.c", "x.d"]) refs.push(await server.datasets.create(datasetPath(name)));
    for (const { id } of refs) await commitBatch(fresh, server, id, batch(1, "row"));
    const [, hurt, nameless] = refs;
    if (hurt === undefined || nameless === undefined) return;
    await writeFile(path.join(fresh.root, "datasets", nameless.id.slice(8), "info/alias"), "no name");
    await writeFile(path.join(fresh.root, "datasets/stray"), "");
    await rm(path.join(fresh.root, "datasets", hurt.id.slice(8), "log/000000000001"));
    await fresh.database.sql`DELETE FROM datasets`;
    await fresh.database.sql`DELETE FROM chain_blocks`;
    const report = await fresh.instance().datasets.reindex();
    expect(report).toMatchObject({ datasets: 3, blocks: 6 });
    expect(report.broken.map(({ dataset }) => dataset)).toEqual([nameless.id, "x.b"]);
    const named = refs.filter((ref) => ref !== nameless);
    expect((await server.datasets.list()).map((ref) => ref.id)).toEqual(named.map((ref) => ref.id));
  });

  test("of two datasets with rows and one name, neither is dropped", async () => {
    const fresh = await openDatasets();
    await using _ = fresh;
    const server = fresh.instance();
    for (const name of ["x.a", "x.b"]) {
      const { id } = await server.datasets.create(datasetPath(name));
      await commitBatch(fresh, server, id, batch(1, "row"));
      await writeFile(path.join(fresh.root, "datasets", id.slice(8), "info/alias"), "x.same");
    }
    await expect(fresh.instance().datasets.reindex()).rejects.toMatchObject({ code: "chain_broken" });
    expect(await server.datasets.list()).toHaveLength(2);
  });
});
