/** What a column can be in a chart. */
export type Role = "moment" | "number" | "category";

export const chartTypes = ["line", "area", "bar", "scatter", "number", "table"] as const;
export type ChartType = (typeof chartTypes)[number];

export interface Chart {
  readonly type: ChartType;
  /** Column of the horizontal axis; null where the rows' order is it. */
  readonly x: number | null;
  readonly y: readonly number[];
  /** Column whose values part the rows into series; null where the rows of a value are one. */
  readonly split: number | null;
}

/** More categories than this make no readable bars. */
export const mostBars = 40;
export const mostSeries = 8;

const none: ReadonlySet<number> = new Set();
const neverSplit = (_x: number): number | null => null;

/**
 * The chart that shows a result best, by what its columns are and how many rows there are. Columns that are `aside` (a dataset's own
 * bookkeeping) are taken where there are no others. `splitFor` tells which category parts the rows over an x into series.
 */
export function chooseChart(roles: readonly Role[], rows: number, aside = none, splitFor = neverSplit): Chart {
  const of = (role: Role): number[] => {
    const all = roles.flatMap((one, index) => (one === role ? [index] : []));
    const told = all.filter((index) => !aside.has(index));
    return told.length > 0 ? told : all;
  };
  const numbers = of("number");
  const [moment] = of("moment");
  const [category] = of("category");
  const y = numbers.slice(0, mostSeries);
  const over = (type: ChartType, x: number | null, drawn = y): Chart => ({ type, x, y: drawn, split: null });
  const parted = (chart: Chart, split: number | null): Chart =>
    split === null ? chart : { ...chart, y: chart.y.slice(0, 1), split };
  if (rows === 0 || numbers.length === 0) return over("table", null, []);
  if (rows === 1) return over("number", null);
  if (moment !== undefined) return parted(over("line", moment), splitFor(moment));
  if (category !== undefined) {
    const split = splitFor(category);
    return parted(over(rows <= mostBars || split !== null ? "bar" : "table", category), split);
  }
  if (numbers.length > 1) return over("scatter", numbers[0] ?? null, numbers.slice(1, mostSeries + 1));
  return over("line", null);
}

/** The same chart for another result: as it was where its columns still serve, else chosen anew. */
export function fitted(
  chart: Chart | null,
  roles: readonly Role[],
  rows: number,
  aside = none,
  splitFor = neverSplit,
): Chart {
  if (chart === null) return chooseChart(roles, rows, aside, splitFor);
  const isThere = (column: number) => column < roles.length;
  const serves = (chart.x === null || isThere(chart.x)) && chart.y.every((column) => roles[column] === "number");
  const isDrawn = chart.type === "table" || chart.y.length > 0;
  const parts = chart.split === null || (roles[chart.split] === "category" && chart.split !== chart.x);
  return serves && isDrawn && parts ? chart : { ...chooseChart(roles, rows, aside, splitFor), type: chart.type };
}
