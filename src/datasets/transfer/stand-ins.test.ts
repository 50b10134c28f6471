import { afterEach, beforeEach, describe, expect, test } from "vitest";
import {
  commitBatch,
  type Instance,
  type OpenDatasets,
  oneColumn,
  openDatasets,
  readRows,
} from "../../../test/datasets/open.ts";
import { blocksOf, copyName, pulled } from "../../../test/datasets/pulling.ts";
import { datasetPath } from "../../base/index.ts";
import { fieldFromDuckdb, ownColumns, schemaWith, sha3Multihash } from "../../slices/index.ts";
import type { DatasetRef } from "../chain-index/chain-index.ts";
import { LayoutKeys } from "../layout/layout-keys.ts";
import { encodeManifest, type RegionManifest, readManifest } from "../layout/manifest.ts";

/** Three levels of regions, and packs, of a few commits. */
const layout = { packBlocks: 4, checkpointBlocks: 3, regions: { first: 4, fan: 2 } };
const forever = new AbortController().signal;
const silent = () => {};

let there: OpenDatasets;
let here: OpenDatasets;
let origin: Instance;
let copy: Instance;
let source: DatasetRef;
let values: string[];

beforeEach(async () => {
  [there, here] = await Promise.all([openDatasets(), openDatasets()]);
  [origin, copy] = [there.instance({ layout }), here.instance({ layout })];
  source = await origin.datasets.create(datasetPath("web.source"));
  values = [];
});

afterEach(async () => {
  await Promise.all([there, here].map((one) => one?.[Symbol.asyncDispose]()));
});

/** Commits of two rows each, one of them with a wider schema and some with quarantined rows. */
async function grow(commits: number): Promise<void> {
  for (let count = 0; count < commits; count++) {
    const position = values.length / 2 + 1;
    const batch = [`a${position}`, `b${position}`];
    const wider = schemaWith([...ownColumns(oneColumn), fieldFromDuckdb("more", "BIGINT")]);
    await commitBatch(there, origin, source.id, {
      source: "s",
      position,
      values: batch,
      ...(position === 9 ? { schema: wider } : {}),
      ...(position % 5 === 0 ? { quarantined: position } : {}),
    });
    values.push(...batch);
    there.clock.jump(1_000);
  }
}

/** Originals are gone wherever a copy stands for them; so are lower copies. */
async function superseded(keptCommits = 0): Promise<void> {
  const { layouts } = origin.datasets;
  await layouts.compact(source.id, forever, silent);
  await layouts.supersede(source.id, keptCommits * 1_000 - 500, forever, silent);
  there.clock.jump(1_000);
  await layouts.deleteOutdated(source.id, forever);
  await origin.datasets.upkeep(source.id, forever);
}

const take = (more: Partial<Parameters<typeof pulled>[0]> = {}) =>
  pulled({ origin, id: source.id, copy, open: here, ...more });

async function isWhole(one: Instance, expired = 0): Promise<void> {
  expect(await readRows(one, source.id)).toEqual(values.slice(expired));
  const report = await one.datasets.verify(source.id, { level: "logical", signal: forever });
  expect(report).toMatchObject({ ok: true, broken: null });
  expect(await blocksOf(one, source.id)).toEqual(await blocksOf(origin, source.id));
}

test("a dataset whose slices are superseded is copied by what stands for them, goes on, and is copied on", async () => {
  await grow(13);
  await superseded(2);
  const report = await origin.datasets.verify(source.id, { level: "logical", signal: forever });
  expect(report.superseded).toBeGreaterThan(8);
  await take();
  await isWhole(copy);
  expect((await copy.datasets.head(source.id)).block).toBe((await origin.datasets.head(source.id)).block);
  await grow(20);
  await superseded();
  await take();
  await isWhole(copy);
  // Another server, and one that has lost the index; then what the copy compacts of its own.
  await isWhole(here.instance({ layout }));
  await here.database.sql`DELETE FROM chain_blocks`;
  await here.database.sql`DELETE FROM chain_checkpoints`;
  await isWhole(here.instance({ layout }));
  await copy.datasets.layouts.compact(source.id, forever, silent);
  here.clock.jump(1_000);
  await copy.datasets.layouts.deleteOutdated(source.id, forever);
  await copy.datasets.upkeep(source.id, forever);
  await isWhole(here.instance({ layout }));
  // From copy to copy.
  await using third = await openDatasets();
  const last = third.instance({ layout });
  await pulled({ origin: copy, id: source.id, copy: last, open: third });
  await isWhole(last);
});

test("wherever it is cut off, readers see a beginning of the origin with its rows, and it goes on", async () => {
  await grow(15);
  await superseded();
  const blocks = await blocksOf(origin, source.id);
  await take({ blocks: blocks.slice(0, 1) });
  for (let seq = 1; seq < blocks.length; seq++) {
    // All blocks wait, as a pull puts them before it goes forward; some of them are committed.
    await copy.datasets.replicas.waiting.put(copyName, blocks);
    await take({ blocks: blocks.slice(0, seq + 1), copy: seq % 3 === 0 ? here.instance({ layout }) : copy });
    for (const one of [copy, here.instance({ layout })]) {
      expect((await one.datasets.head(source.id)).seq).toBe(seq);
      const { nextOffset } = await one.datasets.head(source.id);
      expect(await readRows(one, source.id)).toEqual(values.slice(0, nextOffset));
    }
    const report = await copy.datasets.verify(source.id, { level: "logical", signal: forever });
    expect(report, `up to block ${seq}`).toMatchObject({ ok: true });
    if (seq % 4 === 1) await copy.datasets.layouts.compact(source.id, forever, silent);
  }
  await isWhole(copy);
});

test("what is superseded, compacted further and committed while a copy is made is copied all the same", async () => {
  for (const everyRequest of [1, 2, 3, 5]) {
    await grow(9);
    let requests = 0;
    let left = 6;
    await take({
      before: async () => {
        if (++requests % everyRequest !== 0 || left-- <= 0) return;
        await grow(3);
        await superseded();
      },
    });
    await take();
    await isWhole(copy);
  }
});

test("an original that stays where others are superseded is taken as it is", async () => {
  origin = there.instance({ layout, copies: { targetBytes: 40 } }); // larger files are carried
  await grow(6);
  await commitBatch(there, origin, source.id, { source: "large", position: 1, values: ["x".repeat(100)] });
  values.push("x".repeat(100));
  await grow(0);
  for (let position = 2; position < 12; position++) {
    await commitBatch(there, origin, source.id, { source: "large", position, values: [`${position}`] });
    values.push(`${position}`);
  }
  await superseded(-1);
  await take();
  await isWhole(copy);
  const { slices } = await copy.datasets.snapshot(source.id);
  expect(new Set(slices.map(({ kind }) => kind))).toEqual(new Set(["data", "copy"]));
});

describe("where rows have expired at the origin", () => {
  const expire = async (rows: number) => {
    await origin.datasets.layouts.expire(source.id, { rows }, forever, silent);
    await origin.datasets.layouts.deleteOutdated(source.id, forever);
    return (await origin.datasets.snapshot(source.id)).expiredBefore;
  };

  test("a new copy has the rows that are left", async () => {
    await grow(21);
    await superseded(3);
    const expired = await expire(20);
    expect(expired).toBeGreaterThan(0);
    await take();
    await isWhole(copy, expired);
    await grow(12);
    await superseded();
    await take();
    await isWhole(here.instance({ layout }), expired);
  });

  test("a copy that has rows of them says so, and lets them go only where it is told to", async () => {
    await grow(4);
    await take();
    const kept = [...values];
    await grow(20);
    await superseded(3);
    const expired = await expire(20);
    expect(expired).toBeGreaterThan(kept.length);
    await expect(take()).rejects.toMatchObject({ code: "data_expired", data: { rows: kept.length } });
    expect(await readRows(copy, source.id)).toEqual(kept);
    await take({ dropExpired: true });
    await isWhole(copy, expired);
  });

  test("one that has them all keeps them", async () => {
    await grow(21);
    await take();
    await superseded(3);
    expect(await expire(10)).toBeGreaterThan(0);
    await grow(9);
    await superseded();
    await take();
    await isWhole(copy);
  });
});

describe("what an origin says of its copies is refused where it does not prove itself", () => {
  /** The first copy of a region with rows told otherwise, under the name of its new bytes. */
  function doctored(change: (text: string) => string) {
    const files = new Map<string, Uint8Array>();
    const manifest = async (bytes: Uint8Array): Promise<Uint8Array> => {
      const keys = new LayoutKeys(source.id);
      const honest = readManifest(keys, "offered", bytes);
      const at = honest.files.findIndex(({ kind }) => kind === "copy");
      const file = honest.files[at];
      if (file === undefined) throw new Error("the region has no copy");
      const found = await origin.datasets.transfer.copy(source.id, keys.copyName(file.key));
      const text = Buffer.concat(await Array.fromAsync(found?.chunks(0, found.sizeBytes, forever) ?? [])).toString();
      const body = Buffer.from(change(text));
      const hash = sha3Multihash(body);
      const key = file.key.replace(file.hash, hash);
      files.set(keys.copyName(key), body);
      const told = { ...file, hash, key, sizeBytes: body.length };
      return encodeManifest(keys, { ...honest, files: honest.files.with(at, told) });
    };
    return { manifest, file: (name: string) => files.get(name) };
  }
  const retold = (change: (manifest: RegionManifest) => RegionManifest) => ({
    async manifest(bytes: Uint8Array) {
      const keys = new LayoutKeys(source.id);
      return encodeManifest(keys, change(readManifest(keys, "offered", bytes)));
    },
  });
  const lies = [
    ["a row of another value", doctored((text) => text.replace(" b2", " b3"))],
    ["a row that is missing", doctored((text) => text.replace(/^.* a2\n/m, ""))],
    ["a row behind its offsets", doctored((text) => `${text}999 more\n`)],
    ["a row that is there twice", doctored((text) => text.replace(/^(.* a2\n)/m, "$1$1"))],
    ["no copy at all", doctored(() => "copy\n")],
    ["bytes that are no manifest", { manifest: async () => Buffer.from("none") }],
    ["a region that is cut otherwise", retold((one) => ({ ...one, lastSeq: one.lastSeq - 1 }))],
    ["a region that ends with another block", retold((one) => ({ ...one, head: sha3Multihash(Buffer.from("x")) }))],
    [
      "a region without the last of its files",
      retold((one) => ({ ...one, nextOffset: one.files.at(-1)?.firstOffset ?? 0, files: one.files.slice(0, -1) })),
    ],
    [
      "a file that ends within a slice",
      retold((one) => ({
        ...one,
        nextOffset: one.nextOffset - 1,
        files: one.files.map((file, at) =>
          at === one.files.length - 1 ? { ...file, lastOffset: file.lastOffset - 1 } : file,
        ),
      })),
    ],
    [
      "a slice that no block names",
      retold((one) => ({
        ...one,
        files: one.files.map((file) => ({
          ...file,
          kind: "data" as const,
          key: new LayoutKeys(source.id).data(file.hash),
        })),
      })),
    ],
  ] as const;
  test.each(lies)("%s", async (_what, lie) => {
    await grow(5);
    await take();
    const before = [...values];
    await grow(12);
    await superseded();
    await expect(take(lie)).rejects.toMatchObject({ code: expect.stringMatching(/^(replica_refused|conflict)$/) });
    // What was there is read as before, from the same files; and nothing of the lie is in the way of the truth.
    const rows = await readRows(here.instance({ layout }), source.id);
    expect(rows.slice(0, before.length)).toEqual(before);
    expect(values.slice(0, rows.length)).toEqual(rows);
    await take();
    await isWhole(copy);
  });

  test("a statistic that would hide rows is not taken over", async () => {
    await grow(12);
    await superseded();
    const said = { column: "value", type: "VARCHAR", nullCount: 0, min: "z", max: "z" };
    await take(retold((one) => ({ ...one, files: one.files.map((file) => ({ ...file, statistics: [said] })) })));
    const { slices } = await copy.datasets.snapshot(source.id);
    expect(JSON.stringify(slices.map(({ statistics }) => statistics))).not.toContain('"z"');
    await isWhole(copy);
  });

  test("a file that no offered region names, and a region for a dataset of our own", async () => {
    await grow(12);
    await superseded();
    await take({ blocks: (await blocksOf(origin, source.id)).slice(0, 1) });
    const ref = { id: source.id, path: copyName };
    const region = { level: 1, index: 0 };
    const { replicas } = copy.datasets;
    await expect(replicas.standIns.expect(ref, region, `f1620${"0".repeat(64)}`)).rejects.toMatchObject({
      code: "replica_refused",
    });
    const manifest = await origin.datasets.transfer.region(
      source.id,
      (await origin.datasets.head(source.id)).block ?? "",
    );
    const [seed] = await blocksOf(origin, source.id);
    const first = await origin.datasets.transfer.region(source.id, sha3Multihash(seed ?? new Uint8Array()));
    expect(manifest ?? first).not.toBeNull();
    await expect(origin.datasets.replicas.offer(ref, first ?? new Uint8Array(), forever)).rejects.toMatchObject({
      code: "conflict",
    });
    await expect(origin.datasets.replicas.expire(ref, 5, true, forever)).rejects.toMatchObject({ code: "conflict" });
  });
});
