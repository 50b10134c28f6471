import type { Column } from "../result/column.ts";
import type { Chart } from "./choose.ts";
import { type Bounded, boundCloud, boundLine, byRisingX } from "./downsample.ts";
import type { DrawnRows } from "./drawn-rows.ts";
import { roleOf } from "./role.ts";
import { type Lines, numberAt, splitLines, textAt } from "./split.ts";

const mostLinePoints = 8_000;
const mostCloudPoints = 20_000;
const mostBars = 200;

/** Names and types of what every dataset begins with, but for the time of its events. */
const bookkeeping = new Map([
  ["offset", "UBIGINT"],
  ["op", "UTINYINT"],
  ["system_time", "TIMESTAMP WITH TIME ZONE"],
]);

export const bookkeepingOf = (columns: readonly Column[]): ReadonlySet<number> =>
  new Set(columns.flatMap(({ name, type }, index) => (bookkeeping.get(name) === type ? [index] : [])));

export interface Series extends Bounded {
  /** Of each of its lines. */
  readonly names: readonly string[];
  /** The texts at the whole numbers of x, where x is no number and no moment. */
  readonly categories: readonly string[] | null;
  readonly isTime: boolean;
  /** A line has points between which others have theirs: it goes on over those. */
  readonly isSplit: boolean;
  /** What was left out to keep the picture readable, as a sentence; null where nothing was. */
  readonly note: string | null;
}

/** What a chart draws of a result: bounded points, and what was done to bound them. */
export function seriesOf(chart: Chart, columns: readonly Column[], rows: DrawnRows): Series {
  const [x, by] = [chart.x, chart.split].map((index) => (index === null ? undefined : columns[index]));
  const role = x === undefined ? "number" : roleOf(x);
  const isOrdinal = x !== undefined && (role === "category" || chart.type === "bar");
  const most = isOrdinal ? (chart.type === "bar" ? mostBars : mostLinePoints) : rows.count;
  const placeOf = (place: number): string | number => {
    if (x === undefined) return place + 1;
    const row = rows.at(place);
    if (isOrdinal) return textAt(x, row);
    // The axis of time counts seconds.
    return role === "moment" ? numberAt(x, row) / 1_000 : numberAt(x, row);
  };
  const values = chart.y.flatMap((index) => columns[index] ?? []);
  const lines =
    by === undefined
      ? plainLines(placeOf, values, rows, Math.min(rows.count, most))
      : splitLines(by, placeOf, values, rows);
  const of = by === undefined ? rows.count : lines.places.length;
  const about = { names: lines.names, isTime: !isOrdinal && role === "moment", isSplit: by !== undefined };
  const { note, ...bounded } = isOrdinal ? ordinal(lines, of, most) : measured(lines, chart.type === "scatter");
  const told = [lines.left, note].filter((one) => one !== null).join(" ");
  return { ...about, ...bounded, note: told === "" ? null : told };
}

function plainLines(
  placeOf: (place: number) => string | number,
  values: readonly Column[],
  rows: DrawnRows,
  most: number,
): Lines {
  const places = Array.from({ length: most }, (_, place) => placeOf(place));
  const ys = values.map((column) => Float64Array.from(places, (_, place) => numberAt(column, rows.at(place))));
  return { places, ys, names: values.map(({ name }) => name), left: null };
}

type Drawn = Bounded & Pick<Series, "categories" | "note">;

function ordinal({ places, ys }: Lines, of: number, most: number): Drawn {
  const kept = Math.min(places.length, most);
  const note =
    kept < of ? `The first ${kept} of ${of.toLocaleString("en")} rows; sort or aggregate to see others.` : null;
  return {
    x: Float64Array.from({ length: kept }, (_, row) => row),
    ys: ys.map((values) => values.subarray(0, kept)),
    of,
    categories: places.slice(0, kept).map(String),
    note,
  };
}

function measured({ places, ys }: Lines, isCloud: boolean): Drawn {
  const points = byRisingX({ x: Float64Array.from(places, Number), ys });
  const bounded = isCloud ? boundCloud(points, mostCloudPoints) : boundLine(points, mostLinePoints);
  const drawn = bounded.x.length.toLocaleString("en");
  const all = bounded.of.toLocaleString("en");
  const how = isCloud ? `every ${Math.ceil(bounded.of / mostCloudPoints)}th of ${all}` : `with every peak, of ${all}`;
  return {
    ...bounded,
    categories: null,
    note: bounded.x.length < bounded.of ? `${drawn} points drawn, ${how}.` : null,
  };
}
