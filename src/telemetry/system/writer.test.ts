import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Clock, instant, silentTelemetry } from "../../base/index.ts";
import { openMetrics } from "../metrics/prometheus.ts";
import { Batcher } from "./batcher.ts";
import type { IngestRecord, RowSink, SystemEvent, SystemRow } from "./rows.ts";
import { type EventFeed, SystemWriter } from "./writer.ts";

/** Timers fire when told to. */
function handClock() {
  let timers: { dueMs: number; callback: () => void }[] = [];
  let nowMs = 0;
  const clock: Clock = {
    now: () => instant(nowMs),
    monotonicMs: () => nowMs,
    timer(delayMs, callback) {
      const timer = { dueMs: nowMs + delayMs, callback };
      timers.push(timer);
      return () => {
        timers = timers.filter((other) => other !== timer);
      };
    },
  };
  const advance = async (ms: number) => {
    nowMs += ms;
    const due = timers.filter((timer) => timer.dueMs <= nowMs);
    timers = timers.filter((timer) => timer.dueMs > nowMs);
    for (const timer of due) timer.callback();
    for (let i = 0; i < 10; i++) await Promise.resolve();
  };
  return { clock, advance };
}

function rowSink() {
  const written: { path: string; rows: SystemRow[] }[] = [];
  const state = { failing: false };
  const sink: RowSink = {
    async pushRows(path, rows) {
      if (state.failing) throw new Error("not now");
      written.push({ path, rows });
    },
  };
  return { sink, written, state };
}

const record = (dataset: string): IngestRecord => ({
  ingestId: "i",
  dataset,
  user: "owner",
  state: "committed",
  receivedAt: instant(0),
  elapsedMs: 1,
  format: "ndjson",
  bytes: 1,
  wireBytes: 1,
  rows: 1,
  quarantined: 0,
  firstOffset: 0,
  lastOffset: 0,
  errorCode: null,
  traceId: "t",
});
const event = (position: number, project: string | null, type = "dataset.committed"): SystemEvent => ({
  position,
  id: `e${position}`,
  at: instant(position),
  type,
  subject: `subject${position}`,
  project,
  data: { id: `x${position}`, state: "done", kind: "verify", attempts: 2 },
});
const noFeed: EventFeed = { subscribe: () => ({ stop: async () => {} }) };

describe("Batcher", () => {
  const batcherOf = (sink: RowSink, clock: Clock, maxWaiting: number, metrics = silentTelemetry.metrics) =>
    new Batcher({
      dataset: "system.queries",
      sink,
      clock,
      log: silentTelemetry.log,
      metrics,
      intervalMs: 100,
      batchRows: 10,
      maxWaiting,
    });

  test("writes after the interval, or at once when a batch is full", async () => {
    const { clock, advance } = handClock();
    const { sink, written } = rowSink();
    const batcher = batcherOf(sink, clock, 100);
    batcher.add({ n: 0 });
    await advance(99);
    expect(written).toEqual([]);
    await advance(1);
    expect(written).toEqual([{ path: "system.queries", rows: [{ n: 0 }] }]);
    for (let n = 1; n <= 10; n++) batcher.add({ n });
    await advance(0);
    expect(written[1]?.rows.length).toBe(10);
  });

  test("in whatever order sinks fail and time passes, rows arrive in order, once, or are counted as dropped", async () => {
    const step = fc.constantFrom("add", "add", "add", "fail", "mend", "time");
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 200 }), async (steps) => {
        const { clock, advance } = handClock();
        const { sink, written, state } = rowSink();
        const metrics = openMetrics({ log: silentTelemetry.log, undeclared: "throw" });
        const batcher = batcherOf(sink, clock, 15, metrics);
        let added = 0;
        for (const act of steps) {
          if (act === "add") batcher.add({ n: added++ });
          else if (act === "time") await advance(10_000);
          else state.failing = act === "fail";
          expect(batcher.waiting).toBeLessThanOrEqual(15);
        }
        state.failing = false;
        await batcher.close();
        const numbers = written.flatMap(({ rows }) => rows.map((row) => Number(row.n)));
        expect(numbers).toEqual([...new Set(numbers)].sort((a, b) => a - b));
        const text = await metrics.expose();
        const dropped = Number(/rows_dropped_total\{dataset="system.queries"\} (\d+)/.exec(text)?.[1] ?? 0);
        expect(numbers.length + dropped).toBe(added);
      }),
    );
  });
});

describe("SystemWriter", () => {
  test("an ingest into the project system makes no row of system.ingests", async () => {
    const { clock } = handClock();
    const { sink, written } = rowSink();
    const writer = new SystemWriter({ sink, feed: noFeed, clock, telemetry: silentTelemetry });
    await writer.start();
    writer.ingest(record("web.access"));
    writer.ingest(record("system.ingests"));
    await writer.stop();
    expect(written.map(({ rows }) => rows.map((row) => row.dataset))).toEqual([["web.access"]]);
  });

  test("events of the project system are left out; tasks have their own dataset; a failing sink holds the cursor", async () => {
    const { clock } = handClock();
    const { sink, written, state } = rowSink();
    let deliver: (events: readonly SystemEvent[]) => Promise<void> = async () => {};
    const feed: EventFeed = {
      subscribe(_options, handler) {
        deliver = (events) => handler(events, new AbortController().signal);
        return { stop: async () => {} };
      },
    };
    const writer = new SystemWriter({ sink, feed, clock, telemetry: silentTelemetry });
    await writer.start();
    const events = [event(1, "web"), event(2, "system"), event(3, null, "task.changed")];
    state.failing = true;
    await expect(deliver(events)).rejects.toThrow("not now");
    state.failing = false;
    await deliver(events);
    await writer.stop();
    expect(written.map(({ path, rows }) => [path, rows.map((row) => row.position)])).toEqual([
      ["system.tasks", [3]],
      ["system.events", [1, 3]],
    ]);
    expect(written[0]?.rows[0]).toMatchObject({ task_id: "x3", kind: "verify", state: "done", attempt: 2 });
  });
});
