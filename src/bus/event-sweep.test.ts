import { afterAll, beforeAll, expect, test } from "vitest";
import { fakeClock, type TestDatabase, testDatabase, until } from "../../test/kit/index.ts";
import { silentTelemetry } from "../base/index.ts";
import { PostgresEventBus } from "./index.ts";

let database: TestDatabase;
beforeAll(async () => {
  database = await testDatabase();
});
afterAll(() => database[Symbol.asyncDispose]());

const hourMs = 3_600_000;
const append = (bus: PostgresEventBus, subject: string) => bus.append({ type: "t", subject, data: {} });

test("events go when they are old enough, but for the newest", async () => {
  const clock = fakeClock(Date.now());
  const bus = new PostgresEventBus({ sql: database.sql, clock, log: silentTelemetry.log, keptMs: hourMs });
  await bus.start();
  try {
    for (const subject of ["a", "b", "c"]) await append(bus, subject);
    const left = async () => (await bus.read({ after: 0, limit: 10 })).length;
    await clock.advance(hourMs / 2);
    expect(await left()).toBe(3);
    clock.jump(hourMs);
    await until("old events are gone", async () => {
      await clock.advance(hourMs / 4); // the next sweep, once the one before has ended
      return (await left()) === 1;
    });
    const [kept] = await bus.read({ after: 0, limit: 10 });
    expect(kept?.subject).toBe("c");
    expect(await append(bus, "d")).toBeGreaterThan(kept?.position ?? 0);
  } finally {
    await bus.stop();
  }
});
