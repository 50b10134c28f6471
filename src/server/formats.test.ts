import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Freezer } from "../../test/datasets/frozen.ts";
import { commitBatch, commitOnce, type OpenDatasets, openDatasets } from "../../test/datasets/open.ts";
import { type DatasetId, datasetPath, MillraceError } from "../base/index.ts";
import type { Head } from "../datasets/index.ts";
import type { ObjectStore } from "../storage/index.ts";
import { checkStoreFormat, formats, storeFormat, takeStore } from "./formats.ts";

let open: OpenDatasets;
let made = 0;
beforeAll(async () => {
  open = await openDatasets();
});
afterAll(() => open[Symbol.asyncDispose]());

const newest = formats.objectStore + 1;
const put = (store: ObjectStore, format: number) =>
  store.put("format.json", new TextEncoder().encode(JSON.stringify({ format })));

describe.each(["before", "after"] as const)("a server that sleeps %s each operation of a commit", (moment) => {
  test("tells nobody of a commit that a newer version, which took the store meanwhile, did not find", async () => {
    const told = new Set<string>();
    for (let at = 0; ; at++) {
      const freezer = new Freezer();
      const store = open.instance().store;
      await put(store, formats.objectStore);
      const asked = freezer.between(store);
      const older = open.instance({ between: freezer.between, checkFormat: () => checkStoreFormat(asked) });
      const { id } = await older.datasets.create(datasetPath(`formats.set${++made}`));
      await commitBatch(open, older, id, { source: "s", position: 1, values: ["a"] });
      const head = await older.datasets.head(id);
      freezer.arm(at, moment);
      const committing = commitOnce(open, older, id, { source: "s", position: 2, values: ["b"] }, head).then(
        ({ outcome }) => outcome,
        // As ingestion does: whether it is in the chain after all.
        (error: unknown) => outcomeOf(() => older.datasets.head(id), error),
      );
      const isFrozen = await Promise.race([freezer.frozen.then(() => true), committing.then(() => false)]);
      if (!isFrozen) break;
      await put(store, newest);
      const found = await logged(store, id); // what the newer version goes on from
      freezer.thaw();
      const outcome = await committing;
      told.add(outcome);
      if (outcome === "committed") expect(found, `operation ${at}`).toBe(head.seq + 2);
      else expect(outcome, `operation ${at}`).toBe("unsupported_version");
    }
    expect([...told].sort()).toEqual(["committed", "unsupported_version"]);
  });
});

async function outcomeOf(head: () => Promise<Head>, failure: unknown): Promise<string> {
  try {
    return (await head()).sourceState("s")?.value === "2" ? "committed" : codeOf(failure);
  } catch (error) {
    return codeOf(error);
  }
}

function codeOf(error: unknown): string {
  return error instanceof MillraceError ? error.code : "no code";
}

/** How many log entries a dataset has. */
async function logged(store: ObjectStore, id: DatasetId): Promise<number> {
  const folder = `datasets/${id.slice("did:odf:".length)}/log/`;
  return (await Array.fromAsync(store.list(folder))).length;
}

test("nothing is packed, compacted or deleted in a store that a newer version has taken", async () => {
  const { store } = open.instance();
  await put(store, formats.objectStore);
  const one = open.instance({
    checkFormat: () => checkStoreFormat(store),
    layout: { packBlocks: 2, checkpointBlocks: 2 },
  });
  const { id } = await one.datasets.create(datasetPath("formats.left"));
  for (let position = 1; position <= 4; position++)
    await commitBatch(open, one, id, { source: "s", position, values: [`${position}`] });
  await put(store, newest);
  const { layouts } = one.datasets;
  const signal = new AbortController().signal;
  const work = [
    () => one.datasets.upkeep(id, signal),
    () => layouts.compact(id, signal, () => {}),
    () => layouts.supersede(id, 0, signal, () => {}),
    () => layouts.deleteOutdated(id, signal),
    () => layouts.expire(id, { rows: 1 }, signal, () => {}),
    () => layouts.collect(id, 0, signal, () => {}),
  ];
  for (const piece of work) await expect(piece()).rejects.toMatchObject({ code: "unsupported_version" });
});

test("a store's number only grows, whoever starts beside whom", async () => {
  const { store } = open.instance();
  const number = () => storeFormat(store);
  await store.delete("format.json");
  await takeStore(store);
  expect(await number()).toBe(formats.objectStore);
  // An older version that started at the same moment has put its own behind us.
  await put(store, formats.objectStore - 1);
  await checkStoreFormat(store);
  expect(await number()).toBe(formats.objectStore);
  // A newer one is first where there was none: ours does not go over it.
  await store.delete("format.json");
  const freezer = new Freezer();
  freezer.arm(0, "after");
  const taking = takeStore(freezer.between(store));
  await freezer.frozen;
  await put(store, newest);
  freezer.thaw();
  await expect(taking).rejects.toMatchObject({ code: "unsupported_version" });
  expect(await number().catch(() => "refused")).toBe(newest);
  await expect(checkStoreFormat(store)).rejects.toMatchObject({ code: "unsupported_version" });
});
