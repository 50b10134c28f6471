import fc from "fast-check";
import { expect, test } from "vitest";
import { layoutOf, leftShowing, shownColumns } from "./layout.ts";
import { type Scroll, scrolled, scrolledHeight, seenFor, topShowing } from "./scroll.ts";
import { blockOf, holds, moved, tsvOf } from "./selection.ts";

const million = { height: 28_000_000, viewport: 600 };

test("few rows scroll as the browser does", () => {
  const few = { height: 5_000, viewport: 600 };
  expect(scrolledHeight(few)).toBe(5_000);
  expect(scrolled({ top: 0, seen: 0 }, 123, few)).toEqual({ top: 123, seen: 123 });
});

test("a million rows: both ends are reached, small steps are exact, long jumps are in proportion", () => {
  const end = scrolledHeight(million) - million.viewport;
  expect(scrolled({ top: 5, seen: 5 }, end, million).top).toBe(million.height - million.viewport);
  expect(scrolled({ top: 9_000, seen: 2_500 }, 0, million).top).toBe(0);
  expect(scrolled({ top: 9_000, seen: 2_500 }, 2_600, million).top).toBe(9_100);
  expect(scrolled({ top: 0, seen: 0 }, end / 2, million).top / million.height).toBeCloseTo(0.5, 3);
});

test("wherever one scrolls, the place is within the rows, and setting the bar right keeps it", () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 7_999_400 })), (positions) => {
      let scroll: Scroll = { top: 0, seen: 0 };
      for (const seen of positions) {
        scroll = scrolled(scroll, seen, million);
        expect(scroll.top).toBeGreaterThanOrEqual(0);
        expect(scroll.top).toBeLessThanOrEqual(million.height - million.viewport);
        const right = seenFor(scroll.top, million);
        expect(right).toBeGreaterThanOrEqual(0);
        expect(right).toBeLessThanOrEqual(scrolledHeight(million) - million.viewport);
      }
    }),
  );
});

test("a row is shown by the nearest scroll", () => {
  expect(topShowing(0, 28, 100, million)).toBe(0);
  expect(topShowing(999_999, 28, 0, million)).toBe(million.height - million.viewport);
  expect(topShowing(10, 28, 100, million)).toBe(100);
});

test("pinned columns stand first and always show", () => {
  const layout = layoutOf([100, 100, 100, 100], [2]);
  expect(layout.placed.map(({ index }) => index)).toEqual([2, 0, 1, 3]);
  expect(shownColumns(layout, 150, 250).map(({ index }) => index)).toEqual([2, 1, 3]);
  expect(leftShowing(layout, 3, 0, 250)).toBe(150);
  expect(leftShowing(layout, 1, 150, 250)).toBe(0);
  expect(leftShowing(layout, 0, 150, 250)).toBe(150);
});

test("keys move within the grid and extend what is selected", () => {
  const area = { rows: 10, columns: 3, page: 4 };
  const at = (row: number, column: number) => ({ anchor: { row, at: column }, active: { row, at: column } });
  const press = (key: string, from = at(5, 1), isWide = false, isExtending = false) =>
    moved(from, { key, isWide, isExtending }, area);
  expect(press("PageDown")?.active).toEqual({ row: 9, at: 1 });
  expect(press("ArrowUp", at(0, 0))?.active).toEqual({ row: 0, at: 0 });
  expect(press("End", at(5, 1), true)?.active).toEqual({ row: 9, at: 2 });
  expect(press("q")).toBeNull();
  const extended = press("ArrowRight", at(5, 1), false, true);
  if (extended === null) throw new Error("not moved");
  expect([holds(blockOf(extended), 5, 1), holds(blockOf(extended), 5, 2), holds(blockOf(extended), 5, 0)]).toEqual([
    true,
    true,
    false,
  ]);
});

test("copied cells keep their lines and tabs apart", () => {
  const cells = [
    ["a", "b\tc"],
    [null, 'say "x"'],
  ];
  const block = { fromRow: 0, toRow: 1, fromAt: 0, toAt: 1 };
  expect(tsvOf(block, (row, at) => cells[row]?.[at] ?? null)).toBe('a\t"b\tc"\n\t"say ""x"""');
});
