import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type FakeClock, fakeClock, type TestDatabase, testDatabase, until } from "../../test/kit/index.ts";
import { openStreams } from "../../test/streams/open.ts";
import { datasetPath, silentTelemetry, systemClock } from "../base/index.ts";
import { datasetId } from "../datasets/index.ts";
import type { Sql } from "../storage/index.ts";
import { PostgresLeases, type RunLeases, type TransformRunRecord } from "./index.ts";

const { log } = silentTelemetry;
const [one, other, third] = ["1", "2", "3"].map((digit) => datasetId(`did:odf:fed01${digit.repeat(64)}`));
let database: TestDatabase;
let clock: FakeClock;
let asked = 0;
let answered = 0;
beforeAll(async () => {
  database = await testDatabase();
});
afterAll(() => database[Symbol.asyncDispose]());
beforeEach(async () => {
  await database.sql`TRUNCATE transform_leases`;
  clock = fakeClock();
  asked = 0;
  answered = 0;
});

/** A server's leases; what it asks the database is counted. */
function server(holder: string): PostgresLeases {
  const sql = new Proxy(database.sql, {
    apply(target, self, given: unknown[]) {
      asked++;
      const answer: Promise<unknown> = Reflect.apply(target, self, given);
      return answer.finally(() => answered++);
    },
  });
  return new PostgresLeases({ sql, clock, log, holder });
}

async function run(leases: RunLeases, ...ids: readonly (typeof one)[]): Promise<boolean> {
  for (const id of ids) {
    if (id === undefined) throw new Error("no id");
    using lease = await leases.take(id);
    if (lease === null) return false;
  }
  return true;
}

/** Time passes for the database, then for the servers. */
const elapsed = async (ms: number) => {
  const back = `${ms} milliseconds`;
  await database.sql`UPDATE transform_leases SET held_until = held_until - ${back}::interval`;
  await clock.advance(ms);
};

describe("leases", () => {
  test("one server has it while it runs; asking costs nothing, and all are renewed by one statement", async () => {
    const [first, second] = [server("first"), server("second")];
    expect(await run(first, one, other, third)).toBe(true);
    expect(asked).toBe(3);
    for (let i = 0; i < 100; i++) expect(await run(first, one, other, third)).toBe(true);
    expect(asked).toBe(3);
    expect(await run(second, one)).toBe(false);
    expect(asked).toBe(4);
    expect(second.elsewhereMs(one ?? datasetId(""))).toBeGreaterThan(14_000);
    for (let renewals = 1; renewals <= 6; renewals++) {
      await elapsed(5_001);
      await until("all were renewed", () => answered === 4 + renewals);
      expect(await run(first, one, other, third)).toBe(true);
      expect(asked).toBe(4 + renewals);
    }
    expect(await run(second, one)).toBe(false);
    await first.stop();
    await clock.advance(15_001);
    expect(await run(second, one)).toBe(true);
  });

  test("who runs nothing asks for nothing, and loses them; a dead server's are taken over when they end", async () => {
    const [first, second] = [server("first"), server("second")];
    expect(await run(first, one)).toBe(true);
    await elapsed(5_001);
    await until("it was renewed a last time", () => answered === 2);
    for (let i = 0; i < 10; i++) await elapsed(1_400);
    expect(asked).toBe(2);
    expect(clock.pending).toBe(0);
    expect(await run(second, one)).toBe(false);
    await elapsed(1_500);
    expect(await run(second, one)).toBe(true);
    expect(await run(first, one)).toBe(false);
  });

  test("a server that starts anew has what it had; who declares anew seizes it; one of a clock that went back ends", async () => {
    expect(await run(server("first"), one)).toBe(true);
    const again = server("first");
    expect(await run(again, one)).toBe(true);
    const second = server("second");
    await second.seize(one ?? datasetId(""));
    expect(await run(second, one)).toBe(true);
    await elapsed(5_001);
    await until("all have asked", () => answered === 6);
    expect(await run(again, one)).toBe(false);
    await database.sql`UPDATE transform_leases SET held_until = now() + interval '1 hour'`;
    expect(await run(server("third"), one)).toBe(true);
    await second.forget(one ?? datasetId(""));
    expect([...(await database.sql`SELECT FROM transform_leases`)]).toEqual([]);
  });

  test("a database that does not answer keeps nobody from running", async () => {
    let tries = 0;
    const silent = new Proxy(database.sql, {
      apply() {
        tries++;
        return new Promise(() => {});
      },
    }) satisfies Sql;
    const leases = new PostgresLeases({ sql: silent, clock, log, holder: "first" });
    const taken = run(leases, one);
    await clock.advance(2_001);
    expect(await taken).toBe(true);
    expect(await run(leases, one, other)).toBe(true);
    expect(tries).toBe(1);
  });
});

test("of two servers one runs a transform; the other takes it over when it is gone", async () => {
  const leases = ["first", "second"].map(
    (holder) => new PostgresLeases({ sql: database.sql, clock: systemClock, log, holder, leaseMs: 4_000 }),
  );
  const [first, second] = leases;
  if (first === undefined || second === undefined) throw new Error("no leases");
  // It dies without giving them back.
  const ofFirst: RunLeases = {
    elsewhereMs: (id) => first.elsewhereMs(id),
    take: (id) => first.take(id),
    seize: (id) => first.seize(id),
    forget: (id) => first.forget(id),
    stop: async () => {},
  };
  await using streams = await openStreams({ leases: ofFirst });
  const ofOther: TransformRunRecord[] = [];
  await using beside = await streams.beside((store) => store, {
    leases: second,
    record: (ended) => ofOther.push(ended),
  });
  const columns = { a: "BIGINT" } as const;
  await streams.open.commit(datasetPath("web.t"), columns, [["0"]]);
  const { id: input } = await streams.open.datasets.get(datasetPath("web.t"));
  const sql = "SELECT a + 1 AS b FROM web.t";
  await streams.define("web.d", sql);
  await streams.settle();
  await beside.transforms.keep({ path: datasetPath("web.d"), sql, paused: false });
  const { id } = await streams.open.datasets.get(datasetPath("web.d"));
  for (let batch = 1; batch <= 10; batch++) {
    await streams.open.commit(datasetPath("web.t"), columns, [[String(batch)]]);
    beside.transforms.committed({ datasetId: input });
    await streams.settle();
  }
  expect(ofOther).toEqual([]);
  expect(streams.runs.map(({ state }) => state)).toEqual(Array(11).fill("done"));
  await streams.stop();
  await streams.open.commit(datasetPath("web.t"), columns, [["11"]]);
  beside.transforms.committed({ datasetId: input });
  await until("it is taken over", () => ofOther.length > 0);
  await streams.open.datasets.refresh(id, new AbortController().signal);
  expect(await streams.rows("SELECT count(*) AS n, sum(b)::INTEGER AS s FROM web.d")).toEqual([{ n: 12, s: 78 }]);
}, 60_000);
