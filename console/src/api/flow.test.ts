import { expect, test } from "vitest";
import { byActivity, flowNow, rowsByStep } from "./flow.ts";

const at = (ms: number) => new Date(ms).toISOString();
const one = (project: string, dataset: string, rows: number) => ({ project, dataset, rows, bytes: rows * 10 });
const live = (ms: number, ...datasets: ReturnType<typeof one>[]) => ({
  at: at(ms),
  datasets,
  queriesRunning: 0,
  tasksRunning: 0,
});

test("what flows now counts the last ten seconds only, of all or of one", () => {
  const activity = [
    live(0, one("a", "b", 1_000)),
    live(95_000, one("a", "b", 20), one("a", "c", 30)),
    live(99_000, one("a", "b", 50)),
  ];
  expect(flowNow(activity, 100_000)).toEqual({ rowsPerSecond: 10, bytesPerSecond: 100 });
  expect(flowNow(activity, 100_000, { project: "a", dataset: "c" })).toEqual({ rowsPerSecond: 3, bytesPerSecond: 30 });
  expect(flowNow([], 100_000)).toEqual({ rowsPerSecond: 0, bytesPerSecond: 0 });
});

test("an hour is summed by step, and its datasets stand by what they took", () => {
  const dataset = (name: string, rows: number[]) => ({ project: "p", dataset: name, rows, bytes: rows });
  const datasets = [dataset("idle", [0, 0]), dataset("some", [1, 2]), dataset("most", [5, 5])];
  const activity = { stepMs: 60_000, from: at(0), datasets };
  expect(rowsByStep(activity)).toEqual([6, 7]);
  expect(byActivity(activity).map(({ dataset: name, total }) => [name, total])).toEqual([
    ["most", 10],
    ["some", 3],
  ]);
});
