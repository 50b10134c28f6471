import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type FakeClock, fakeClock, type TestDatabase, testDatabase, until } from "../../test/kit/index.ts";
import { idSource, instant, seededRandom, silentTelemetry, systemRandom } from "../base/index.ts";
import { type TaskHandler, TaskQueue, TaskRunner } from "./index.ts";

let database: TestDatabase;
let clock: FakeClock;
let queue: TaskQueue;
const events: string[] = [];

beforeAll(async () => {
  database = await testDatabase();
});
afterAll(() => database[Symbol.asyncDispose]());
beforeEach(async () => {
  await database.sql`TRUNCATE tasks CASCADE`;
  events.length = 0;
  clock = fakeClock();
  const append = async (event: { subject: string; data: unknown }) => events.push(JSON.stringify(event.data));
  queue = new TaskQueue({
    sql: database.sql,
    events: { append },
    clock,
    ids: idSource(clock, systemRandom),
    log: silentTelemetry.log,
  });
});

function runner(holder: string, handlers: Record<string, TaskHandler>, tokens = 10): TaskRunner {
  const made = new TaskRunner({
    sql: database.sql,
    queue,
    clock,
    random: seededRandom(1),
    log: silentTelemetry.log,
    holder,
    tokens,
  });
  for (const [kind, handler] of Object.entries(handlers)) made.register(kind, handler);
  return made;
}

/** Lets time pass until a condition holds, so that polls and timers run. */
async function pass(what: string, holds: () => Promise<boolean> | boolean, stepMs = 1_000): Promise<void> {
  await until(what, async () => {
    await clock.advance(stepMs);
    return await holds();
  });
}

const stateOf = async (id: Parameters<TaskQueue["get"]>[0]) => (await queue.get(id))?.state;

describe("tasks", () => {
  test("run by priority and leave their result", async () => {
    const order: number[] = [];
    for (const priority of [1, 5, 3]) await queue.enqueue({ kind: "k", payload: priority, priority });
    const one = runner("a", { k: async (task) => order.push(Number(task.payload)) }, 1);
    await one.start();
    await pass("all ran", () => order.length === 3);
    expect(order).toEqual([5, 3, 1]);
    await one.stop();
  });

  test("what fails is tried again, later each time, and fails for good after its last attempt", async () => {
    let attempts = 0;
    const task = await queue.enqueue({ kind: "k", payload: {}, maxAttempts: 3 });
    const one = runner("a", {
      k: async () => {
        attempts++;
        throw new Error("no");
      },
    });
    await one.start();
    await pass("it failed", async () => (await stateOf(task.id)) === "failed", 5_000);
    expect(attempts).toBe(3);
    expect((await queue.get(task.id))?.error).toBe("no");
    const history = await database.sql`SELECT attempt, outcome FROM task_attempts ORDER BY attempt`;
    expect([...history]).toEqual([1, 2, 3].map((attempt) => ({ attempt, outcome: "failed" })));
    await one.stop();
  });

  test("a dead holder's task is taken over, and its late answer is not taken", async () => {
    const task = await queue.enqueue({ kind: "k", payload: {} });
    await database.sql`UPDATE tasks SET state = 'running', holder = 'dead', attempts = 1, lease_until = ${new Date(clock.now() + 1_000)}`;
    const one = runner("alive", { k: async () => "by the living" });
    await one.start();
    await pass("it was done", async () => (await stateOf(task.id)) === "done");
    expect((await queue.get(task.id))?.result).toBe("by the living");
    await one.stop();
  });

  test("what was due or held before the clock went back runs soon; what is planned for later waits", async () => {
    const inMs = (ms: number) => new Date(clock.now() + ms);
    const hourMs = 3_600_000;
    const due = await queue.enqueue({ kind: "k", payload: "due" });
    const retried = await queue.enqueue({ kind: "k", payload: "retried" });
    const held = await queue.enqueue({ kind: "k", payload: "held" });
    const planned = await queue.enqueue({ kind: "k", payload: "planned", notBefore: instant(clock.now() + hourMs) });
    await database.sql`UPDATE tasks SET created_at = ${inMs(hourMs)}, not_before = ${inMs(hourMs)} WHERE id = ${due.id}`;
    await database.sql`UPDATE tasks SET attempts = 1, not_before = ${inMs(hourMs)} WHERE id = ${retried.id}`;
    await database.sql`UPDATE tasks SET state = 'running', holder = 'dead', attempts = 1, lease_until = ${inMs(hourMs)}
      WHERE id = ${held.id}`;
    const ran: unknown[] = [];
    const one = runner("a", { k: async (task) => ran.push(task.payload) });
    await one.start();
    await pass("they ran", () => ran.length === 3);
    expect(ran.toSorted()).toEqual(["due", "held", "retried"]);
    expect(await stateOf(planned.id)).toBe("queued");
    await one.stop();
  });

  test("a cancelled task stays cancelled, whatever its handler does", async () => {
    const started = Promise.withResolvers<void>();
    const release = Promise.withResolvers<void>();
    const task = await queue.enqueue({ kind: "k", payload: {} });
    let aborted = false;
    const one = runner("a", {
      k: async (_, { signal }) => {
        signal.addEventListener("abort", () => {
          aborted = true;
        });
        started.resolve();
        await release.promise;
        return "too late";
      },
    });
    await one.start();
    await clock.advance(10);
    await started.promise;
    await queue.cancel(task.id);
    await pass("the handler was told", () => aborted);
    release.resolve();
    await one.stop();
    expect(await queue.get(task.id)).toMatchObject({ state: "cancelled", result: null });
    await expect(queue.cancel(task.id)).rejects.toMatchObject({ code: "conflict" });
  });

  test("a deadline ends a task", async () => {
    const task = await queue.enqueue({ kind: "k", payload: {}, deadline: instant(clock.now() + 5_000) });
    const one = runner("a", {
      k: (_, { signal }) => new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason))),
    });
    await one.start();
    await pass("it failed", async () => (await stateOf(task.id)) === "failed");
    await one.stop();
  });

  test("running tasks never hold more tokens than the runner has, and two runners share without doubles", async () => {
    const ran: string[] = [];
    let held = 0;
    let most = 0;
    const handler: TaskHandler = async (task) => {
      held += task.tokens;
      most = Math.max(most, held);
      ran.push(task.id);
      await new Promise((resolve) => setImmediate(resolve));
      held -= task.tokens;
      return undefined;
    };
    for (let i = 0; i < 30; i++) await queue.enqueue({ kind: "k", payload: i, tokens: 1 + (i % 3) });
    const runners = [runner("a", { k: handler }, 3), runner("b", { k: handler }, 3)];
    await Promise.all(runners.map((one) => one.start()));
    await pass("all ran", () => ran.length >= 30);
    expect(new Set(ran).size).toBe(30);
    expect(ran.length).toBe(30);
    expect(most).toBeLessThanOrEqual(6);
    await Promise.all(runners.map((one) => one.stop()));
  });

  test("a key makes one task of many while it lives", async () => {
    const [first, second] = [
      await queue.enqueue({ kind: "k", key: "x", payload: 1 }),
      await queue.enqueue({ kind: "k", key: "x", payload: 2 }),
    ];
    expect(second.id).toBe(first.id);
    await queue.cancel(first.id);
    expect((await queue.enqueue({ kind: "k", key: "x", payload: 3 })).id).not.toBe(first.id);
  });
});
