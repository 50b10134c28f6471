import { randomBytes } from "node:crypto";
import { inject } from "vitest";
import { type Clock, type Instant, instant } from "../../src/base/index.ts";
import { connect, type Sql } from "../../src/storage/index.ts";

export { type TempDirectory, tempDirectory } from "./folder.ts";

export interface TestDatabase extends AsyncDisposable {
  readonly sql: Sql;
  readonly url: string;
}

/** An own database with the current schema, on the run's PostgreSQL server; dropped when disposed. */
export async function testDatabase(maxConnections = 6): Promise<TestDatabase> {
  const template = inject("postgresUrl");
  const name = `test_${randomBytes(8).toString("hex")}`;
  const maintenance = connect(withDatabase(template, "maintenance"), 1);
  await maintenance`SELECT pg_advisory_lock(1)`; // one clone at a time: the template must have no other user
  await maintenance.unsafe(`CREATE DATABASE ${name} TEMPLATE postgres STRATEGY file_copy`);
  await maintenance`SELECT pg_advisory_unlock(1)`;
  const url = withDatabase(template, name);
  const sql = connect(url, maxConnections);
  return {
    sql,
    url,
    async [Symbol.asyncDispose]() {
      await sql.end({ timeoutMs: 1_000 });
      await maintenance.unsafe(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
      await maintenance.end();
    },
  };
}

function withDatabase(address: string, name: string): string {
  const url = new URL(address);
  url.pathname = `/${name}`;
  return url.href;
}

/** A clock that stands until it is told to go on; due timers run in order of their times. */
export interface FakeClock extends Clock {
  /** Moves time on, running what becomes due, and lets promises settle between timers. */
  advance(milliseconds: number): Promise<void>;
  /** Timers that wait. */
  readonly pending: number;
  /** The wall clock jumps; durations do not notice. */
  jump(milliseconds: number): void;
}

export function fakeClock(startMs = Date.parse("2030-01-01T00:00:00Z")): FakeClock {
  let wallMs = startMs;
  let monotonicMs = 0;
  const timers = new Set<{ dueMs: number; callback: () => void }>();
  const settle = () => new Promise<void>((resolve) => setImmediate(resolve));
  return {
    now: (): Instant => instant(wallMs),
    monotonicMs: () => monotonicMs,
    timer(delayMs, callback) {
      const timer = { dueMs: monotonicMs + delayMs, callback };
      timers.add(timer);
      return () => timers.delete(timer);
    },
    get pending() {
      return timers.size;
    },
    jump(milliseconds) {
      wallMs += milliseconds;
    },
    async advance(milliseconds) {
      const untilMs = monotonicMs + milliseconds;
      await settle();
      for (;;) {
        const next = [...timers].filter((timer) => timer.dueMs <= untilMs).sort((a, b) => a.dueMs - b.dueMs)[0];
        if (next === undefined) break;
        timers.delete(next);
        wallMs += Math.max(0, next.dueMs - monotonicMs);
        monotonicMs = Math.max(monotonicMs, next.dueMs);
        next.callback();
        await settle();
      }
      wallMs += untilMs - monotonicMs;
      monotonicMs = untilMs;
      await settle();
    },
  };
}

/** Waits until a condition holds, looking often; fails after ten seconds with what it waited for. */
export async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  const giveUpMs = performance.now() + 10_000;
  while (!(await holds())) {
    if (performance.now() > giveUpMs) throw new Error(`waited in vain for: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
