import fc from "fast-check";
import { expect, test } from "vitest";
import { byActivity, flowNow, flowThen } from "./flow.ts";

const at = (ms: number) => new Date(ms).toISOString();
const one = (project: string, dataset: string, rows: number) => ({ project, dataset, rows, bytes: rows * 10 });
const live = (ms: number, ...datasets: ReturnType<typeof one>[]) => ({
  at: at(ms),
  datasets,
  queriesRunning: 0,
  queries: [],
  tasksRunning: 0,
});

test("what flows now counts the last ten seconds only, of all or of one", () => {
  const activity = [
    live(0, one("a", "b", 1_000)),
    live(95_000, one("a", "b", 20), one("a", "c", 30)),
    live(99_000, one("a", "b", 50)),
  ];
  expect(flowNow(activity, 100_000)).toEqual({ rowsPerSecond: 10, bytesPerSecond: 100, overMs: 10_000 });
  expect(flowNow(activity, 100_000, { project: "a", dataset: "c" })).toEqual({
    rowsPerSecond: 3,
    bytesPerSecond: 30,
    overMs: 10_000,
  });
  expect(flowNow([], 100_000).rowsPerSecond).toBe(0);
});

const history = (stepMs: number, ...datasets: { dataset: string; rows: number[] }[]) => ({
  stepMs,
  from: at(0),
  datasets: datasets.map(({ dataset, rows }) => ({ project: "p", dataset, rows, bytes: rows.map((n) => n * 10) })),
  total: {
    datasets: datasets.length,
    rows: (datasets[0]?.rows ?? []).map((_, step) => datasets.reduce((sum, { rows }) => sum + (rows[step] ?? 0), 0)),
    bytes: (datasets[0]?.rows ?? []).map((_, step) =>
      datasets.reduce((sum, { rows }) => sum + (rows[step] ?? 0) * 10, 0),
    ),
  },
});

test("what flowed is told by the end of a history, from the moment it was asked for", () => {
  const asked = history(30_000, { dataset: "a", rows: [900, 300, 150] }, { dataset: "b", rows: [0, 0, 45] });
  // Half of the third step had passed.
  expect(flowThen(asked, 75_000)).toEqual({ rowsPerSecond: 11, bytesPerSecond: 110, overMs: 45_000 });
  expect(flowThen(asked, 75_000, { project: "p", dataset: "b" })).toMatchObject({
    rowsPerSecond: 1,
    bytesPerSecond: 10,
  });
  expect(flowThen(asked, 75_000, { project: "p", dataset: "none" }).rowsPerSecond).toBe(0);
  expect(flowThen(history(30_000), 75_000).rowsPerSecond).toBe(0);
});

test("an even flow is told as it is, whenever it is asked for", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 1_000 }), fc.integer({ min: 0, max: 29 }), (perSecond, seconds) => {
      const asked = history(30_000, { dataset: "a", rows: [perSecond * 30, perSecond * 30, perSecond * seconds] });
      expect(flowThen(asked, 60_000 + seconds * 1_000).rowsPerSecond).toBeCloseTo(perSecond, 6);
    }),
  );
});

test("the datasets of an hour stand by what they took", () => {
  const activity = history(
    60_000,
    { dataset: "idle", rows: [0, 0] },
    { dataset: "some", rows: [1, 2] },
    { dataset: "most", rows: [5, 5] },
  );
  expect(byActivity(activity).map(({ dataset: name, total }) => [name, total])).toEqual([
    ["most", 10],
    ["some", 3],
  ]);
});
