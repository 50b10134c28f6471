import { afterAll, beforeAll, expect, test } from "vitest";
import { InjectedFault } from "../../../test/datasets/faults.ts";
import {
  commitBatch,
  commitOnce,
  type Instance,
  type OpenDatasets,
  openDatasets,
} from "../../../test/datasets/open.ts";
import { type DatasetId, datasetPath, MillraceError } from "../../base/index.ts";

let open: OpenDatasets;
const signal = AbortSignal.timeout(120_000);
const layout = { packBlocks: 4, checkpointBlocks: 3, regions: { first: 2, fan: 2 } };
beforeAll(async () => {
  open = await openDatasets();
});
afterAll(() => open[Symbol.asyncDispose]());

let made = 0;
async function dataset(one: Instance) {
  const ref = await one.datasets.create(datasetPath(`deleted.d${++made}`));
  for (let position = 1; position <= 9; position++)
    await commitBatch(open, one, ref.id, { source: "s", position, values: ["a"] });
  await one.datasets.layouts.compact(ref.id, signal, () => {});
  await one.datasets.upkeep(ref.id, signal);
  return ref;
}

async function keysOf(one: Instance, id: DatasetId): Promise<string[]> {
  const root = `datasets/${id.slice("did:odf:".length)}/`;
  const keys: string[] = [];
  for await (const { key } of one.store.list(root)) keys.push(key.slice(root.length));
  return keys;
}

const left = ["info/deleted", "packs/000000000000", "packs/000000000001", "packs/000000000002"];

test("a deleted dataset leaves its markers, also where the collection is cut off; one that lives is left alone", async () => {
  const one = open.instance({ layout });
  const ref = await dataset(one);
  const before = await keysOf(one, ref.id);
  expect(await one.datasets.collectDeleted(ref.id, signal)).toBeNull();
  expect(await keysOf(one, ref.id)).toEqual(before);
  await one.datasets.delete(ref);
  for (const at of [3, 9, 20, 31]) {
    const dying = open.instance({ layout });
    dying.faults.arm({ at, moment: "after", kind: "crash" });
    await dying.datasets.collectDeleted(ref.id, signal).catch((error: unknown) => {
      if (!(error instanceof InjectedFault)) throw error;
    });
  }
  await one.datasets.collectDeleted(ref.id, signal);
  expect(await keysOf(one, ref.id)).toEqual(left);
  for (const server of [one, open.instance({ layout })])
    await expect(server.datasets.head(ref.id)).rejects.toMatchObject({ code: "dataset_not_found" });
});

test("a writer that was frozen, at any moment, cannot bring a deleted dataset back", async () => {
  for (let at = 0; at < 40; at += 3) {
    const [writer, other] = [open.instance({ layout }), open.instance({ layout })];
    const ref = await dataset(other);
    const head = await writer.datasets.head(ref.id);
    const freeze = writer.faults.freeze(at, "before");
    const batch = { source: "w", position: 1, values: ["late"] };
    const late = commitOnce(open, writer, ref.id, batch, head).then(
      ({ outcome }) => outcome,
      (error: unknown) => {
        if (error instanceof MillraceError) return error.code;
        throw error;
      },
    );
    await Promise.race([freeze.reached, late]);
    await other.datasets.delete(ref);
    await other.datasets.collectDeleted(ref.id, signal);
    freeze.thaw();
    expect(["committed", "dataset_not_found", "lost"]).toContain(await late);
    for (const server of [writer, other, open.instance({ layout })])
      await expect(server.datasets.head(ref.id), `at ${at}`).rejects.toMatchObject({ code: "dataset_not_found" });
    await other.datasets.collectDeleted(ref.id, signal);
    expect(await keysOf(other, ref.id), `at ${at}`).toEqual(left);
  }
});
