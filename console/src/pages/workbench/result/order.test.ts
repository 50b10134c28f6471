import fc from "fast-check";
import { expect, test } from "vitest";
import type { Column, Values } from "./column.ts";
import { conditionOf, orderOf } from "./order.ts";

function column(values: Values, rows: number, nulls: readonly number[] = []): Column {
  const present =
    nulls.length === 0 ? null : Uint8Array.from({ length: rows }, (_, row) => (nulls.includes(row) ? 0 : 1));
  return { name: "c", type: "", rows, present, values };
}

function texts(values: readonly (string | null)[]): Column {
  const parts = values.map((value) => new TextEncoder().encode(value ?? ""));
  const offsets = new Int32Array(values.length + 1);
  for (const [row, part] of parts.entries()) offsets[row + 1] = (offsets[row] ?? 0) + part.length;
  const bytes = Uint8Array.from(parts.flatMap((part) => [...part]));
  return column(
    { kind: "text", offsets, bytes },
    values.length,
    values.flatMap((value, row) => (value === null ? [row] : [])),
  );
}

const sorted = (of: Column, isDescending = false) => [...orderOf(of.rows, () => of, [], [{ column: 0, isDescending }])];
const passing = (of: Column, text: string) => [...orderOf(of.rows, () => of, [{ column: 0, text }], [])];

test("whole numbers beyond those of floating point sort exactly, nulls last either way", () => {
  const numbers = BigInt64Array.from([9_007_199_254_740_993n, 0n, 9_007_199_254_740_992n, -1n]);
  const whole = column({ kind: "whole", numbers }, 4, [1]);
  expect(sorted(whole)).toEqual([3, 2, 0, 1]);
  expect(sorted(whole, true)).toEqual([0, 2, 3, 1]);
});

test("floating point: infinities at their ends, not a number the greatest, equals as they came", () => {
  const numbers = Float64Array.from([Number.NaN, Infinity, 1, -Infinity, 1, 0]);
  expect(sorted(column({ kind: "number", numbers }, 6, [5]))).toEqual([3, 2, 4, 1, 0, 5]);
});

test("texts sort as their characters do", () => {
  const text = fc.option(
    fc.string({ unit: fc.constantFrom("a", "b", "", "é", "😀", "\u{ffff}", "\u0000"), maxLength: 9 }),
  );
  fc.assert(
    fc.property(fc.array(text, { maxLength: 30 }), fc.boolean(), (values, isDescending) => {
      const points = (row: number) => [...(values[row] ?? "")].map((letter) => letter.codePointAt(0) ?? 0);
      const compared = (a: number, b: number): number => {
        const [left, right] = [points(a), points(b)];
        const at = left.findIndex((point, index) => point !== right[index]);
        return at < 0 ? left.length - right.length : (left[at] ?? 0) - (right[at] ?? -1);
      };
      const rows = values.map((_, row) => row);
      const kept = rows.filter((row) => values[row] !== null);
      kept.sort((a, b) => (isDescending ? -1 : 1) * compared(a, b) || a - b);
      expect(sorted(texts(values), isDescending)).toEqual([...kept, ...rows.filter((row) => values[row] === null)]);
    }),
  );
});

test("several keys, behind filters", () => {
  const columns = [texts(["b", "a", "b", "a"]), column({ kind: "number", numbers: Int32Array.from([1, 2, 3, 4]) }, 4)];
  const of = (index: number) => columns[index] as Column;
  const keys = [
    { column: 0, isDescending: false },
    { column: 1, isDescending: true },
  ];
  expect([...orderOf(4, of, [{ column: 1, text: ">1" }], keys)]).toEqual([3, 1, 2]);
});

test("a part is found in whatever case, at the ends and beyond ASCII", () => {
  const of = texts(["ends with Part", "PARTs", "par", "Ärger", "", null]);
  expect(passing(of, "part")).toEqual([0, 1]);
  expect(passing(of, "ärg")).toEqual([3]);
  expect(passing(of, "!part")).toEqual([2, 3, 4]);
});

test("filters", () => {
  const names = texts(["Anna", "", null, "bob"]);
  expect(passing(names, "AN")).toEqual([0]);
  expect(passing(names, "!n")).toEqual([1, 3]);
  expect(passing(names, "null")).toEqual([2]);
  expect(passing(names, "!null")).toEqual([0, 1, 3]);
  expect(passing(names, "=")).toEqual([1]);
  expect(passing(names, ">Anna")).toEqual([3]);
  expect(conditionOf(names, "  ")).toBeNull();
  const whole = column(
    { kind: "whole", numbers: BigInt64Array.from([9_007_199_254_740_993n, 9_007_199_254_740_992n, 10n]) },
    3,
  );
  expect(passing(whole, "=9007199254740993")).toEqual([0]);
  expect(passing(whole, "<9")).toEqual([]);
  const decimal = column({ kind: "decimal", scale: 2, words: Uint32Array.from([110, 0, 0, 0, 111, 0, 0, 0]) }, 2);
  expect(passing(decimal, "=1.1")).toEqual([0]);
  expect(passing(decimal, ">1.105")).toEqual([1]);
});
