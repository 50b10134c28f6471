import { readdir, readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { commitBatch, type Instance, type OpenDatasets, openDatasets, readRows } from "../../../test/datasets/open.ts";
import { blocksOf, copyName, pulled } from "../../../test/datasets/pulling.ts";
import { type Disk, datasetPath, instant } from "../../base/index.ts";
import { type Multihash, multihash, sha3Multihash } from "../../slices/index.ts";
import { nodeDisk } from "../../storage/index.ts";
import type { DatasetRef } from "../chain-index/chain-index.ts";
import { decodeBlock, encodeBlock, type MetadataBlock } from "../odf/index.ts";
import { namedObjects } from "./named-objects.ts";
import { receiveObject } from "./receive.ts";

let there: OpenDatasets;
let here: OpenDatasets;
let origin: Instance;
let copy: Instance;
let source: DatasetRef;
const name = copyName;
const forever = new AbortController().signal;

beforeEach(async () => {
  [there, here] = await Promise.all([openDatasets(), openDatasets()]);
  [origin, copy] = [there.instance(), here.instance()];
  source = await origin.datasets.create(datasetPath("web.source"));
  for (let position = 1; position <= 3; position++)
    await commitBatch(there, origin, source.id, { source: "s", position, values: ["a", "b"], quarantined: position });
});

afterEach(async () => {
  await Promise.all([there, here].map((one) => one?.[Symbol.asyncDispose]()));
});

const originBlocks = () => blocksOf(origin, source.id);

/** Puts blocks and what they name, as far as the origin has it, and commits what proves itself. */
const take = (
  blocks: readonly Uint8Array[],
  one = copy,
  instead: (object: { readonly part: string }) => Uint8Array | null = () => null,
) => pulled({ origin, id: source.id, copy: one, open: here, blocks, instead });

async function* whole(bytes: Uint8Array): AsyncIterable<Uint8Array> {
  yield bytes;
}

/** The chain with one block told otherwise; those behind it are linked anew. */
function retold(
  blocks: readonly Uint8Array[],
  seq: number,
  change: (block: MetadataBlock) => MetadataBlock,
): Uint8Array[] {
  const told: Uint8Array[] = [];
  for (const [at, bytes] of blocks.entries()) {
    const before = told.at(-1);
    const block = decodeBlock(bytes);
    const linked = before === undefined ? block : { ...block, prevBlockHash: sha3Multihash(before) };
    told.push(encodeBlock(at === seq ? change(linked) : linked));
  }
  return told;
}

const otherHash = (kind: "f1620" | "f9680c00120"): Multihash => multihash(kind + "ab".repeat(32));

test("a copy has the origin's rows, blocks and quarantine, takes no rows, and goes on", async () => {
  const blocks = await originBlocks();
  expect(await take(blocks.slice(0, 3))).toBe(2);
  expect(await take(blocks)).toBe(4);
  expect(await readRows(copy, source.id)).toEqual(["a", "b", "a", "b", "a", "b"]);
  const report = await copy.datasets.verify(source.id, { level: "logical", signal: forever });
  expect(report).toMatchObject({ ok: true, blocks: 5, rows: 6 });
  const rows = { source: "mine", position: 1, values: ["x"] };
  await expect(commitBatch(here, copy, source.id, rows)).rejects.toMatchObject({ code: "dataset_read_only" });
  // Another server, which has never seen it, knows it for a copy too.
  await expect(commitBatch(here, here.instance(), source.id, rows)).rejects.toMatchObject({
    code: "dataset_read_only",
  });
});

test("a chain whose old blocks are packed is handed out and copied as if they were not; so is a packed copy gone on with", async () => {
  const layout = { packBlocks: 4, checkpointBlocks: 2 };
  origin = there.instance({ layout });
  for (let position = 4; position <= 9; position++)
    await commitBatch(there, origin, source.id, { source: "s", position, values: [`${position}`] });
  const blocks = await originBlocks();
  await origin.datasets.upkeep(source.id, forever);
  const folder = path.join(there.root, "datasets", source.id.slice("did:odf:".length), "blocks");
  expect((await readdir(folder)).length).toBe(blocks.length % 4);
  for (const bytes of blocks) {
    const found = await origin.datasets.transfer.find(source.id, "blocks", sha3Multihash(bytes));
    expect(Buffer.concat(await Array.fromAsync(found?.chunks(0, found.sizeBytes, forever) ?? []))).toEqual(
      Buffer.from(bytes),
    );
  }
  expect(await originBlocks()).toEqual(blocks);
  const mirror = here.instance({ layout });
  expect(await take(blocks.slice(0, 9), mirror)).toBe(8);
  await mirror.datasets.upkeep(source.id, forever);
  expect(await take(blocks, here.instance({ layout }))).toBe(blocks.length - 1);
  expect(await readRows(mirror, source.id)).toEqual(await readRows(origin, source.id));
  const report = await mirror.datasets.verify(source.id, { level: "logical", signal: forever });
  expect(report).toMatchObject({ ok: true, blocks: blocks.length });
});

test("checkpoints are copied, carried on, and handed out like slices", async () => {
  const left = Buffer.from("what an engine left");
  const hash = sha3Multihash(left);
  const blocks = retold(retold(await originBlocks(), 3, withCheckpoint), 4, (block) =>
    block.event.kind === "AddData" ? { ...block, event: { ...block.event, prevCheckpoint: hash } } : block,
  );
  function withCheckpoint(block: MetadataBlock): MetadataBlock {
    if (block.event.kind !== "AddData") return block;
    return { ...block, event: { ...block.event, newCheckpoint: { physicalHash: hash, size: left.length } } };
  }
  expect(await take(blocks, copy, (object) => (object.part === "checkpoints" ? left : null))).toBe(4);
  const served = await copy.datasets.transfer.find(source.id, "checkpoints", hash);
  const chunks = await Array.fromAsync(served?.chunks(0, left.length, forever) ?? []);
  expect(Buffer.concat(chunks)).toEqual(left);
  expect(await copy.datasets.transfer.find(source.id, "data", hash)).toBeNull();
});

test("two who pull at once commit the same chain", async () => {
  const blocks = await originBlocks();
  const both = [copy, here.instance()];
  const outcomes = await Promise.allSettled(both.map((one) => take(blocks, one)));
  for (const outcome of outcomes)
    if (outcome.status === "rejected")
      expect(outcome.reason).toMatchObject({ code: expect.stringMatching(/conflict|already_exists/) });
  expect(await take(blocks)).toBe(4);
  expect((await copy.datasets.head(source.id)).block).toBe((await origin.datasets.head(source.id)).block);
});

describe("a chain that does not prove itself stays out from the block that lies", () => {
  const lies: readonly (readonly [string, number, (block: MetadataBlock) => MetadataBlock])[] = [
    ["rows of another logical hash", 3, withData((data) => ({ ...data, logicalHash: otherHash("f9680c00120") }))],
    ["offsets with a gap", 3, withData((data) => ({ ...data, offsetInterval: { start: 3, end: 4 } }))],
    ["offsets of more rows", 3, withData((data) => ({ ...data, offsetInterval: { start: 2, end: 9 } }))],
    ["another size of the slice", 3, withData((data) => ({ ...data, size: data.size + 1 }))],
    ["a number that is left out", 3, (block) => ({ ...block, sequenceNumber: 9 })],
    ["a time that goes back", 3, (block) => ({ ...block, systemTime: instant(0) })],
    ["a second seed", 3, (block) => ({ ...block, event: { kind: "Seed", datasetId: source.id, datasetKind: "Root" } })],
    [
      "broken notes",
      3,
      (block) =>
        block.event.kind === "AddData"
          ? { ...block, event: { ...block.event, extra: { "millrace.dev/quarantine": "none" } } }
          : block,
    ],
  ];
  test.each(lies)("%s", async (_what, seq, change) => {
    const blocks = await originBlocks();
    await expect(take(retold(blocks, seq, change))).rejects.toMatchObject({ code: "replica_refused" });
    const { seq: reached } = await copy.datasets.head(source.id);
    expect(reached).toBeLessThan(seq);
    // Nothing of it is in the way of the truth: its honest beginning may be there already.
    expect(await take(blocks)).toBe(4);
  });

  function withData(change: (data: DataOf) => DataOf) {
    return (block: MetadataBlock): MetadataBlock =>
      block.event.kind === "AddData" && block.event.newData !== undefined
        ? { ...block, event: { ...block.event, newData: change(block.event.newData) } }
        : block;
  }
  type DataOf = Extract<MetadataBlock["event"], { kind: "AddData" }>["newData"] & object;

  test("another history behind what was copied", async () => {
    const blocks = await originBlocks();
    await take(blocks.slice(0, 3));
    const other = retold(blocks, 1, (block) => ({ ...block, systemTime: instant(block.systemTime + 1) }));
    await expect(take(other)).rejects.toMatchObject({ code: "replica_diverged" });
    expect((await copy.datasets.head(source.id)).seq).toBe(2);
    const walk = copy.datasets.replicas.walk(name, source.id, sha3Multihash(other[4] ?? new Uint8Array()), forever);
    await expect(walk).rejects.toMatchObject({ code: "replica_diverged" });
  });

  test("objects that no waiting block names, or of other bytes, are not taken", async () => {
    const blocks = await originBlocks();
    await take(blocks.slice(0, 2));
    await copy.datasets.replicas.waiting.put(name, blocks);
    const ref = { id: source.id, path: name };
    const [object] = namedObjects(decodeBlock(blocks[2] ?? new Uint8Array()).event);
    if (object === undefined) throw new Error("the block names no object");
    const { replicas } = copy.datasets;
    const block = sha3Multihash(blocks[2] ?? new Uint8Array());
    await expect(replicas.expect(ref, block, "data", otherHash("f1620"))).rejects.toMatchObject({
      code: "replica_refused",
    });
    await expect(replicas.expect(ref, block, "../log", object.hash)).rejects.toMatchObject({ code: "replica_refused" });
    const file = path.join(here.work, "received");
    const found = await origin.datasets.transfer.find(source.id, object.part, object.hash);
    const bytes = Buffer.concat(await Array.fromAsync(found?.chunks(0, found.sizeBytes, forever) ?? []));
    for (const wrong of [bytes.subarray(1), Buffer.concat([bytes, bytes]), Buffer.alloc(bytes.length)]) {
      await expect(receiveObject(nodeDisk, file, object, whole(wrong))).rejects.toMatchObject({
        code: "replica_refused",
      });
      await expect(readFile(file)).rejects.toThrow("ENOENT");
    }
  });
});

test("a disk that fills while an object comes is told as full, and nothing of it stays", async () => {
  const full: Disk = {
    ...nodeDisk,
    async open(file, mode) {
      const handle = await nodeDisk.open(file, mode);
      const write = () => Promise.reject(Object.assign(new Error("no room"), { code: "ENOSPC" }));
      return Object.assign(Object.create(handle), {
        write,
        [Symbol.asyncDispose]: () => handle[Symbol.asyncDispose](),
      });
    },
  };
  const file = path.join(here.work, "received");
  const object = { part: "data", hash: otherHash("f1620"), sizeBytes: 10 } as const;
  await expect(receiveObject(full, file, object, whole(Buffer.alloc(10)))).rejects.toMatchObject({ code: "disk_full" });
  await expect(readFile(file)).rejects.toThrow("ENOENT");
});

describe("whose place it is", () => {
  test("a dataset of our own is never turned into a copy", async () => {
    const blocks = await originBlocks();
    await origin.datasets.replicas.waiting.put(name, blocks);
    const seed = sha3Multihash(blocks[0] ?? new Uint8Array());
    await expect(origin.datasets.replicas.begin(name, "https://x.example", seed)).rejects.toMatchObject({
      code: "already_exists",
    });
    await commitBatch(there, origin, source.id, { source: "s", position: 9, values: ["still takes rows"] });
    const ref = { id: source.id, path: name };
    await expect(origin.datasets.replicas.advance(ref, [], forever)).rejects.toMatchObject({ code: "conflict" });
  });

  test("a copy is found again under its name only, and stays gone when it was deleted", async () => {
    const blocks = await originBlocks();
    await take(blocks);
    const other = datasetPath("mirror.other");
    const seed = sha3Multihash(blocks[0] ?? new Uint8Array());
    await copy.datasets.replicas.waiting.put(other, blocks);
    await expect(copy.datasets.replicas.begin(other, "https://x.example", seed)).rejects.toMatchObject({
      code: "already_exists",
    });
    await copy.datasets.delete({ id: source.id, path: name, createdAt: instant(0) });
    await expect(take(blocks, here.instance())).rejects.toMatchObject({
      code: expect.stringMatching(/conflict|dataset_not_found/),
    });
  });

  test("a record of a newer version is told, not guessed at", async () => {
    await take(await originBlocks());
    const file = path.join(here.root, "datasets", source.id.slice("did:odf:".length), "info", "replica");
    for (const text of [JSON.stringify({ version: 2, from: "elsewhere" }), "no json"]) {
      await writeFile(file, text);
      await expect(here.instance().datasets.replicas.origin(source.id)).rejects.toMatchObject({
        code: "unsupported_version",
      });
    }
  });
});
