import fc from "fast-check";
import { expect, test } from "vitest";
import type { Column } from "../result/column.ts";
import { chooseChart, fitted } from "./choose.ts";
import { boundCloud, boundLine, byRisingX } from "./downsample.ts";
import { drawnRows } from "./drawn-rows.ts";
import { seriesOf } from "./series.ts";
import { splitOf } from "./split.ts";

test("the chart follows what the columns are", () => {
  expect(chooseChart(["moment", "number", "number"], 100)).toEqual({ type: "line", x: 0, y: [1, 2], split: null });
  expect(chooseChart(["category", "number"], 10)).toEqual({ type: "bar", x: 0, y: [1], split: null });
  expect(chooseChart(["category", "number"], 10_000).type).toBe("table");
  expect(chooseChart(["number", "number"], 100)).toEqual({ type: "scatter", x: 0, y: [1], split: null });
  expect(chooseChart(["number"], 1)).toEqual({ type: "number", x: null, y: [0], split: null });
  expect(chooseChart(["category"], 5).type).toBe("table");
});

test("a dataset's bookkeeping is drawn only where there is nothing else", () => {
  const aside = new Set([0, 1]);
  expect(chooseChart(["number", "moment", "moment", "number"], 9, aside)).toEqual({
    type: "line",
    x: 2,
    y: [3],
    split: null,
  });
  expect(chooseChart(["number", "moment"], 9, aside)).toEqual({ type: "line", x: 1, y: [0], split: null });
});

test("a chosen chart stays while its columns serve it", () => {
  const chosen = { type: "area", x: 0, y: [1], split: null } as const;
  expect(fitted(chosen, ["moment", "number"], 5)).toEqual(chosen);
  expect(fitted(chosen, ["number", "category"], 5)).toEqual({ type: "area", x: 1, y: [0], split: null });
});

test("fewer points keep every line's peaks, both ends, and invent none", () => {
  const value = fc.float({ noNaN: true, noDefaultInfinity: true });
  fc.assert(
    fc.property(fc.array(value, { minLength: 1, maxLength: 400 }), fc.integer({ min: 8, max: 60 }), (values, most) => {
      const points = { x: Float64Array.from(values.keys()), ys: [Float64Array.from(values)] };
      const found = boundLine(points, most);
      const [y] = found.ys;
      expect(found.of).toBe(values.length);
      expect(found.x.length).toBeLessThanOrEqual(Math.max(most, values.length > most ? 0 : values.length));
      expect(Math.max(...(y ?? []))).toBe(Math.max(...values));
      expect(Math.min(...(y ?? []))).toBe(Math.min(...values));
      expect([found.x[0], found.x.at(-1)]).toEqual([0, values.length - 1]);
      for (const [at, x] of found.x.entries()) expect(y?.[at]).toBe(values[x]);
    }),
  );
});

test("a cloud keeps every n-th point", () => {
  const x = Float64Array.from({ length: 1_001 }, (_, at) => at);
  const found = boundCloud({ x, ys: [x] }, 100);
  expect([found.x.length, found.x[1], found.of]).toEqual([91, 11, 1_001]);
});

test("a line runs from left to right, without points that have no x", () => {
  const found = byRisingX({ x: Float64Array.from([3, Number.NaN, 1]), ys: [Float64Array.from([30, 0, 10])] });
  expect([[...found.x], [...(found.ys[0] ?? [])]]).toEqual([
    [1, 3],
    [10, 30],
  ]);
});

function numbers(name: string, values: readonly number[]): Column {
  const told = { kind: "number" as const, numbers: Float64Array.from(values) };
  return { name, type: "DOUBLE", rows: values.length, present: null, values: told };
}

function texts(name: string, values: readonly string[]): Column {
  const parts = values.map((value) => new TextEncoder().encode(value));
  const offsets = Int32Array.from({ length: values.length + 1 }, (_, at) =>
    parts.slice(0, at).reduce((sum, { length }) => sum + length, 0),
  );
  const bytes = Uint8Array.from(parts.flatMap((part) => [...part]));
  return { name, type: "VARCHAR", rows: values.length, present: null, values: { kind: "text", offsets, bytes } };
}

test("rows are parted by a category that comes once at each place, and by no other", () => {
  const [year, kind, note] = [
    texts("year", ["1", "1", "2", "2"]),
    texts("kind", ["a", "b", "a", "b"]),
    texts("note", ["x", "x", "x", "y"]),
  ];
  const n = numbers("n", [1, 2, 3, 4]);
  const none = new Set<number>();
  expect(splitOf([year, n, note, kind], 4, 0, none)).toBe(3);
  expect(splitOf([year, n, note], 4, 0, none)).toBeNull();
  expect(splitOf([texts("id", ["1", "2", "3", "4"]), n, kind], 4, 0, none)).toBeNull();
  const chart = chooseChart(["category", "number", "category"], 4, none, () => 2);
  expect(chart).toEqual({ type: "bar", x: 0, y: [1], split: 2 });
  const drawn = seriesOf(chart, [year, n, kind], drawnRows(4, null));
  expect([drawn.categories, drawn.names]).toEqual([
    ["1", "2"],
    ["a", "b"],
  ]);
  expect(drawn.ys.map((line) => [...line])).toEqual([
    [1, 3],
    [2, 4],
  ]);
});

test("each row that is shown has its point in a drawn series, however often its place comes", () => {
  const row = fc.record({
    x: fc.integer({ min: 0, max: 5 }),
    kind: fc.constantFrom("a", "b", "c"),
    y: fc.integer(),
    isShown: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(row, { minLength: 1, maxLength: 60 }), fc.constantFrom("line", "bar"), (rows, type) => {
      const columns = [
        numbers(
          "x",
          rows.map(({ x }) => x),
        ),
        numbers(
          "y",
          rows.map(({ y }) => y),
        ),
        texts(
          "kind",
          rows.map(({ kind }) => kind),
        ),
      ];
      // As a grid shows them that is filtered and sorted.
      const shown = Uint32Array.from(rows.flatMap(({ isShown }, at) => (isShown ? at : []))).reverse();
      const { x, ys, names, categories } = seriesOf(
        { type, x: 0, y: [1], split: 2 },
        columns,
        drawnRows(rows.length, shown),
      );
      const drawn = names.flatMap((name, at) =>
        [...x].flatMap((place, slot) => {
          const y = ys[at]?.[slot] ?? Number.NaN;
          return Number.isNaN(y) ? [] : [`${categories === null ? place : categories[slot]} ${name} ${y}`];
        }),
      );
      const wanted = rows.filter(({ isShown }) => isShown).map((one) => `${one.x} ${one.kind} ${one.y}`);
      expect(drawn.sort()).toEqual(wanted.sort());
    }),
  );
});
