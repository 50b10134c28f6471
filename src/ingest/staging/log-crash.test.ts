import { expect, test } from "vitest";
import { CrashDisk, type Fault, type Loss, PowerLoss } from "../../../test/kit/crash-disk.ts";
import { type Random, systemRandom } from "../../base/index.ts";
import { takeBody } from "./body.ts";
import { entryHeader } from "./frame.ts";
import { type StagedEntry, StagingLog } from "./log.ts";

const directory = "/data/staging/log";
const losses: readonly Loss[] = ["all", "nothing", "half", "first page"];
const large = Buffer.alloc((1 << 20) + 10, "x");
const random: Random = systemRandom;

/** What callers know of the entries: across crashes, as clients and chains would. */
class Knowledge {
  readonly acknowledged = new Map<string, StagedEntry>();
  readonly refused = new Set<string>();
  /** Found by an opened log, which goes on with them. */
  readonly recovered = new Set<string>();
  readonly done = new Set<string>();
  readonly #names = new Map<number, string>();

  /** A number names one entry for ever: chains remember how far they have come by it. */
  number(seq: number, id: string): void {
    expect(this.#names.get(seq) ?? id, `sequence number ${seq}`).toBe(id);
    this.#names.set(seq, id);
  }
}

const headerOf = (id: string, spool: string | null, bodyBytes: number) => {
  const { seq: _, ...header } = entryHeader.parse({
    seq: 0,
    ingestId: id,
    datasetId: "d",
    dataset: "p.d",
    format: "{}",
    eventTime: null,
    key: null,
    bodyHash: null,
    by: "owner",
    traceId: "",
    receivedAtMs: 0,
    spool,
    bodyBytes,
    wireBytes: bodyBytes,
    lines: null,
    headBytes: 0,
    syncedBytes: 0,
  });
  return header;
};

async function append(log: StagingLog, id: string, known: Knowledge): Promise<StagedEntry> {
  const body = Buffer.from(`body of ${id} `.repeat(8));
  const entry = await log.append(headerOf(id, null, body.length), body);
  known.acknowledged.set(id, entry);
  known.number(entry.header.seq, id);
  return entry;
}

async function appendLarge(disk: CrashDisk, log: StagingLog, id: string, known: Knowledge): Promise<StagedEntry> {
  const stream = async function* () {
    yield large;
  };
  const signal = new AbortController().signal;
  const options = { encoding: "identity", jsonElements: false, durable: true, hashed: false } as const;
  const limits = { countLines: false, headBytes: 0, admit: () => {}, meter: { bytes: 0, wireBytes: 0 } };
  const taken = await takeBody(stream(), { ...options, ...limits, disk, path: log.spoolPath(id), signal });
  const entry = await log.append(headerOf(id, id, taken.sizeBytes), new Uint8Array());
  known.acknowledged.set(id, entry);
  known.number(entry.header.seq, id);
  return entry;
}

async function finish(log: StagingLog, entry: StagedEntry, known: Knowledge): Promise<void> {
  known.done.add(entry.header.ingestId); // from its first step on, the chain has it
  await log.done(entry);
}

const openLog = (disk: CrashDisk) => new StagingLog({ disk, directory, random, segmentBytes: 600 });

/** A disk with the folder that the server has made. */
async function preparedDisk(fault: Fault | null = null): Promise<CrashDisk> {
  const disk = new CrashDisk();
  await disk.makeDirectory("/data/staging");
  return disk.after("nothing", fault);
}

/** Appends alone and in groups, closes segments, finishes entries, opens again: every step that the log knows. */
async function life(disk: CrashDisk, known: Knowledge, name: string): Promise<void> {
  const first = openLog(disk);
  for (const { header } of await first.open()) {
    known.number(header.seq, header.ingestId);
    known.recovered.add(header.ingestId);
  }
  const a = await append(first, `${name}a`, known);
  const group = await Promise.all(["b", "c", "d"].map((id) => append(first, `${name}${id}`, known)));
  const spooled = await appendLarge(disk, first, `${name}e`, known);
  await finish(first, a, known);
  for (const entry of group) await finish(first, entry, known);
  await append(first, `${name}f`, known);
  await finish(first, spooled, known);
  await first.close();
  const second = openLog(disk);
  const found = await second.open();
  await append(second, `${name}g`, known);
  for (const entry of found) await finish(second, entry, known);
  await second.close();
}

/** Opens the log after a crash, and holds what it has against what is known. */
async function check(disk: CrashDisk, known: Knowledge): Promise<void> {
  const log = openLog(disk);
  const entries = await log.open();
  const ids = entries.map(({ header }) => header.ingestId);
  expect(new Set(ids).size).toBe(ids.length);
  for (const { header } of entries) known.number(header.seq, header.ingestId);
  for (const id of known.acknowledged.keys())
    if (!known.done.has(id)) expect(ids, `${id} was acknowledged`).toContain(id);
  // A chain that has a later one is taken to have it.
  const newest = Math.max(0, ...[...known.acknowledged.values()].map(({ header }) => header.seq));
  for (const { header } of entries)
    if (header.seq < newest)
      expect([...known.acknowledged.keys(), ...known.recovered], "known to be staged").toContain(header.ingestId);
  for (const entry of entries) {
    const { ingestId, spool, bodyBytes } = entry.header;
    if (known.done.has(ingestId)) continue;
    if (spool !== null) expect((await disk.readFile(log.spoolPath(spool))).length).toBe(bodyBytes);
    else expect(Buffer.from(await log.readBody(entry)).toString()).toBe(`body of ${ingestId} `.repeat(8));
  }
  await log.close();
}

async function steps(): Promise<readonly string[]> {
  const disk = await preparedDisk();
  await life(disk, new Knowledge(), "x");
  return disk.operations;
}

const lost = (error: unknown) => {
  if (!(error instanceof PowerLoss)) throw error;
};

test("whatever step the power goes at, every acknowledged entry is there once, and no number comes twice", async () => {
  const count = (await steps()).length;
  expect(count).toBeGreaterThan(40);
  for (let at = 1; at <= count; at++) {
    for (const kind of ["loss before", "loss after"] as const) {
      for (const loss of losses) {
        const known = new Knowledge();
        const disk = await preparedDisk({ at, kind });
        await life(disk, known, "x").catch(lost);
        const found = disk.after(loss);
        await check(found, known);
        await life(found, known, "y");
        await check(found.after("all"), known);
      }
    }
  }
}, 120_000);

test("the power may go again while the log is opened after a crash", async () => {
  const count = (await steps()).length;
  for (let at = 3; at <= count; at += 3) {
    for (let again = 1; again <= 12; again++) {
      const known = new Knowledge();
      const disk = await preparedDisk({ at, kind: "loss after" });
      await life(disk, known, "x").catch(lost);
      const second = disk.after("half", { at: again, kind: "loss after" });
      await life(second, known, "y").catch(lost);
      await check(second.after("all"), known);
    }
  }
}, 120_000);

test("what a killed process wrote and did not sync lasts, once another one has read it", async () => {
  const count = (await steps()).length;
  for (let at = 1; at <= count; at++) {
    for (const kind of ["loss before", "loss after"] as const) {
      for (const later of [4, 5, 6, 7, 8, 1_000]) {
        const known = new Knowledge();
        const disk = await preparedDisk({ at, kind });
        await life(disk, known, "x").catch(lost);
        const second = disk.afterKill({ at: later, kind: "loss after" });
        await life(second, known, "y").catch(lost);
        const third = second.after("all");
        await check(third, known);
        await life(third, known, "z");
      }
    }
  }
}, 120_000);

/** A process that goes on whatever fails. Tells how many appends were refused. */
async function stubborn(disk: CrashDisk, known: Knowledge): Promise<number> {
  const log = openLog(disk);
  let refused = 0;
  for (let tries = 0; tries < 4; tries++)
    if (
      await log.open().then(
        () => true,
        () => false,
      )
    )
      break;
  for (const group of ["a", "bc", "d", "ef", "g"]) {
    const appends = [...group].map((id) => append(log, `${id}${disk.operations.length}`, known));
    for (const done of await Promise.allSettled(appends)) if (done.status === "rejected") refused++;
  }
  await log.close().catch(() => {});
  return refused;
}

test("where steps fail, what is acknowledged from then on lasts, and what was refused takes no number of it", async () => {
  const healthy = await preparedDisk();
  expect(await stubborn(healthy, new Knowledge())).toBe(0);
  const steps = healthy.operations;
  for (const [index, name] of steps.entries()) {
    for (const lasting of [1, 2, 3]) {
      for (const loss of losses) {
        const known = new Knowledge();
        const disk = await preparedDisk({ at: index + 1, kind: "failure", lasting });
        const refused = await stubborn(disk, known);
        if (index > steps.indexOf("open createNew") && name === "sync") expect(refused).toBeGreaterThan(0);
        await check(disk.after(loss), known);
      }
    }
  }
}, 120_000);
