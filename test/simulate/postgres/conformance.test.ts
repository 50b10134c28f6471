import { readdir } from "node:fs/promises";
import path from "node:path";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import type { ReservedSql, Statements } from "../../../src/storage/index.ts";
import { type TestDatabase, testDatabase, until } from "../../kit/index.ts";
import { Chance, Scheduler } from "../world/scheduler.ts";
import { statementsIn } from "./client.ts";
import { Database } from "./database.ts";
import { chainStep, definitionStep, type Step, taskStep } from "./histories.ts";
import { handlerOf, isKnown } from "./statements.ts";
import type { Transaction } from "./transaction.ts";

/** The same histories on the real server and on the simulated one: the same answers. */
let real: TestDatabase;
let simulated: Database;
beforeAll(async () => {
  real = await testDatabase(4);
});
afterAll(() => real[Symbol.asyncDispose]());
beforeEach(async () => {
  await real.sql`TRUNCATE chain_blocks, chain_checkpoints, datasets, event_subscriptions, events, ingests, mirror_progress,
    resource_changes, resources, task_attempts, tasks RESTART IDENTITY`;
  simulated = new Database(new Scheduler(), new Chance(1, "database"));
});

/** Statements of one session: alone, or in the transaction that it has begun. */
function session(database: Database): { sql: Statements; begin(): void; commit(): void; rollback(): void } {
  let transaction: Transaction | null = null;
  const end = (how: "commit" | "rollback") => {
    if (transaction !== null) database[transaction.state === "failed" ? "rollback" : how](transaction);
    transaction = null;
  };
  const sql = statementsIn(async (template, values) => {
    const own = transaction ?? database.begin(null);
    try {
      const answer = await database.execute(own, handlerOf(template), values);
      if (transaction === null) database.commit(own);
      return answer;
    } catch (error) {
      if (transaction === null) database.rollback(own);
      throw error;
    }
  });
  return {
    sql: sql as unknown as Statements, // as much of it as statements use
    begin: () => {
      transaction = database.begin(null);
    },
    commit: () => end("commit"),
    rollback: () => end("rollback"),
  };
}

async function outcome({ run, anyOrder }: Step, sql: Statements): Promise<unknown> {
  try {
    const rows = await run(sql);
    const plain = rows.map((row) => JSON.stringify(comparable(row)));
    return { rows: anyOrder === true ? plain.sort() : plain, count: Reflect.get(rows, "count") };
  } catch (error) {
    if (error instanceof Error && "code" in error) return { code: error.code };
    throw error;
  }
}

/** A row with its columns in one order, and without those that the server makes up. */
function comparable(row: unknown): unknown {
  const entries = Object.entries(Object(row)).filter(
    ([name]) => !["pg_notify", "pg_advisory_xact_lock"].includes(name),
  );
  const isEvent = entries.some(([name]) => name === "subject");
  return entries
    .filter(([name]) => !(isEvent && (name === "id" || name === "at")))
    .map(([name, value]) => [name, value instanceof Uint8Array ? Buffer.from(value).toString("hex") : value])
    .sort(([a], [b]) => (String(a) < String(b) ? -1 : 1));
}

/** These answer with numbers of rows that are counted as PostgreSQL's command tags do. */
const uncounted = new Set(["saveProgress", "lockAddress", "lockEvents", "insertEvent"]);

test.each([
  { tables: "tasks", step: taskStep },
  { tables: "chains and receipts", step: chainStep },
  { tables: "definitions and events", step: definitionStep },
])(
  "statements of $tables answer the same",
  async ({ step }) => {
    const one = session(simulated);
    const seen = new Map<string, number>();
    for (let at = 0; at < 800; at++) {
      const next = step(new Chance(at, "history"));
      const [theirs, ours] = [await outcome(next, real.sql), await outcome(next, one.sql)];
      if (uncounted.has(next.name)) for (const each of [theirs, ours]) Reflect.deleteProperty(Object(each), "count");
      expect(ours, `step ${at}: ${next.name}`).toEqual(theirs);
      seen.set(next.name, (seen.get(next.name) ?? 0) + 1);
    }
    expect(Math.min(...seen.values())).toBeGreaterThan(10);
  },
  60_000,
);

test("every statement of the rooms has its meaning here", async () => {
  const source = path.resolve(import.meta.dirname, "../../../src");
  // Transforms are in no world.
  const files = (await readdir(source, { recursive: true })).filter(
    (file) => /\/sql\/[a-z-]+\.ts$/.test(file) && !file.startsWith("streams/"),
  );
  const unknown: string[] = [];
  let statements = 0;
  for (const file of files) {
    const exported: Record<string, unknown> = await import(path.join(source, file));
    for (const [name, statement] of Object.entries(exported)) {
      if (typeof statement !== "function") continue;
      statements++;
      if (!isKnown(statement as (sql: never) => unknown)) unknown.push(`${file}: ${name}`);
    }
  }
  expect(statements).toBeGreaterThan(50);
  expect(unknown).toEqual([]);
});

interface RealSession extends AsyncDisposable {
  readonly sql: ReservedSql;
  isBlocked(): Promise<boolean>;
}

async function realSession(): Promise<RealSession> {
  const sql = await real.sql.reserve();
  const [row] = await sql<{ pid: number }[]>`SELECT pg_backend_pid() AS pid`;
  await sql`BEGIN`;
  return {
    sql,
    async isBlocked() {
      const [found] = await real.sql<{ blocked: boolean }[]>`
        SELECT cardinality(pg_blocking_pids(${row?.pid ?? 0})) > 0 AS blocked`;
      return found?.blocked === true;
    },
    async [Symbol.asyncDispose]() {
      // After a failed expectation it may still wait for the other one.
      await real.sql`SELECT pg_cancel_backend(${row?.pid ?? 0})`;
      await sql`ROLLBACK`;
      sql.release();
    },
  };
}

/** Whether a promise has settled. */
function watched<Result>(promise: Promise<Result>): { readonly promise: Promise<Result>; isSettled: boolean } {
  const one = { promise, isSettled: false };
  void promise.finally(() => {
    one.isSettled = true;
  });
  return one;
}

/** A few steps of two transactions. Where one waits for the other, that one ends. @returns how often it did */
async function twoAtOnce(chance: Chance, step: (chance: Chance) => Step): Promise<number> {
  await using first = await realSession();
  await using second = await realSession();
  const sessions = [first, second].map((theirs) => ({ theirs, ours: session(simulated) }));
  for (const { ours } of sessions) ours.begin();
  let blocks = 0;
  for (let at = 0; at < 10; at++) {
    const acting = chance.pick(sessions);
    const next = step(chance);
    const theirs = watched(outcome(next, acting.theirs.sql));
    const ours = watched(outcome(next, acting.ours.sql));
    await until("an answer or a lock", async () => theirs.isSettled || (await acting.theirs.isBlocked()));
    await new Promise((resolve) => setImmediate(resolve));
    expect(ours.isSettled, `${next.name} waits`).toBe(theirs.isSettled);
    if (!ours.isSettled) {
      blocks++;
      const other = sessions.find((one) => one !== acting);
      const how = chance.pick(["commit", "rollback"] as const);
      await other?.theirs.sql.unsafe(how);
      other?.ours[how]();
      await other?.theirs.sql.unsafe("BEGIN");
      other?.ours.begin();
    }
    const answers = [await theirs.promise, await ours.promise];
    if (uncounted.has(next.name)) for (const each of answers) Reflect.deleteProperty(Object(each), "count");
    expect(answers[1], next.name).toEqual(answers[0]);
    if (Reflect.has(Object(answers[0]), "code")) return blocks; // the transaction has failed
  }
  return blocks;
}

test.each([
  { tables: "tasks", step: taskStep },
  { tables: "definitions and events", step: definitionStep },
])(
  "two transactions at once meet at the same locks, and see the same of each other: $tables",
  async ({ step }) => {
    let blocks = 0;
    for (let history = 0; history < 60; history++) {
      await real.sql`
        TRUNCATE events, event_subscriptions, mirror_progress, resource_changes, resources, task_attempts, tasks
        RESTART IDENTITY`;
      simulated = new Database(new Scheduler(), new Chance(history, "database"));
      const alone = session(simulated);
      for (let at = 0; at < 12; at++) {
        await outcome(step(new Chance(at, `before ${history}`)), real.sql);
        await outcome(step(new Chance(at, `before ${history}`)), alone.sql);
      }
      blocks += await twoAtOnce(new Chance(history, "two"), step);
    }
    expect(blocks).toBeGreaterThan(5);
  },
  120_000,
);
