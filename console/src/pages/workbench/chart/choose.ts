/** What a column can be in a chart. */
export type Role = "moment" | "number" | "category";

export const chartTypes = ["line", "area", "bar", "scatter", "number", "table"] as const;
export type ChartType = (typeof chartTypes)[number];

export interface Chart {
  readonly type: ChartType;
  /** Column of the horizontal axis; null where the rows' order is it. */
  readonly x: number | null;
  readonly y: readonly number[];
}

/** More categories than this make no readable bars. */
const mostBars = 40;
const mostSeries = 8;

const none: ReadonlySet<number> = new Set();

/**
 * The chart that shows a result best, by what its columns are and how many rows there are. Columns that are `aside` (a dataset's own
 * bookkeeping) are taken where there are no others.
 */
export function chooseChart(roles: readonly Role[], rows: number, aside = none): Chart {
  const of = (role: Role): number[] => {
    const all = roles.flatMap((one, index) => (one === role ? [index] : []));
    const told = all.filter((index) => !aside.has(index));
    return told.length > 0 ? told : all;
  };
  const numbers = of("number");
  const [moment] = of("moment");
  const [category] = of("category");
  const y = numbers.slice(0, mostSeries);
  if (rows === 0 || numbers.length === 0) return { type: "table", x: null, y: [] };
  if (rows === 1) return { type: "number", x: null, y };
  if (moment !== undefined) return { type: "line", x: moment, y };
  if (category !== undefined)
    return rows <= mostBars ? { type: "bar", x: category, y } : { type: "table", x: category, y };
  if (numbers.length > 1) return { type: "scatter", x: numbers[0] ?? null, y: numbers.slice(1, mostSeries + 1) };
  return { type: "line", x: null, y };
}

/** The same chart for another result: as it was where its columns still serve, else chosen anew. */
export function fitted(chart: Chart | null, roles: readonly Role[], rows: number, aside = none): Chart {
  if (chart === null) return chooseChart(roles, rows, aside);
  const isThere = (column: number) => column < roles.length;
  const serves = (chart.x === null || isThere(chart.x)) && chart.y.every((column) => roles[column] === "number");
  const isDrawn = chart.type === "table" || chart.y.length > 0;
  return serves && isDrawn ? chart : { ...chooseChart(roles, rows, aside), type: chart.type };
}
