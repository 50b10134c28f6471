import { afterAll, beforeAll, expect, test } from "vitest";
import { fakeClock, type TestDatabase, testDatabase } from "../../test/kit/index.ts";
import { type DatasetId, instant, silentTelemetry } from "../base/index.ts";
import { ReceiptKeeper } from "./receipt-keeper.ts";
import { committedReceipt, Receipts } from "./receipts.ts";

let database: TestDatabase;
beforeAll(async () => {
  database = await testDatabase();
});
afterAll(() => database[Symbol.asyncDispose]());

const hour = 3_600_000;
const about = (atMs: number) => ({ datasetId: "d" as DatasetId, key: null, bodyHash: null, atMs });
const receiptOf = (id: string) => committedReceipt(id, "p.d", undefined);

test("receipts older than a day go, in bounded steps and again and again, until the room stops", async () => {
  const clock = fakeClock(instant(30 * 24 * hour));
  const deleted: number[] = [];
  class Watched extends Receipts {
    override async deleteBefore(before: Date, most: number): Promise<number> {
      const count = await super.deleteBefore(before, most);
      deleted.push(count);
      return count;
    }
  }
  const receipts = new Watched(database.sql);
  const ids = async () =>
    (await database.sql<{ id: string }[]>`SELECT id FROM ingests ORDER BY id`).map(({ id }) => id);
  await database.sql`INSERT INTO ingests (id, dataset_id, dataset, receipt, created_at)
    SELECT 'old' || i, 'd', 'p.d', '{}', ${new Date(clock.now() - 25 * hour)} FROM generate_series(1, 4500) AS t(i)`;
  await receipts.save(receiptOf("young"), about(clock.now() - 23 * hour - 55 * 60_000));
  const stopping = new AbortController();
  const keeper = new ReceiptKeeper({ receipts, clock, telemetry: silentTelemetry, stopping: stopping.signal });
  keeper.start();
  await expect.poll(ids).toEqual(["young"]);
  expect(deleted).toEqual([2_000, 2_000, 500]);
  await expect.poll(() => clock.pending).toBe(1);
  await clock.advance(10 * 60_000);
  await expect.poll(ids).toEqual([]);
  stopping.abort();
  await keeper.stop();
  expect(clock.pending).toBe(0);
});

test("a receipt that cannot be saved is saved later, and only then may its entry go", async () => {
  const clock = fakeClock(instant(0));
  let fails = 2;
  class Failing extends Receipts {
    override async save(...args: Parameters<Receipts["save"]>): Promise<void> {
      if (fails-- > 0) throw new Error("the database is away");
      await super.save(...args);
    }
  }
  const stopping = new AbortController();
  const receipts = new Failing(database.sql);
  const keeper = new ReceiptKeeper({ receipts, clock, telemetry: silentTelemetry, stopping: stopping.signal });
  let gone = false;
  await keeper.keep([{ receipt: receiptOf("late"), about: about(0) }], async () => {
    gone = true;
  });
  expect(gone).toBe(false);
  await clock.advance(1_000);
  expect(gone).toBe(false);
  await clock.advance(2_000);
  await expect.poll(() => gone).toBe(true);
  expect(await receipts.get("late")).not.toBeNull();
  stopping.abort();
  await keeper.stop();
});
