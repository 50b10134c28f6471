import fc from "fast-check";
import { expect, test } from "vitest";
import { FlowLedger } from "./ledger.ts";

const hourMs = 3_600_000;
const startMs = Date.parse("2030-01-01T00:00:00Z");

const commits = fc.array(
  fc.record({
    path: fc.constantFrom("a.a", "a.b", "b.a"),
    /** How long ago it was when it is told: late ones and ones of a clock that is ahead. */
    agoMs: fc.integer({ min: -60_000, max: 2 * hourMs }),
    waitMs: fc.integer({ min: 0, max: hourMs / 4 }),
    rows: fc.integer({ min: 1, max: 1_000 }),
  }),
  { maxLength: 60 },
);

test("whatever order commits come in, the history is what a list of them adds up to", () => {
  fc.assert(
    fc.property(commits, fc.integer({ min: 1, max: 60 }), (told, minutes) => {
      const ledger = new FlowLedger();
      const kept: { path: string; step: number; rows: number }[] = [];
      let nowMs = startMs;
      for (const { path, agoMs, waitMs, rows } of told) {
        nowMs += waitMs;
        const atMs = Math.min(nowMs, nowMs - agoMs);
        ledger.add({ path, atMs: nowMs - agoMs, rows, bytes: rows * 3 }, nowMs);
        kept.push({ path, step: Math.floor(atMs / 30_000), rows });
      }
      const { fromMs, stepMs, flows } = ledger.history(nowMs, minutes);
      expect([stepMs, fromMs % stepMs, (nowMs - fromMs) / stepMs < minutes * 2]).toEqual([30_000, 0, true]);
      const first = fromMs / stepMs;
      const wanted = new Map<string, number[]>();
      for (const { path, step, rows } of kept) {
        if (step < first) continue;
        const steps = wanted.get(path) ?? Array<number>(minutes * 2).fill(0);
        steps[step - first] = (steps[step - first] ?? 0) + rows;
        wanted.set(path, steps);
      }
      expect(new Map(flows.map(({ path, rows }) => [path, rows]))).toEqual(wanted);
      for (const { rows, bytes } of flows) expect(bytes).toEqual(rows.map((count) => count * 3));
    }),
    { seed: 7, numRuns: 500 },
  );
});

test("what was quiet for an hour is let go, and what was deleted at once", () => {
  const ledger = new FlowLedger();
  for (let n = 0; n < 1_000; n++) ledger.add({ path: `p.d${n}`, atMs: startMs, rows: 1, bytes: 1 }, startMs);
  ledger.forget("p.d7");
  expect([ledger.size, ledger.history(startMs, 1).flows.length]).toEqual([999, 999]);
  ledger.add({ path: "p.new", atMs: startMs + hourMs, rows: 1, bytes: 1 }, startMs + hourMs);
  expect(ledger.size).toBe(1);
});
