import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { CrashDisk, type Fault, type Loss } from "../../../test/kit/crash-disk.ts";
import { fakeClock, type TestDatabase, testDatabase } from "../../../test/kit/index.ts";
import { type DatasetId, datasetPath, seededRandom, silentTelemetry } from "../../base/index.ts";
import { fieldFromDuckdb, multihashOfDigest, schemaWith, sha3Multihash } from "../../slices/index.ts";
import { directoryStore } from "../../storage/index.ts";
import { Datasets } from "../datasets.ts";

/** The power goes at every operation of a commit, and takes what was not synced: only the order of the syncs saves it. */
let database: TestDatabase;
let base: CrashDisk;
let id: DatasetId;
const clock = fakeClock();
const signal = new AbortController().signal;
const none = () => Promise.reject(new Error("no rows are read here"));
let opened = 0;

function openOn(disk: CrashDisk): Datasets {
  return new Datasets({
    store: directoryStore({ root: "/objects", disk, random: seededRandom(++opened) }),
    sql: database.sql,
    slices: { logicalHash: none, offsets: none },
    clock,
    random: seededRandom(++opened),
    telemetry: silentTelemetry,
    announce: async () => {},
  });
}

async function writeFile(disk: CrashDisk, name: string, text: string) {
  const bytes = Buffer.from(text);
  const localPath = `/files/${name}`;
  await using file = await disk.open(localPath, "write");
  await file.write(bytes);
  return { localPath, physicalHash: sha3Multihash(bytes), size: bytes.length };
}

/** Two rows, quarantined ones, and with the second commit a wider schema. */
async function commit(disk: CrashDisk, datasets: Datasets, position: number): Promise<boolean> {
  const head = await datasets.head(id);
  const state = head.sourceState("log");
  if (state !== null && Number(state.value) >= position) return true;
  const slice = await writeFile(disk, `slice-${position}`, `slice ${position} at ${head.nextOffset} `.repeat(50));
  const columns = Array.from({ length: position }, (_, i) => fieldFromDuckdb(`column${i}`, "INTEGER"));
  const outcome = await datasets.commit(id, {
    expectedSeq: head.seq,
    schema: schemaWith(columns),
    data: {
      localPath: slice.localPath,
      rows: 2,
      sizeBytes: slice.size,
      physicalHash: slice.physicalHash,
      logicalHash: multihashOfDigest("arrow0-sha3-256", new Uint8Array(32)),
      statistics: [],
    },
    quarantine: { ...(await writeFile(disk, `bad-${position}`, `bad ${position}`)), rows: 3 },
    sourceState: { sourceName: "log", kind: "test", value: String(position) },
    systemTime: clock.now(),
    by: "test",
  });
  return outcome.outcome === "committed";
}

beforeAll(async () => {
  database = await testDatabase();
  const disk = new CrashDisk();
  await disk.makeDirectory("/files");
  const datasets = openOn(disk);
  id = (await datasets.create(datasetPath("power.loss"))).id;
  await commit(disk, datasets, 1);
  base = disk.after("nothing");
});
afterAll(() => database[Symbol.asyncDispose]());

async function operations(): Promise<readonly string[]> {
  const disk = base.after("nothing");
  await commit(disk, openOn(disk), 2);
  return disk.operations;
}

/** PostgreSQL as it was before the commit under test. */
const resetIndex = () => database.sql`DELETE FROM chain_blocks WHERE dataset_id = ${id} AND seq > 2`;

async function check(disk: CrashDisk, acknowledged: boolean): Promise<void> {
  const datasets = openOn(disk);
  const { rows } = await datasets.head(id);
  expect([2, 4]).toContain(rows);
  if (acknowledged) expect(rows).toBe(4);
  expect(await datasets.verify(id, { level: "physical", signal })).toMatchObject({ ok: true, rows });
  expect(await commit(disk, datasets, 2)).toBe(true);
  expect(await commit(disk, datasets, 3)).toBe(true);
  expect(await openOn(disk).head(id)).toMatchObject({ rows: 6, quarantined: 9 });
  expect(await datasets.verify(id, { level: "physical", signal })).toMatchObject({ ok: true, rows: 6 });
}

describe.each(["loss before", "loss after"] as const)("%s each operation of a commit", (kind) => {
  test.each(["all", "nothing", "half", "first page"] satisfies Loss[])(
    "losing %s of what was not synced",
    async (loss) => {
      const count = (await operations()).length;
      expect(count).toBeGreaterThan(30);
      for (let at = 1; at <= count; at++) {
        await resetIndex();
        const fault: Fault = { at, kind };
        const disk = base.after("nothing", fault);
        const acknowledged = await commit(disk, openOn(disk), 2).catch(() => false);
        await check(disk.after(loss), acknowledged);
      }
    },
  );
});

test("an operation that fails, and the power that goes then", async () => {
  for (let at = 1; at <= (await operations()).length; at++) {
    await resetIndex();
    const disk = base.after("nothing", { at, kind: "failure" });
    const acknowledged = await commit(disk, openOn(disk), 2).catch(() => false);
    await check(disk.after("all"), acknowledged);
  }
});
