import { type ReactNode, useEffect, useMemo, useRef } from "react";
import { Button, Segments, Select } from "../../../design/controls.tsx";
import { Data, EmptyState, Name } from "../../../design/display.tsx";
import { onTheme } from "../../../shell/theme.ts";
import { isNull, textOf } from "../result/column.ts";
import type { Result } from "../result/fetch.ts";
import css from "./chart.module.css";
import { type Chart, type ChartType, chartTypes, fitted, mostSeries, type Role } from "./choose.ts";
import { plot } from "./plot.ts";
import { roleOf } from "./role.ts";
import { bookkeepingOf, seriesOf } from "./series.ts";
import { splitOf } from "./split.ts";

const labels: Readonly<Record<ChartType, string>> = {
  line: "Line",
  area: "Area",
  bar: "Bar",
  scatter: "Scatter",
  number: "Number",
  table: "Table",
};

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
  const chart = useMemo(() => {
    const aside = bookkeepingOf(columns);
    return fitted(chosen, roles, rows, aside, (x) => splitOf(columns, rows, x, aside));
  }, [chosen, roles, rows, columns]);
  const those = (role: Role) => roles.flatMap((one, index) => (one === role ? [index] : []));
  const [numbers, categories] = [those("number"), those("category").filter((index) => index !== chart.x)];
  const isDrawn = chart.type !== "table" && chart.type !== "number";
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
        {isDrawn && (
          <div className={css.across}>
            Across
            <Select
              aria-label="Across"
              className={css.select}
              value={chart.x ?? ""}
              onChange={({ target }) => {
                const x = target.value === "" ? null : Number(target.value);
                onChange({ ...chart, x, split: chart.split === x ? null : chart.split });
              }}
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
        {isDrawn && categories.length > 0 && (
          <div className={css.across}>
            Series by
            <Select
              aria-label="Series by"
              className={css.select}
              value={chart.split ?? ""}
              onChange={({ target }) =>
                onChange({ ...chart, split: target.value === "" ? null : Number(target.value) })
              }
            >
              <option value="">nothing</option>
              {categories.map((index) => (
                <option key={index} value={index}>
                  {columns[index]?.name}
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
      ys: series.names,
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
