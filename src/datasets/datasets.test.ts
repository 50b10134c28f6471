import { readdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  commitBatch,
  commitOnce,
  type Instance,
  type OpenDatasets,
  oneColumn,
  openDatasets,
  readRows,
} from "../../test/datasets/open.ts";
import { until } from "../../test/kit/index.ts";
import { type DatasetId, datasetPath, formatDatasetPath, instant } from "../base/index.ts";
import { fieldFromDuckdb, ownColumns, schemaWith, sha3Multihash } from "../slices/index.ts";
import type { AsOf, DatasetRef } from "./index.ts";

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

describe("names", () => {
  test("a name is taken once, also when two servers make it at the same moment", async () => {
    const name = datasetPath("names.twice");
    const both = await Promise.allSettled([one, open.instance()].map(({ datasets }) => datasets.create(name)));
    const winners = both.filter((outcome) => outcome.status === "fulfilled");
    expect(winners).toHaveLength(1);
    expect(both.find((outcome) => outcome.status === "rejected")?.reason).toMatchObject({ code: "already_exists" });
    await open.instance().datasets.reindex();
    expect((await open.instance().datasets.get(name)).id).toBe(winners[0]?.value.id);
  });

  test("pages follow each other in order of names, whatever signs they have", async () => {
    const names = ["a-b.x", "a.x", "a.x-y", "a.x0", "ab.x", "a0.x"].map((name) => `page-${name}`);
    for (const name of names) await one.datasets.create(datasetPath(name));
    const found: string[] = [];
    for (let after = "page-"; ; ) {
      const page = await one.datasets.list(null, { after, limit: 2 });
      const mine = page.map((ref) => formatDatasetPath(ref.path)).filter((name) => name.startsWith("page-"));
      found.push(...mine);
      if (mine.length < 2) break;
      after = mine.at(-1) ?? "";
    }
    expect(found).toEqual(names.toSorted());
    expect((await one.datasets.list("page-a")).map((ref) => ref.path.dataset)).toEqual(["x", "x-y", "x0"]);
  });
});

describe("a commit", () => {
  test("that breaks a rule writes nothing", async () => {
    const { id } = await create();
    await commitBatch(open, one, id, batch(1, "a"));
    const before = await readdir(folder(id), { recursive: true });
    const narrow = schemaWith([fieldFromDuckdb("value", "INTEGER")]);
    await expect(commitOnce(open, one, id, { ...batch(2, "b"), schema: narrow })).rejects.toMatchObject({
      code: "chain_broken",
      message: expect.stringContaining('the column "value" changes from VARCHAR to INTEGER'),
    });
    expect(await readdir(folder(id), { recursive: true })).toEqual(before);
  });

  test("of a good schema and bad rows writes neither", async () => {
    const { id } = await create();
    const wider = schemaWith([...ownColumns(oneColumn), fieldFromDuckdb("more", "INTEGER")]);
    const head = await one.datasets.head(id);
    const none = one.datasets.commit(id, {
      expectedSeq: head.seq,
      schema: wider,
      data: {
        localPath: "/nowhere",
        rows: 0,
        sizeBytes: 0,
        physicalHash: sha3Multihash(new Uint8Array()),
        logicalHash: sha3Multihash(new Uint8Array()),
        statistics: [],
      },
      sourceState: { sourceName: "log", kind: "test", value: "1" },
      systemTime: open.clock.now(),
      by: "test",
    });
    await expect(none).rejects.toThrow("its offsets end before they begin");
    expect((await open.instance().datasets.head(id)).seq).toBe(0);
  });

  test("keeps system time and watermark from going back when the clock and the rows do", async () => {
    const { id } = await create();
    await commitBatch(open, one, id, { ...batch(1, "a"), watermarkMs: 5_000 });
    const first = await one.datasets.head(id);
    open.clock.jump(-60_000);
    await commitBatch(open, one, id, { ...batch(2, "b"), watermarkMs: 4_000 });
    await commitBatch(open, one, id, batch(3, "c"));
    open.clock.jump(60_000);
    expect(await one.datasets.head(id)).toMatchObject({ systemTime: first.systemTime, watermark: 5_000, rows: 3 });
  });

  test("waits for its turn no longer than its signal", async () => {
    const { id } = await create();
    const stop = new AbortController();
    const first = commitBatch(open, one, id, batch(1, "a"));
    stop.abort(new Error("enough"));
    const change = {
      expectedSeq: 0,
      sourceState: { sourceName: "x", kind: "x", value: "1" },
      systemTime: instant(0),
      by: "x",
    };
    await expect(one.datasets.commit(id, change, stop.signal)).rejects.toThrow("enough");
    await first;
  });
});

describe("time travel", () => {
  test("to what never was, is refused with what there is", async () => {
    const { id } = await create();
    const empty = one.datasets.snapshot(id, { kind: "offset", offset: 0 });
    await expect(empty).rejects.toMatchObject({ code: "version_not_found", hint: "It has no row." });
    await commitBatch(open, one, id, batch(1, "a", "b"));
    const wrong: AsOf[] = [
      { kind: "version", seq: 3 },
      { kind: "version", seq: -1 },
      { kind: "version", seq: 0.5 },
      { kind: "block", hash: "f1620" },
      { kind: "time", at: instant(0) },
      { kind: "offset", offset: 2 },
      { kind: "offset", offset: -1 },
      { kind: "offset", offset: 0.5 },
    ];
    for (const asOf of wrong) {
      await expect(one.datasets.snapshot(id, asOf), JSON.stringify(asOf)).rejects.toMatchObject({
        code: "version_not_found",
        hint: expect.any(String),
      });
    }
  });

  test("a snapshot stays as it was taken while the chain goes on", async () => {
    const { id } = await create();
    await commitBatch(open, one, id, batch(1, "a"));
    const snapshot = await one.datasets.snapshot(id);
    const copy = structuredClone(snapshot);
    const wider = schemaWith([...ownColumns(oneColumn), fieldFromDuckdb("more", "INTEGER")]);
    await commitBatch(open, one, id, { ...batch(2, "b"), schema: wider, quarantined: 1 });
    expect(snapshot).toEqual(copy);
  });
});

test("statistics that are damaged are unknown, and stop nobody", async () => {
  const { id } = await create();
  await commitBatch(open, one, id, batch(1, "a"));
  await commitBatch(open, one, id, batch(2, "b"));
  const [first = ""] = await readdir(path.join(folder(id), "layout/statistics"));
  await writeFile(path.join(folder(id), "layout/statistics", first), "{");
  await open.database.sql`DELETE FROM chain_blocks WHERE dataset_id = ${id}`;
  const { slices } = await open.instance().datasets.snapshot(id);
  expect(slices.map((slice) => slice.statistics === null).toSorted()).toEqual([false, true]);
});

test("memory for chains is bounded by their weight, and what is dropped is read again", async () => {
  const small = open.instance({ cacheBytes: 20_000 });
  const ids: DatasetId[] = [];
  for (let i = 0; i < 5; i++) {
    const { id } = await create();
    ids.push(id);
    for (let position = 1; position <= 12; position++)
      await commitBatch(open, one, id, batch(position, `${i}.${position}`));
  }
  const sqlOf = async (id: DatasetId) => {
    small.faults.arm(null);
    expect((await small.datasets.head(id)).rows).toBe(12);
    return small.faults.steps.filter((step) => step === "sql").length;
  };
  for (const id of ids) expect(await sqlOf(id)).toBeGreaterThan(0);
  const [oldest, newest] = [ids[0], ids[4]];
  if (oldest === undefined || newest === undefined) return;
  expect(await sqlOf(newest)).toBe(0);
  expect(await sqlOf(oldest)).toBeGreaterThan(0);
});

test("a database and a bus that do not answer hold no commit up for long", async () => {
  const { id } = await create();
  const hanging = open.instance();
  await hanging.datasets.head(id);
  hanging.faults.hanging = ["sql", "announce"];
  let isDone = false;
  const committing = commitBatch(open, hanging, id, batch(1, "a")).finally(() => {
    isDone = true;
  });
  // Two blocks, the schema and the rows, and for each the index and the news.
  let waits = 0;
  for (; ; waits++) {
    await until("it waits or is done", () => isDone || open.clock.pending > 0);
    if (isDone) break;
    await open.clock.advance(2_000);
  }
  expect(waits).toBe(4);
  await committing;
  expect(await readRows(open.instance(), id)).toEqual(["a"]);
});
