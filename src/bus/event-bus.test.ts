import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type TestDatabase, testDatabase, until } from "../../test/kit/index.ts";
import { silentTelemetry, systemClock } from "../base/index.ts";
import { connect } from "../storage/index.ts";
import { PostgresEventBus } from "./index.ts";

let database: TestDatabase;
let bus: PostgresEventBus;

beforeAll(async () => {
  database = await testDatabase();
});
afterAll(() => database[Symbol.asyncDispose]());
beforeEach(async () => {
  await database.sql`TRUNCATE events, event_subscriptions`;
  bus = new PostgresEventBus({ sql: database.sql, clock: systemClock, log: silentTelemetry.log });
  await bus.start();
  return () => bus.stop();
});

const event = (n: number) => ({ type: "test.made", subject: `thing-${n}`, data: { n } });
const numbers = (events: readonly { data: unknown }[]) => events.map(({ data }) => (data as { n: number }).n);

describe("the event bus", () => {
  test("positions follow commits, also of racing connections whose transactions overlap", async () => {
    const others = Array.from({ length: 4 }, () => connect(database.url, 1));
    const seen: number[] = [];
    const controller = new AbortController();
    const reading = (async () => {
      for await (const { position } of bus.tail({ after: 0, signal: controller.signal }))
        if (seen.push(position) === 200) return;
    })();
    await Promise.all(
      others.map(async (sql, writer) => {
        for (let i = 0; i < 50; i++) {
          await sql.begin(async (transaction) => {
            await transaction`SELECT pg_sleep(${Math.random() / 500})`;
            await bus.append(event(writer * 50 + i), transaction);
            await transaction`SELECT pg_sleep(${Math.random() / 500})`;
          });
        }
      }),
    );
    await reading;
    controller.abort();
    expect(seen).toEqual([...seen].sort((a, b) => a - b));
    expect(new Set(seen).size).toBe(200);
    await Promise.all(others.map((sql) => sql.end()));
  });

  test("what was rolled back was never there", async () => {
    await database.sql
      .begin(async (transaction) => {
        await bus.append(event(1), transaction);
        throw new Error("no");
      })
      .catch(() => {});
    await bus.append(event(2));
    expect(numbers(await bus.read({ after: 0, limit: 10 }))).toEqual([2]);
  });

  test("a durable subscriber goes on where it stopped, and is handed again what it failed on", async () => {
    await bus.append(event(1));
    const handed: number[] = [];
    let fail = true;
    const first = bus.subscribe({ name: "s", from: "start" }, async (events) => {
      if (fail) {
        fail = false;
        throw new Error("not yet");
      }
      handed.push(...numbers(events));
    });
    await until("the first event came", () => handed.length === 1);
    await first.stop();
    await bus.append(event(2));
    await bus.append(event(3));
    const second = bus.subscribe({ name: "s", from: "start" }, async (events) => {
      handed.push(...numbers(events));
    });
    await until("the others came", () => handed.length === 3);
    await second.stop();
    expect(handed).toEqual([1, 2, 3]);
  });

  test("a subscriber from now does not see what was", async () => {
    await bus.append(event(1));
    const handed: number[] = [];
    const subscription = bus.subscribe({ name: "later", from: "now" }, async (events) => {
      handed.push(...numbers(events));
    });
    await until(
      "its cursor stands",
      async () => (await database.sql`SELECT 1 FROM event_subscriptions WHERE name = 'later'`).count === 1,
    );
    await bus.append(event(2));
    await until("the event came", () => handed.length > 0);
    expect(handed).toEqual([2]);
    await subscription.stop();
  });
});
