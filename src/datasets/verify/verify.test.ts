import { copyFile, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import {
  commitBatch,
  commitOnce,
  type Instance,
  type OpenDatasets,
  openDatasets,
  textSlices,
} from "../../../test/datasets/open.ts";
import { type DatasetId, datasetPath } from "../../base/index.ts";
import { type Multihash, multihash, sha3Multihash } from "../../slices/index.ts";
import { type AddData, decodeBlock, encodeBlock } from "../odf/index.ts";
import type { VerifyLevel, VerifyReport } from "./verify.ts";

let open: OpenDatasets;
let one: Instance;
let id: DatasetId;
let made = 0;
beforeAll(async () => {
  open = await openDatasets();
  one = open.instance();
});
afterAll(() => open[Symbol.asyncDispose]());

/** Blocks: Seed, SetDataSchema, then three of two rows each, the second with quarantined rows. */
async function dataset(): Promise<DatasetId> {
  const { id } = await one.datasets.create(datasetPath(`verify.set${++made}`));
  for (const position of [1, 2, 3]) {
    const values = [`${made} ${position}a`, `${made} ${position}b`];
    const bad = position === 2 ? { quarantined: 3 } : {};
    await commitBatch(open, one, id, { source: "log", position, values, ...bad });
  }
  return id;
}
beforeEach(async () => {
  id = await dataset();
});

const folder = (of: DatasetId) => path.join(open.root, "datasets", of.slice("did:odf:".length));
const key = (name: string, of = id) => `datasets/${of.slice("did:odf:".length)}/${name}`;
const file = (name: string, of = id) => path.join(folder(of), name);
const logFile = (seq: number, of = id) => file(`log/${String(seq).padStart(12, "0")}`, of);
const blockHash = async (seq: number): Promise<Multihash> => multihash(await readFile(logFile(seq), "utf8"));
const blockName = async (seq: number) => `blocks/${await blockHash(seq)}`;
async function eventAt(seq: number): Promise<AddData> {
  const { event } = decodeBlock(await readFile(file(await blockName(seq))));
  if (event.kind !== "AddData") throw new Error(`block ${seq} is ${event.kind}`);
  return event;
}
async function dataName(seq: number): Promise<string> {
  return `data/${(await eventAt(seq)).newData?.physicalHash}`;
}

/** By a server that remembers nothing. */
const verify = (level: VerifyLevel = "logical", of = id): Promise<VerifyReport> =>
  open.instance().datasets.verify(of, { level, signal: new AbortController().signal });

async function flip(name: string): Promise<void> {
  const bytes = await readFile(file(name));
  bytes.writeUInt8(bytes.readUInt8(bytes.length >> 1) ^ 1, bytes.length >> 1);
  await writeFile(file(name), bytes);
}
async function truncate(name: string): Promise<void> {
  const bytes = await readFile(file(name));
  await writeFile(file(name), bytes.subarray(0, bytes.length - 1));
}
const remove = (name: string) => rm(file(name));

test("a whole chain verifies at every level, and tells what it saw", async () => {
  for (const level of ["chain", "physical", "logical"] as const)
    expect(await verify(level)).toEqual({
      ok: true,
      level,
      blocks: 5,
      slices: 3,
      rows: 6,
      expired: 0,
      superseded: 0,
      broken: null,
    });
});

describe("the log", () => {
  test.each([0, 1, 3])("entry %i is missing", async (seq) => {
    await rm(logFile(seq));
    expect((await verify()).broken).toEqual({ object: key(`log/00000000000${seq}`), reason: "it is missing" });
  });

  test("the newest entry is missing, and index and hint bear witness", async () => {
    await rm(logFile(4));
    const object = key("log/000000000004");
    expect((await verify()).broken).toEqual({ object, reason: "it is missing, though later blocks were committed" });
    // Nor is the place of the lost commit given away.
    await expect(open.instance().datasets.head(id)).rejects.toMatchObject({ code: "chain_broken", data: { object } });
  });

  test("an entry is cut, names a block of another dataset, or does not belong", async () => {
    const other = await dataset();
    await writeFile(logFile(2), "f1620");
    expect((await verify()).broken?.object).toBe(key("log/000000000002"));
    await copyFile(logFile(2, other), logFile(2));
    expect((await verify()).broken).toEqual({ object: key(await blockName(2)), reason: "it is missing" });
  });

  test("a stranger in the log is named", async () => {
    await writeFile(file("log/00000000000x"), "");
    expect((await verify()).broken).toEqual({ object: key("log/000000000005"), reason: "it is missing" });
    await rm(file("log/00000000000x"));
    await writeFile(file("log/-1"), "");
    expect((await verify()).broken).toEqual({ object: key("log/-1"), reason: "it is no entry of the log" });
  });
});

describe("a block", () => {
  test.each([
    ["is missing", remove, "it is missing"],
    ["has a flipped bit", flip, "its bytes are not those that its name says"],
    ["is cut", truncate, "its bytes are not those that its name says"],
  ] as const)("%s", async (_what, damage, reason) => {
    for (const seq of [0, 2, 4]) {
      id = await dataset();
      const name = await blockName(seq);
      await damage(name);
      expect(await verify("chain")).toMatchObject({ blocks: seq, broken: { object: key(name), reason } });
    }
  });

  /** A block with an event changed, put in the place of the right one: everything but the chain's links agrees. */
  async function forge(seq: number, change: (event: AddData) => AddData): Promise<void> {
    const block = decodeBlock(await readFile(file(await blockName(seq))));
    const bytes = encodeBlock({ ...block, event: change(await eventAt(seq)) });
    const hash = sha3Multihash(bytes);
    await writeFile(file(`blocks/${hash}`), bytes);
    await writeFile(logFile(seq), hash);
  }

  test("is forged with other rows under their right hashes: the next one does not follow it", async () => {
    const text = "0 forged\n1 rows\n";
    const physicalHash = sha3Multihash(Buffer.from(text));
    await writeFile(file(`data/${physicalHash}`), text);
    const logicalHash = multihash(await textSlices.logicalHash(file(`data/${physicalHash}`), AbortSignal.abort()));
    const right = await blockHash(2);
    await forge(2, (event) => ({
      ...event,
      newData: { offsetInterval: { start: 0, end: 1 }, physicalHash, logicalHash, size: text.length },
    }));
    expect((await verify()).broken).toEqual({
      object: key(await blockName(3)),
      reason: `it follows ${right}, not ${await blockHash(2)}`,
    });
  });

  test("is forged at the end, with a hash of rows that are not there", async () => {
    const name = await dataName(4);
    await forge(4, (event) => (event.newData === undefined ? event : withLogical(event, event.newData)));
    expect(await verify("physical")).toMatchObject({ ok: true });
    const reason = "its rows are not those that its logical hash says";
    expect((await verify()).broken).toEqual({ object: key(name), reason });
  });
  const withLogical = (event: AddData, newData: NonNullable<AddData["newData"]>): AddData => ({
    ...event,
    newData: { ...newData, logicalHash: multihash(`f9680c00120${"0".repeat(64)}`) },
  });

  test("leaves a gap in the offsets", async () => {
    const gap = { start: 5, end: 6 };
    await forge(4, (event) =>
      event.newData === undefined ? event : { ...event, newData: { ...event.newData, offsetInterval: gap } },
    );
    const reason = "its offsets begin at 5, not 4";
    expect((await verify("chain")).broken).toEqual({ object: key(await blockName(4)), reason });
  });

  test("carries notes that cannot be read", async () => {
    await forge(4, (event) => ({ ...event, extra: { "millrace.dev/quarantine": { rows: "many" } } }));
    const reason = "its notes are broken";
    expect((await verify("chain")).broken).toEqual({ object: key(await blockName(4)), reason });
  });
});

describe("a slice", () => {
  test.each([
    ["is missing", remove, "it is missing, and no copy stands for it"],
    ["has a flipped bit", flip, "its bytes are not those that its hash says"],
    ["is cut", truncate, /bytes, and its block says/],
  ] as const)("%s", async (_what, damage, reason) => {
    for (const seq of [2, 3]) {
      id = await dataset();
      const name = await dataName(seq);
      await damage(name);
      expect(await verify("chain")).toMatchObject({ ok: true });
      const expected = typeof reason === "string" ? reason : expect.stringMatching(reason);
      expect((await verify("physical")).broken).toEqual({ object: key(name), reason: expected });
    }
  });

  test("is another dataset's of the same size", async () => {
    const other = id;
    id = await dataset();
    const [mine, theirs] = [await dataName(2), await (async () => (await readdir(file("data", other)))[0])()];
    await copyFile(file(`data/${theirs}`, other), file(mine));
    expect((await verify("physical")).broken?.object).toBe(key(mine));
  });

  test("holds other offsets than its block says", async () => {
    const head = await one.datasets.head(id);
    // A writer's fault: rows numbered for another place, hashed as they are.
    const moved = { ...head, nextOffset: head.nextOffset + 7 };
    expect((await commitOnce(open, one, id, { source: "log", position: 4, values: ["x"] }, moved)).outcome).toBe(
      "committed",
    );
    expect((await verify()).broken).toEqual({
      object: key(await dataName(5)),
      reason: "its offsets begin at 13, and its block says 6",
    });
  });
});

test("the first broken object is named, in the order of the chain", async () => {
  await remove(await dataName(4));
  await flip(await dataName(3));
  const quarantine = (await readdir(file("quarantine")))[0] ?? "";
  expect((await verify()).broken?.object).toBe(key(await dataName(3)));
  await truncate(`quarantine/${quarantine}`);
  await remove(await dataName(2));
  expect((await verify()).broken?.object).toBe(key(await dataName(2)));
});

test.each([
  ["missing", remove, "it is missing"],
  ["flipped", flip, "its bytes are not those that its hash says"],
] as const)("a quarantine file that is %s", async (_what, damage, reason) => {
  const name = `quarantine/${(await readdir(file("quarantine")))[0]}`;
  await damage(name);
  expect((await verify("physical")).broken).toEqual({ object: key(name), reason });
});

test("two datasets whose folders are swapped are told apart", async () => {
  const other = await dataset();

  await rename(folder(id), `${folder(id)}.away`);
  await rename(folder(other), folder(id));
  await rename(`${folder(id)}.away`, folder(other));
  const broken = { object: key(await blockName(0)), reason: `it is the seed of ${other}` };
  expect((await verify("chain")).broken).toEqual(broken);
});

test.each(["", "nonsense", "f1620"])("a hint of %j does not matter, and the next commit mends it", async (text) => {
  await writeFile(file("refs/head"), text);
  expect(await verify()).toMatchObject({ ok: true });
  await open.database.sql`DELETE FROM chain_blocks WHERE dataset_id = ${id}`;
  const fresh = open.instance();
  expect(await fresh.datasets.head(id)).toMatchObject({ seq: 4, rows: 6 });
  await commitBatch(open, fresh, id, { source: "log", position: 4, values: ["more"] });
  expect(await readFile(file("refs/head"), "utf8")).toBe(await blockHash(5));
});

test("a hint of a block that was never committed does not matter", async () => {
  const newest = decodeBlock(await readFile(file(await blockName(4))));
  const bytes = encodeBlock({ ...newest, sequenceNumber: 5, prevBlockHash: await blockHash(4) });
  const orphan = sha3Multihash(bytes);
  await writeFile(file(`blocks/${orphan}`), bytes);
  await writeFile(file("refs/head"), orphan);
  await open.database.sql`DELETE FROM chain_blocks WHERE dataset_id = ${id}`;
  expect(await open.instance().datasets.head(id)).toMatchObject({ seq: 4, rows: 6 });
  expect(await verify()).toMatchObject({ ok: true, rows: 6 });
});

test("progress goes on to its end", async () => {
  const seen: [number, number][] = [];
  const options = { level: "logical", signal: new AbortController().signal } as const;
  await one.datasets.verify(id, { ...options, progress: (done, total) => seen.push([done, total]) });
  expect(seen.map(([done]) => done)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
  expect(seen.at(-1)).toEqual([9, 9]);
});

test("a cancelled verification ends with the signal's reason, wherever it is", async () => {
  for (const stopAt of [1, 4, 6, 8]) {
    const stop = new AbortController();
    let last = 0;
    const verifying = one.datasets.verify(id, {
      level: "logical",
      signal: stop.signal,
      progress: (done) => {
        last = done;
        if (done === stopAt) stop.abort(new Error("enough"));
      },
    });
    await expect(verifying).rejects.toThrow("enough");
    expect(last).toBe(stopAt);
  }
});
