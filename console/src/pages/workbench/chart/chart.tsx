import { type ReactNode, useEffect, useMemo, useRef } from "react";
import { Button, Segments, Select } from "../../../design/controls.tsx";
import { Data, EmptyState, Name } from "../../../design/display.tsx";
import { onTheme } from "../../../shell/theme.ts";
import { isNull, textOf } from "../result/column.ts";
import type { Result } from "../result/fetch.ts";
import css from "./chart.module.css";
import { type Chart, type ChartType, chartTypes, fitted } from "./choose.ts";
import { plot } from "./plot.ts";
import { bookkeepingOf, roleOf, seriesOf } from "./series.ts";

const labels: Readonly<Record<ChartType, string>> = {
  line: "Line",
  area: "Area",
  bar: "Bar",
  scatter: "Scatter",
  number: "Number",
  table: "Table",
};
const mostSeries = 8;

/** A result as a picture. The type is chosen from the data until somebody chooses another. */
export default function ChartView({
  result,
  chosen,
  onChange,
}: {
  readonly result: Result;
  readonly chosen: Chart | null;
  readonly onChange: (chart: Chart) => void;
}): ReactNode {
  const { columns, rows } = result;
  const roles = useMemo(() => columns.map(roleOf), [columns]);
  const chart = useMemo(() => fitted(chosen, roles, rows, bookkeepingOf(columns)), [chosen, roles, rows, columns]);
  const numbers = roles.flatMap((role, index) => (role === "number" ? [index] : []));
  const toggle = (index: number) => {
    const y = chart.y.includes(index) ? chart.y.filter((one) => one !== index) : [...chart.y, index].slice(-mostSeries);
    onChange({ ...chart, y });
  };
  return (
    <div className={css.chart}>
      <div className={css.controls}>
        <Segments
          label="Kind of chart"
          value={chart.type}
          options={chartTypes.map((value) => ({ value, label: labels[value] }))}
          onChange={(type) => onChange({ ...chart, type })}
        />
        {chart.type !== "table" && chart.type !== "number" && (
          <div className={css.across}>
            Across
            <Select
              aria-label="Across"
              className={css.select}
              value={chart.x ?? ""}
              onChange={({ target }) => onChange({ ...chart, x: target.value === "" ? null : Number(target.value) })}
            >
              <option value="">the rows' order</option>
              {columns.map((column, index) => (
                <option key={index} value={index}>
                  {column.name}
                </option>
              ))}
            </Select>
          </div>
        )}
        {chart.type !== "table" && (
          // biome-ignore lint/a11y/useSemanticElements: buttons in a row, not a form's fields
          <div className={css.values} role="group" aria-label="Values">
            {numbers.map((index) => (
              <Button key={index} small aria-pressed={chart.y.includes(index)} onClick={() => toggle(index)}>
                <Name>{columns[index]?.name}</Name>
              </Button>
            ))}
          </div>
        )}
      </div>
      <Picture result={result} chart={chart} />
    </div>
  );
}

function Picture({ result, chart }: { readonly result: Result; readonly chart: Chart }): ReactNode {
  if (chart.type === "table") return <FirstRows result={result} />;
  if (result.rows === 0) return <EmptyState title="The result has no rows" />;
  if (chart.y.length === 0) {
    return (
      <EmptyState title="No values to draw">
        <p>A chart needs a column of numbers. Count or sum something, or choose Table.</p>
      </EmptyState>
    );
  }
  return chart.type === "number" ? <Figures result={result} chart={chart} /> : <Drawn result={result} chart={chart} />;
}

function Drawn({ result, chart }: { readonly result: Result; readonly chart: Chart }): ReactNode {
  const ref = useRef<HTMLDivElement>(null);
  const series = useMemo(() => seriesOf(chart, result.columns, result.rows), [chart, result]);
  useEffect(() => {
    const element = ref.current;
    if (element === null) return;
    const names = {
      x: chart.x === null ? "row" : (result.columns[chart.x]?.name ?? ""),
      ys: chart.y.map((index) => result.columns[index]?.name ?? ""),
    };
    let drawn = plot(element, chart.type, series, names);
    const again = () => {
      drawn.destroy();
      drawn = plot(element, chart.type, series, names);
    };
    const stopTheme = onTheme(again);
    let isFirst = true;
    const observer = new ResizeObserver(() => {
      if (!isFirst) again();
      isFirst = false;
    });
    observer.observe(element);
    return () => {
      stopTheme();
      observer.disconnect();
      drawn.destroy();
    };
  }, [chart, series, result]);
  const about = `${labels[chart.type]} chart of ${series.of.toLocaleString("en")} rows; the grid shows their values`;
  return (
    <>
      <div ref={ref} className={css.plot} role="img" aria-label={about} />
      {series.note !== null && <p className={css.note}>{series.note}</p>}
    </>
  );
}

/** The values of the first row, large. */
function Figures({ result, chart }: { readonly result: Result; readonly chart: Chart }): ReactNode {
  return (
    <div className={css.figures}>
      <dl>
        {chart.y.map((index) => {
          const column = result.columns[index];
          if (column === undefined) return null;
          return (
            <div key={index}>
              <dt>
                <Name>{column.name}</Name>
              </dt>
              <dd>{isNull(column, 0) ? "null" : grouped(textOf(column, 0))}</dd>
            </div>
          );
        })}
      </dl>
      {result.rows > 1 && <p className={css.note}>The first of {result.rows.toLocaleString("en")} rows.</p>}
    </div>
  );
}

/** Every digit, with commas between thousands. */
const grouped = (text: string): string => text.replace(/^-?\d+/, (whole) => whole.replace(/\B(?=(\d{3})+$)/g, ","));

const shownRows = 50;

function FirstRows({ result }: { readonly result: Result }): ReactNode {
  const rows = Math.min(shownRows, result.rows);
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by keyboard
    <section className={css.table} tabIndex={0} aria-label="First rows">
      <table>
        <thead>
          <tr>
            {result.columns.map(({ name }, at) => (
              <th key={at} scope="col">
                <Name>{name}</Name>
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {Array.from({ length: rows }, (_, row) => (
            <tr key={row}>
              {result.columns.map((column, at) => (
                <td key={at}>{isNull(column, row) ? <i>null</i> : <Data>{textOf(column, row).slice(0, 300)}</Data>}</td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
      {rows < result.rows && (
        <p className={css.note}>
          The first {rows} of {result.rows.toLocaleString("en")} rows.
        </p>
      )}
    </section>
  );
}
