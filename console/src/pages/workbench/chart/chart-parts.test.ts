import fc from "fast-check";
import { expect, test } from "vitest";
import { chooseChart, fitted } from "./choose.ts";
import { boundCloud, boundLine, byRisingX } from "./downsample.ts";

test("the chart follows what the columns are", () => {
  expect(chooseChart(["moment", "number", "number"], 100)).toEqual({ type: "line", x: 0, y: [1, 2] });
  expect(chooseChart(["category", "number"], 10)).toEqual({ type: "bar", x: 0, y: [1] });
  expect(chooseChart(["category", "number"], 10_000).type).toBe("table");
  expect(chooseChart(["number", "number"], 100)).toEqual({ type: "scatter", x: 0, y: [1] });
  expect(chooseChart(["number"], 1)).toEqual({ type: "number", x: null, y: [0] });
  expect(chooseChart(["category"], 5).type).toBe("table");
});

test("a dataset's bookkeeping is drawn only where there is nothing else", () => {
  const aside = new Set([0, 1]);
  expect(chooseChart(["number", "moment", "moment", "number"], 9, aside)).toEqual({ type: "line", x: 2, y: [3] });
  expect(chooseChart(["number", "moment"], 9, aside)).toEqual({ type: "line", x: 1, y: [0] });
});

test("a chosen chart stays while its columns serve it", () => {
  const chosen = { type: "area", x: 0, y: [1] } as const;
  expect(fitted(chosen, ["moment", "number"], 5)).toEqual(chosen);
  expect(fitted(chosen, ["number", "category"], 5)).toEqual({ type: "area", x: 1, y: [0] });
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
