import { randomBytes } from "node:crypto";
import { appendFile, copyFile, cp, mkdir, readdir, readFile, truncate, writeFile } from "node:fs/promises";
import path from "node:path";
import { expect, test } from "vitest";
import { tempDirectory } from "../../../test/kit/index.ts";
import { type Disk, type DiskFile, systemRandom } from "../../base/index.ts";
import { nodeDisk } from "../../storage/index.ts";
import { type EntryHeader, encodeFrame } from "./frame.ts";
import { type NewHeader, StagingLog } from "./log.ts";

const header = (ingestId: string, bodyBytes: number): NewHeader => ({
  ingestId,
  datasetId: "d",
  dataset: "p.d",
  format: "{}",
  eventTime: null,
  key: null,
  bodyHash: null,
  by: "owner",
  traceId: "",
  receivedAtMs: 0,
  spool: null,
  bodyBytes,
  wireBytes: bodyBytes,
  lines: null,
  headBytes: 0,
});

async function openLog(directory: string, disk: Disk = nodeDisk) {
  const log = new StagingLog({ disk, directory, random: systemRandom });
  return { log, entries: await log.open() };
}

const append = (log: StagingLog, id: string, body = Buffer.from(id)) => log.append(header(id, body.length), body);
const idsOf = (entries: readonly { header: EntryHeader }[]) => entries.map((entry) => entry.header.ingestId);
const segmentOf = async (folder: string) =>
  path.join(folder, (await readdir(folder)).filter((name) => name.endsWith(".log")).at(-1) ?? "");

test("whatever is cut off the tail, every entry before it is there", async () => {
  await using folder = await tempDirectory();
  const { log } = await openLog(folder.path);
  const ends: number[] = [];
  for (const id of ["a", "b", "c"]) {
    await append(log, id, randomBytes(5));
    ends.push((await readFile(await segmentOf(folder.path))).length);
  }
  const segment = await segmentOf(folder.path);
  for (let cut = 0; cut <= (ends[2] ?? 0); cut += cut % 7 === 0 ? 6 : 1) {
    const copy = path.join(folder.path, `cut-${cut}`);
    await mkdir(copy);
    await copyFile(segment, path.join(copy, path.basename(segment)));
    await copyFile(path.join(folder.path, "seal"), path.join(copy, "seal"));
    await truncate(path.join(copy, path.basename(segment)), cut);
    const { entries } = await openLog(copy);
    expect(idsOf(entries)).toEqual(["a", "b", "c"].filter((_, index) => (ends[index] ?? 0) <= cut));
  }
  await log.close();
});

test("bytes that follow the last sync are ignored; a change before it is told", async () => {
  await using folder = await tempDirectory();
  const { log } = await openLog(folder.path);
  await append(log, "a");
  await append(log, "b");
  await log.close();
  const segment = await segmentOf(folder.path);
  await appendFile(segment, randomBytes(100));
  expect(idsOf((await openLog(folder.path)).entries)).toEqual(["a", "b"]);
  const bytes = await readFile(segment);
  bytes[20] = (bytes[20] ?? 0) ^ 1;
  await writeFile(segment, bytes);
  await expect(openLog(folder.path)).rejects.toMatchObject({ code: "chain_broken" });
});

test("a body that holds a frame is never taken for one, also when its own frame is torn", async () => {
  await using folder = await tempDirectory();
  const { log } = await openLog(folder.path);
  const forged = { ...header("forged", 1), seq: 9, syncedBytes: 1_000 };
  await append(log, "outer", Buffer.concat([...encodeFrame(forged, Buffer.from("x"), 0), Buffer.from("tail")]));
  await log.close();
  const segment = await segmentOf(folder.path);
  await truncate(segment, (await readFile(segment)).length - 1);
  expect((await openLog(folder.path)).entries).toEqual([]);
});

test("sequence numbers never come twice, also when every segment is gone", async () => {
  await using folder = await tempDirectory();
  const first = await openLog(folder.path);
  const entry = await append(first.log, "a", randomBytes(65 << 20)); // closes its segment
  await first.log.done(entry);
  await first.log.close();
  await writeFile(path.join(folder.path, "0000000000000002.log"), ""); // a crash right after a segment was made
  const second = await openLog(folder.path);
  expect(second.entries).toEqual([]);
  expect((await append(second.log, "b")).header.seq).toBe(2);
  expect(second.log.id).toBe(first.log.id);
  await second.log.close();
});

test("a full disk acknowledges nothing, and the log goes on when there is room", async () => {
  await using folder = await tempDirectory();
  let full = false;
  const failing = (file: DiskFile): DiskFile => ({
    write: (bytes, position) => file.write(bytes, position),
    read: (position, length) => file.read(position, length),
    truncate: (size) => file.truncate(size),
    sizeBytes: () => file.sizeBytes(),
    sync: async () => {
      if (full) throw Object.assign(new Error("no space left"), { code: "ENOSPC" });
      await file.sync();
    },
    [Symbol.asyncDispose]: () => file[Symbol.asyncDispose](),
  });
  const disk: Disk = { ...nodeDisk, open: async (name, mode) => failing(await nodeDisk.open(name, mode)) };
  const { log } = await openLog(folder.path, disk);
  await append(log, "a");
  full = true;
  await expect(append(log, "lost")).rejects.toMatchObject({ code: "disk_full" });
  full = false;
  await append(log, "b");
  await log.close();
  expect(idsOf((await openLog(folder.path)).entries)).toEqual(["a", "b"]);
});

test("what was not acknowledged is forgotten once it is cut off, also where that failed at first", async () => {
  await using folder = await tempDirectory();
  let broken = false;
  const fail = () => {
    if (broken) throw Object.assign(new Error("input/output error"), { code: "EIO" });
  };
  const failing = (file: DiskFile): DiskFile => ({
    write: (bytes, position) => file.write(bytes, position),
    read: (position, length) => file.read(position, length),
    truncate: async (size) => {
      fail();
      await file.truncate(size);
    },
    sizeBytes: () => file.sizeBytes(),
    sync: async () => {
      fail();
      await file.sync();
    },
    [Symbol.asyncDispose]: () => file[Symbol.asyncDispose](),
  });
  const disk: Disk = { ...nodeDisk, open: async (name, mode) => failing(await nodeDisk.open(name, mode)) };
  const { log } = await openLog(folder.path, disk);
  await append(log, "a");
  broken = true;
  await expect(append(log, "lost")).rejects.toMatchObject({ code: "EIO" });
  await expect(log.forgotten()).rejects.toMatchObject({ code: "EIO" });
  // Who looks now finds it.
  await using copy = await tempDirectory();
  await cp(folder.path, copy.path, { recursive: true });
  expect(idsOf((await openLog(copy.path)).entries)).toEqual(["a", "lost"]);
  broken = false;
  await Promise.all([log.forgotten(), log.forgotten()]);
  await log.close();
  expect(idsOf((await openLog(folder.path)).entries)).toEqual(["a"]);
});

test("an acknowledged request whose header this version cannot read is told, never passed over", async () => {
  await using folder = await tempDirectory();
  const { log } = await openLog(folder.path);
  await append(log, "a");
  await log.close();
  const segment = await segmentOf(folder.path);
  const seal = Number.parseInt((await readFile(path.join(folder.path, "seal"), "utf8")).slice(0, 8), 16);
  const { dataset: _, ...later } = { ...header("b", 1), seq: 2, syncedBytes: 0, datasets: ["p.d", "p.e"] };
  const frame = encodeFrame(later as unknown as EntryHeader, Buffer.from("b"), seal);
  await appendFile(segment, Buffer.concat(frame));
  await expect(openLog(folder.path)).rejects.toMatchObject({ code: "unsupported_version" });
});
