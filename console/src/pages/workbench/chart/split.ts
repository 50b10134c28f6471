import { type Column, isNull, numberOf, textOf } from "../result/column.ts";
import { mostBars, mostSeries } from "./choose.ts";
import type { DrawnRows } from "./drawn-rows.ts";
import { roleOf } from "./role.ts";

const mostLookedAt = 20_000;
const mostSplitRows = 200_000;

export const textAt = (column: Column, row: number): string => (isNull(column, row) ? "null" : textOf(column, row));
export const numberAt = (column: Column, row: number): number =>
  isNull(column, row) ? Number.NaN : numberOf(column, row);

/**
 * The category that parts rows into series over an x: few values, each of them once at each x, while x alone comes again. Null where
 * no column is so.
 */
export function splitOf(
  columns: readonly Column[],
  rows: number,
  x: number,
  aside: ReadonlySet<number>,
): number | null {
  const across = columns[x];
  if (across === undefined || rows > mostLookedAt) return null;
  const places = Array.from({ length: rows }, (_, row) => textAt(across, row));
  const different = new Set(places).size;
  if (different === rows || (roleOf(across) === "category" && different > mostBars)) return null;
  const found = columns.findIndex(
    (column, index) => index !== x && !aside.has(index) && roleOf(column) === "category" && parts(column, places),
  );
  return found < 0 ? null : found;
}

function parts(column: Column, places: readonly string[]): boolean {
  const values = new Set<string>();
  const pairs = new Set<string>();
  for (const [row, place] of places.entries()) {
    const value = textAt(column, row);
    values.add(value);
    pairs.add(`${place}\0${value}`);
    if (values.size > mostSeries || pairs.size <= row) return false;
  }
  return values.size > 1;
}

/** What stands over the places of an axis: for each line a value, or NaN, at each place. */
export interface Lines {
  readonly places: readonly (string | number)[];
  readonly ys: readonly Float64Array[];
  readonly names: readonly string[];
  /** What was left out, as a sentence; null where nothing was. */
  readonly left: string | null;
}

/**
 * The values of rows in one line for each value of a category (the most frequent ones), for each of some columns. Every row has its
 * point: where a series comes again at the same place, another place of the same name follows.
 */
export function splitLines(
  by: Column,
  placeOf: (place: number) => string | number,
  values: readonly Column[],
  rows: DrawnRows,
): Lines {
  const kept = Math.min(rows.count, mostSplitRows);
  const { series, of } = mostFrequent(by, rows, kept, Math.max(1, Math.floor(mostSeries / Math.max(1, values.length))));
  const places: (string | number)[] = [];
  const slots = new Map<string | number, { readonly own: number[]; readonly used: number[] }>();
  const cells = [...series.keys()].flatMap(() => values.map((): Map<number, number> => new Map()));
  for (let drawn = 0; drawn < kept; drawn++) {
    const row = rows.at(drawn);
    const at = series.get(textAt(by, row));
    const place = placeOf(drawn);
    if (at === undefined || (typeof place === "number" && !Number.isFinite(place))) continue;
    const slot = slots.get(place) ?? { own: [], used: [] };
    slots.set(place, slot);
    const turn = slot.used[at] ?? 0;
    slot.used[at] = turn + 1;
    const free = slot.own[turn] ?? places.push(place) - 1;
    slot.own[turn] = free;
    for (const [index, column] of values.entries()) cells[at * values.length + index]?.set(free, numberAt(column, row));
  }
  const names = [...series.keys()].flatMap((name) =>
    values.map((column) => (values.length === 1 ? name : `${column.name} ${name}`)),
  );
  const ys = cells.map((line) => Float64Array.from(places, (_, slot) => line.get(slot) ?? Number.NaN));
  return { places, ys, names, left: leftOut(series.size, of, kept, rows.count) };
}

/** The most frequent values in the order in which they come, each with its place. */
function mostFrequent(
  by: Column,
  rows: DrawnRows,
  kept: number,
  most: number,
): { series: ReadonlyMap<string, number>; of: number } {
  const times = new Map<string, number>();
  for (let place = 0; place < kept; place++) {
    const text = textAt(by, rows.at(place));
    times.set(text, (times.get(text) ?? 0) + 1);
  }
  const chosen = new Set(
    [...times]
      .sort(([, a], [, b]) => b - a)
      .slice(0, most)
      .map(([text]) => text),
  );
  const inOrder = [...times.keys()].filter((text) => chosen.has(text));
  return { series: new Map(inOrder.map((text, at) => [text, at])), of: times.size };
}

function leftOut(series: number, of: number, kept: number, rows: number): string | null {
  const told = [
    series < of ? `the ${series} most frequent of ${of.toLocaleString("en")} series` : null,
    kept < rows ? `the first ${kept.toLocaleString("en")} of ${rows.toLocaleString("en")} rows` : null,
  ].filter((one) => one !== null);
  return told.length === 0 ? null : `Drawn: ${told.join(", ")}.`;
}
