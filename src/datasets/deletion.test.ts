import { readdir, readFile, rm } from "node:fs/promises";
import path from "node:path";
import { setImmediate } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { commitBatch, commitOnce, type Instance, type OpenDatasets, openDatasets } from "../../test/datasets/open.ts";
import { type DatasetId, datasetPath } from "../base/index.ts";
import type { DatasetRef } from "./index.ts";

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
const signal = new AbortController().signal;

describe("deletion", () => {
  test("ends the log for every server, also for one that knows the old name and head", async () => {
    const ref = await create();
    await commitBatch(open, one, ref.id, batch(1, "a"));
    const other = open.instance();
    const head = await other.datasets.head(ref.id);
    const snapshot = await other.datasets.snapshot(ref.id);
    await one.datasets.delete(ref);
    for (const { datasets } of [one, other, open.instance()]) {
      await expect(datasets.head(ref.id)).rejects.toMatchObject({ code: "dataset_not_found" });
      await expect(datasets.verify(ref.id, { level: "logical", signal })).rejects.toMatchObject({
        code: "dataset_not_found",
      });
    }
    await expect(commitOnce(open, other, ref.id, batch(2, "b"), head)).rejects.toMatchObject({
      code: "dataset_not_found",
    });
    // Who reads already, reads on.
    await using slices = await other.datasets.openSlices(ref.id, snapshot.slices);
    expect(await readFile(slices.paths[0] ?? "", "utf8")).toBe("0 a\n");
    // The name is free, and stays with the new one.
    const again = await one.datasets.create(ref.path);
    await one.datasets.reindex();
    expect((await open.instance().datasets.get(ref.path)).id).toBe(again.id);
  });

  test("races with writers: what was acknowledged came before it, nothing comes behind it", async () => {
    const ref = await create();
    const writers = ["a", "b"].map(async (source) => {
      const server = open.instance();
      for (let position = 1; ; position++) {
        try {
          await commitBatch(open, server, ref.id, { source, position, values: [`${source}${position}`] });
        } catch (error) {
          expect(error).toMatchObject({ code: "dataset_not_found" });
          return position - 1;
        }
      }
    });
    // A look takes no turn of the event loop: the writers need theirs.
    while ((await one.datasets.head(ref.id)).seq < 8) await setImmediate();
    await one.datasets.delete(ref);
    const acknowledged = (await Promise.all(writers)).reduce((sum, count) => sum + count);
    const entries = await readdir(path.join(folder(ref.id), "log"));
    expect(await readFile(path.join(folder(ref.id), "log", entries.at(-1) ?? ""), "utf8")).toBe("deleted");
    // Seed and schema, the rows, the end.
    expect(entries).toHaveLength(2 + acknowledged + 1);
  });

  test.each(["before", "after"] as const)(
    "cut off %s any operation, it is finished when it is repeated",
    async (moment) => {
      const counted = await create();
      one.faults.arm(null);
      await one.datasets.delete(counted);
      const steps = one.faults.steps.length;
      for (let at = 0; at < steps; at++) {
        const ref = await create();
        const dying = open.instance();
        dying.faults.arm({ at, moment, kind: "crash" });
        await dying.datasets.delete(ref).catch(() => null);
        const fresh = open.instance();
        const found = await fresh.datasets.find(ref.path);
        const isAlive = await fresh.datasets.head(ref.id).then(
          () => true,
          () => false,
        );
        // Repeated; or, where the log had ended, the name is free to be made anew.
        if (found !== null && isAlive) await fresh.datasets.delete(found);
        const again = await fresh.datasets.create(ref.path);
        await expect(open.instance().datasets.head(ref.id)).rejects.toMatchObject({ code: "dataset_not_found" });
        expect((await open.instance().datasets.get(ref.path)).id).toBe(again.id);
        await fresh.datasets.delete(again);
      }
    },
  );

  test("works on a broken chain", async () => {
    const ref = await create();
    await rm(path.join(folder(ref.id), "blocks"), { recursive: true });
    await open.instance().datasets.delete(ref);
    expect(await one.datasets.find(ref.path).then(() => open.instance().datasets.find(ref.path))).toBeNull();
  });
});
