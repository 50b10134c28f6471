import { type Column, isMoment, isNull, isNumeric, numberOf, textOf } from "../result/column.ts";
import type { Chart, Role } from "./choose.ts";
import { type Bounded, boundCloud, boundLine, byRisingX } from "./downsample.ts";

const mostLinePoints = 8_000;
const mostCloudPoints = 20_000;
const mostBars = 200;

export const roleOf = (column: Column): Role =>
  isMoment(column) ? "moment" : isNumeric(column) ? "number" : "category";

/** Names and types of what every dataset begins with, but for the time of its events. */
const bookkeeping = new Map([
  ["offset", "UBIGINT"],
  ["op", "UTINYINT"],
  ["system_time", "TIMESTAMP WITH TIME ZONE"],
]);

export const bookkeepingOf = (columns: readonly Column[]): ReadonlySet<number> =>
  new Set(columns.flatMap(({ name, type }, index) => (bookkeeping.get(name) === type ? [index] : [])));

export interface Series extends Bounded {
  /** The texts at the whole numbers of x, where x is no number and no moment. */
  readonly categories: readonly string[] | null;
  readonly isTime: boolean;
  /** What was left out to keep the picture readable, as a sentence; null where nothing was. */
  readonly note: string | null;
}

/** What a chart draws of a result: bounded points, and what was done to bound them. */
export function seriesOf(chart: Chart, columns: readonly Column[], rows: number): Series {
  const x = chart.x === null ? undefined : columns[chart.x];
  const role = x === undefined ? "number" : roleOf(x);
  const isOrdinal = x !== undefined && (role === "category" || chart.type === "bar");
  const numbers = chart.y.flatMap((index) => columns[index] ?? []).map((column) => numbersOf(column, rows));
  if (isOrdinal) return ordinal(x, numbers, rows, chart.type === "bar" ? mostBars : mostLinePoints);
  const places = x === undefined ? Float64Array.from({ length: rows }, (_, row) => row + 1) : numbersOf(x, rows);
  // The axis of time counts seconds.
  if (role === "moment") for (let row = 0; row < rows; row++) places[row] = (places[row] ?? 0) / 1_000;
  const points = byRisingX({ x: places, ys: numbers });
  const isCloud = chart.type === "scatter";
  const bounded = isCloud ? boundCloud(points, mostCloudPoints) : boundLine(points, mostLinePoints);
  const drawn = bounded.x.length.toLocaleString("en");
  const all = bounded.of.toLocaleString("en");
  const how = isCloud ? `every ${Math.ceil(bounded.of / mostCloudPoints)}th of ${all}` : `with every peak, of ${all}`;
  const note = bounded.x.length < bounded.of ? `${drawn} points drawn, ${how}.` : null;
  return { ...bounded, categories: null, isTime: role === "moment", note };
}

function ordinal(x: Column, numbers: readonly Float64Array[], rows: number, most: number): Series {
  const kept = Math.min(rows, most);
  const categories = Array.from({ length: kept }, (_, row) => (isNull(x, row) ? "null" : textOf(x, row)));
  const note =
    kept < rows ? `The first ${kept} of ${rows.toLocaleString("en")} rows; sort or aggregate to see others.` : null;
  return {
    x: Float64Array.from({ length: kept }, (_, row) => row),
    ys: numbers.map((values) => values.subarray(0, kept)),
    of: rows,
    categories,
    isTime: false,
    note,
  };
}

function numbersOf(column: Column, rows: number): Float64Array {
  const numbers = new Float64Array(rows);
  for (let row = 0; row < rows; row++) numbers[row] = isNull(column, row) ? Number.NaN : numberOf(column, row);
  return numbers;
}
