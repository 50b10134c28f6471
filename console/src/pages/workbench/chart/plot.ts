import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { shown } from "../../../design/shown.ts";
import type { ChartType } from "./choose.ts";
import type { Series } from "./series.ts";

const colors = 8;

/** What the tokens say now: a canvas knows no variables. */
function tokens() {
  const style = getComputedStyle(document.documentElement);
  const value = (name: string) => style.getPropertyValue(name).trim();
  return {
    ink: value("--ink-2"),
    line: value("--line"),
    font: `12px ${value("--font-text")}`,
    series: Array.from({ length: colors }, (_, at) => value(`--chart-${at + 1}`)),
  };
}

const short = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 2 });
const exact = new Intl.NumberFormat("en", { maximumFractionDigits: 6 });
function axisNumber(value: number): string {
  const size = Math.abs(value);
  if (size >= 1e15 || (size > 0 && size < 1e-6)) return value.toExponential(1).replace("e+", "e");
  return size >= 10_000 ? short.format(value) : exact.format(value);
}

const moment = (seconds: number): string => {
  const text = new Date(seconds * 1_000).toISOString();
  return text
    .replace("T", " ")
    .replace(/(:00)?(\.000)?Z$/, "")
    .replace(/ 00:00$/, "");
};

export interface PlotNames {
  readonly x: string;
  readonly ys: readonly string[];
}

/** Draws a chart into an element; whoever asked destroys it. */
export function plot(element: HTMLElement, type: ChartType, series: Series, names: PlotNames): uPlot {
  const { ink, line, font, series: palette } = tokens();
  const { categories, isTime } = series;
  const told = (value: number): string =>
    categories !== null ? shown(categories[Math.round(value)] ?? "") : isTime ? moment(value) : exact.format(value);
  const color = (at: number): string => palette[at % palette.length] ?? ink;
  const axis: uPlot.Axis = { stroke: ink, font, grid: { stroke: line, width: 1 }, ticks: { stroke: line, width: 1 } };
  const isBar = type === "bar";
  const options: uPlot.Options = {
    width: Math.max(200, element.clientWidth),
    height: Math.max(160, element.clientHeight - 48),
    tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1_000), "UTC"),
    cursor: { drag: { x: !isBar, y: false }, points: { size: 7 } },
    legend: { live: true },
    scales: {
      x: {
        time: isTime,
        ...(categories === null
          ? {}
          : { range: (_: uPlot, min: number, max: number): uPlot.Range.MinMax => [min - 0.6, max + 0.6] }),
      },
      ...(isBar || type === "area" ? { y: { range: zeroIn } } : {}),
    },
    axes: [
      {
        ...axis,
        ...(categories === null
          ? isTime
            ? {}
            : { values: (_: uPlot, splits: number[]) => splits.map(axisNumber) }
          : {
              grid: { show: false },
              ...(isCrowded(element, categories) ? { rotate: 40, size: 74 } : {}),
              splits: (self: uPlot) => ordinalSplits(self, categories),
              values: (_: uPlot, splits: number[]) => splits.map((at) => cut(shown(categories[at] ?? ""))),
            }),
      },
      { ...axis, size: 64, values: (_: uPlot, splits: number[]) => splits.map(axisNumber) },
    ],
    series: [
      { label: shown(names.x), value: (_: uPlot, value: number | null) => (value === null ? "–" : told(value)) },
      ...names.ys.map((label, at) => ({
        ...drawnAs(type, at, names.ys.length, shown(label), color(at)),
        spanGaps: series.isSplit,
      })),
    ],
  };
  return new uPlot(options, [series.x, ...series.ys.map(gaps)] as uPlot.AlignedData, element);
}

function drawnAs(type: ChartType, at: number, of: number, label: string, color: string): uPlot.Series {
  const value = (_: uPlot, shown: number | null) => (shown === null || Number.isNaN(shown) ? "–" : exact.format(shown));
  const shared: uPlot.Series = { label, value, stroke: color, width: 1.75 };
  switch (type) {
    case "scatter":
      return {
        ...shared,
        width: 0,
        paths: () => null,
        points: { show: true, size: 5, fill: `${color}99`, stroke: color, width: 0.5 },
      };
    case "bar":
      return { ...shared, width: 0, fill: color, points: { show: false }, paths: bars(at, of) };
    case "area":
      return { ...shared, fill: `${color}33`, points: { show: false } };
    default:
      return shared;
  }
}

/** Bars of several series stand beside each other: each has its part of the place of a category. */
function bars(at: number, of: number): uPlot.Series.PathBuilder {
  return (self, series, from, to) => {
    const [x, y] = [self.data[0], self.data[series]];
    if (y === undefined) return null;
    const place = Math.abs(self.valToPos(1, "x", true) - self.valToPos(0, "x", true)) * 0.76;
    const width = Math.max(1, place / of);
    const zero = self.valToPos(0, "y", true);
    const path = new Path2D();
    for (let index = from; index <= to; index++) {
      const value = y[index];
      if (value === null || value === undefined) continue;
      const left = self.valToPos(x[index] ?? 0, "x", true) - place / 2 + at * width;
      const top = self.valToPos(value, "y", true);
      path.rect(left, Math.min(top, zero), Math.max(1, width - 1), Math.abs(top - zero));
    }
    return { fill: path, stroke: null };
  };
}

/** Bars and areas begin at nothing. */
function zeroIn(_: uPlot, least: number | null, greatest: number | null): uPlot.Range.MinMax {
  const [from, to] = [Math.min(0, least ?? 0), Math.max(0, greatest ?? 0)];
  const room = (to - from) * 0.06 || 1;
  return [from === 0 ? 0 : from - room, to === 0 ? 0 : to + room];
}

const ordinalWidth = 96;
/** Of a name that is turned. */
const turnedWidth = 28;

const isCrowded = ({ clientWidth }: HTMLElement, categories: readonly string[]): boolean =>
  categories.length * ordinalWidth > clientWidth;

/** As many categories as find room for their names. */
function ordinalSplits(self: uPlot, categories: readonly string[]): number[] {
  const isTurned = categories.length * ordinalWidth > self.width;
  const room = Math.max(1, Math.floor(self.width / (isTurned ? turnedWidth : ordinalWidth)));
  const step = Math.max(1, Math.ceil(categories.length / room));
  return categories.flatMap((_, at) => (at % step === 0 ? [at] : []));
}

const cut = (text: string): string => (text.length > 11 ? `${text.slice(0, 10)}…` : text);

/** What is no number is a gap, not a zero. */
const gaps = (values: Float64Array): (number | null)[] =>
  Array.from(values, (value) => (Number.isFinite(value) ? value : null));
