import { expect, test } from "vitest";
import { byActivity, rowsByStep } from "./flow.ts";

const at = (ms: number) => new Date(ms).toISOString();
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
