import fc from "fast-check";
import { expect, test } from "vitest";
import { type Edge, layOut, nodeSize } from "./layout.ts";

/** Edges from lower numbers to higher ones: no circle. */
const graphs = fc.integer({ min: 1, max: 40 }).chain((size) =>
  fc
    .uniqueArray(fc.tuple(fc.nat(size - 1), fc.nat(size - 1)), { maxLength: 60, selector: ([a, b]) => `${a} ${b}` })
    .map((pairs) => ({
      ids: Array.from({ length: size }, (_, at) => `n${at}`),
      edges: pairs.filter(([a, b]) => a < b).map(([a, b]): Edge => ({ from: `n${a}`, to: `n${b}` })),
    })),
);

test("no node lies over another, inputs lie to the left, edges pass by, all is inside", () => {
  fc.assert(
    fc.property(graphs, ({ ids, edges }) => {
      const { places, routes, width, height } = layOut(ids, edges);
      const boxes = ids.map((id) => ({ id, ...(places.get(id) ?? { x: Number.NaN, y: Number.NaN, layer: -1 }) }));
      for (const [at, one] of boxes.entries()) {
        expect(one.x >= 0 && one.y >= 0).toBe(true);
        expect(one.x + nodeSize.width <= width && one.y + nodeSize.height <= height).toBe(true);
        for (const other of boxes.slice(at + 1))
          expect(one.x !== other.x || Math.abs(one.y - other.y) >= nodeSize.height, `${one.id} ${other.id}`).toBe(true);
      }
      for (const { from, to, points } of routes) {
        expect(points.every(({ x }, at) => at === 0 || x > (points[at - 1]?.x ?? 0))).toBe(true);
        for (const { x, y } of points.slice(1, -1)) {
          const hit = boxes.find(
            (box) => x >= box.x && x <= box.x + nodeSize.width && y > box.y && y < box.y + nodeSize.height,
          );
          expect(hit?.id, `${from} to ${to}`).toBeUndefined();
        }
      }
    }),
    { numRuns: 200 },
  );
});

test("a chain is a straight line, and the same graph is drawn the same way", () => {
  const edges = [
    { from: "a", to: "b" },
    { from: "b", to: "c" },
  ];
  const { places } = layOut(["c", "a", "b"], edges);
  expect(["a", "b", "c"].map((id) => places.get(id)?.layer)).toEqual([0, 1, 2]);
  expect(new Set(["a", "b", "c"].map((id) => places.get(id)?.y)).size).toBe(1);
  expect(layOut(["c", "a", "b"], edges)).toEqual(layOut(["c", "a", "b"], edges));
});

test("a circle, which there should be none of, ends too; a thousand nodes are laid out within a second", () => {
  expect(
    layOut(
      ["a", "b"],
      [
        { from: "a", to: "b" },
        { from: "b", to: "a" },
      ],
    ).places.size,
  ).toBe(2);
  const ids = Array.from({ length: 1_000 }, (_, at) => `n${at}`);
  const edges = ids.slice(1).map((to, at) => ({ from: `n${Math.floor(at / 3)}`, to }));
  const began = performance.now();
  layOut(ids, edges);
  expect(performance.now() - began).toBeLessThan(1_000);
});
