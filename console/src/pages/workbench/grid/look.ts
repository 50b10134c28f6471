import { useCallback, useEffect, useState } from "react";
import { type Column, isNull, isNumeric, textOf } from "../result/column.ts";
import type { SortKey } from "../result/order.ts";
import { widthFor } from "./layout.ts";

/** How a result is looked at: what a grid keeps while a chart stands in its place, or another tab. */
export interface GridLook {
  readonly widths: readonly number[];
  readonly pinned: readonly number[];
  readonly keys: readonly SortKey[];
  readonly filters: ReadonlyMap<number, string>;
  readonly isFiltering: boolean;
}

export type ChangeLook = (change: (before: GridLook) => Partial<GridLook>) => void;

/** By the columns of a result: a look goes with its result. */
const looks = new WeakMap<readonly Column[], GridLook>();

export function useLook(columns: readonly Column[]): [GridLook, ChangeLook] {
  const [look, setLook] = useState(() => looks.get(columns) ?? firstLook(columns));
  useEffect(() => {
    looks.set(columns, look);
  }, [columns, look]);
  const change = useCallback<ChangeLook>((part) => setLook((before) => ({ ...before, ...part(before) })), []);
  return [look, change];
}

const firstLook = (columns: readonly Column[]): GridLook => ({
  widths: columns.map(firstWidth),
  pinned: [],
  keys: [],
  filters: new Map(),
  isFiltering: false,
});

function firstWidth(column: Column): number {
  let letters = Math.max(column.name.length, column.type.length * 0.8) + 3;
  const step = Math.max(1, Math.floor(column.rows / 50));
  for (let row = 0; row < column.rows; row += step) {
    if (!isNull(column, row))
      letters = Math.max(letters, Math.min(48, textOf(column, row).length) * (isNumeric(column) ? 1.05 : 1));
  }
  return widthFor(letters);
}

/** The sort keys after one more wish: the next way of a column, or a certain one; beside the others or in their place. */
export function sorted(
  before: readonly SortKey[],
  column: number,
  to: "none" | "up" | "down" | "next",
  isMore: boolean,
): SortKey[] {
  const key = before.find((one) => one.column === column);
  const others = isMore ? before.filter((one) => one.column !== column) : [];
  const wanted = to !== "next" ? to : key === undefined ? "up" : key.isDescending ? "none" : "down";
  return wanted === "none" ? others : [...others, { column, isDescending: wanted === "down" }];
}
