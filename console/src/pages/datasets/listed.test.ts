import { expect, test } from "vitest";
import type { Dataset } from "../../api/types.ts";
import { choose, formatSort, type Listed, listed, parseSort } from "./listed.ts";

function dataset(project: string, name: string, rows: number, lastCommitAt: string | null): Dataset {
  return {
    datasetId: `did:${name}`,
    project,
    dataset: name,
    seq: 1,
    head: "f1620",
    rows,
    bytes: rows * 10,
    slices: 1,
    nextOffset: rows,
    schema: null,
    watermark: null,
    lastCommitAt,
  };
}

const all: Listed[] = listed(
  [
    dataset("web", "access", 10, "2024-01-02T00:00:00.000Z"),
    dataset("web", "birds10", 30, "2024-01-01T00:00:00.000Z"),
    dataset("web", "birds9", 20, null),
    dataset("air", "flights", 20, "2024-01-03T00:00:00.000Z"),
  ],
  new Map([["web.birds9", 5]]),
  {
    stepMs: 60_000,
    from: "",
    datasets: [{ project: "web", dataset: "access", rows: [1, 2], bytes: [3, 4] }],
    total: { datasets: 1, rows: [1, 2], bytes: [3, 4] },
  },
  new Map([["air.flights", ["tier=gold"]]]),
);
const names = (found: readonly Listed[]) => found.map(({ dataset: one }) => one.dataset);

test("each dataset has its rate, its last hour and its labels", () => {
  expect(all.map(({ rate }) => rate)).toEqual([0, 0, 5, 0]);
  expect(all[0]?.lastHour).toEqual([1, 2]);
  expect(all[3]?.labels).toEqual(["tier=gold"]);
});

test("the freshest stand first unless the address says otherwise, those without a commit last", () => {
  expect(names(choose(all, {}, null))).toEqual(["flights", "access", "birds10", "birds9"]);
  expect(names(choose(all, {}, parseSort("name")))).toEqual(["flights", "access", "birds9", "birds10"]);
  expect(names(choose(all, {}, parseSort("-rows")))).toEqual(["birds10", "flights", "birds9", "access"]);
  expect(names(choose(all, {}, parseSort("-rate")))[0]).toBe("birds9");
});

test("what is searched for stands in the order it fits, and filters hold together", () => {
  expect(names(choose(all, { find: "birds9" }, null))).toEqual(["birds9"]);
  expect(names(choose(all, { find: "bir", project: "web" }, parseSort("rows")))).toEqual(["birds9", "birds10"]);
  expect(names(choose(all, { project: "air", label: "tier=gold" }, null))).toEqual(["flights"]);
  expect(choose(all, { project: "web", label: "tier=gold" }, null)).toEqual([]);
});

test("an order stands in the address and comes back; nonsense is the usual one", () => {
  for (const text of ["name", "-rows", "bytes", "-fresh"]) expect(formatSort(parseSort(text))).toBe(text);
  expect(parseSort("-<script>")).toEqual({ by: "fresh", isDown: true });
});
