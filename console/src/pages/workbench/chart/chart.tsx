import { type ReactNode, useEffect, useMemo, useRef } from "react";
import { Button, Segments, Select } from "../../../design/controls.tsx";
import { Data, EmptyState, Name } from "../../../design/display.tsx";
import { onTheme } from "../../../shell/theme.ts";
import { isNull, textOf } from "../result/column.ts";
import type { Result } from "../result/fetch.ts";
import css from "./chart.module.css";
import { type Chart, type ChartType, chartTypes, fitted, mostSeries, type Role } from "./choose.ts";
import { type DrawnRows, drawnRows } from "./drawn-rows.ts";
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

/**
 * A result as a picture, of the rows that the grid shows and in its order. The type is chosen from all of the data until somebody
 * chooses another: it does not jump while rows are filtered.
 */
export default function ChartView({
  result,
  shown,
  chosen,
  onChange,
}: {
  readonly result: Result;
  /** The rows that the grid shows; null: all of them as they came. */
  readonly shown: Uint32Array | null;
  readonly chosen: Chart | null;
  readonly onChange: (chart: Chart) => void;
}): ReactNode {
  const { columns, rows } = result;
  const drawn = useMemo(() => drawnRows(rows, shown), [rows, shown]);
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
      <Picture result={result} rows={drawn} chart={chart} />
    </div>
  );
}

interface PictureProps {
  readonly result: Result;
  readonly rows: DrawnRows;
  readonly chart: Chart;
}

function Picture({ result, rows, chart }: PictureProps): ReactNode {
  if (result.rows === 0) return <EmptyState title="The result has no rows" />;
  if (rows.count === 0) {
    return (
      <EmptyState title="No row passes the grid's filters">
        <p>A chart draws what the grid shows. Change the filters there.</p>
      </EmptyState>
    );
  }
  if (chart.type === "table") return <FirstRows result={result} rows={rows} />;
  if (chart.y.length === 0) {
    return (
      <EmptyState title="No values to draw">
        <p>A chart needs a column of numbers. Count or sum something, or choose Table.</p>
      </EmptyState>
    );
  }
  const Drawing = chart.type === "number" ? Figures : Drawn;
  return <Drawing result={result} rows={rows} chart={chart} />;
}

function Drawn({ result, rows, chart }: PictureProps): ReactNode {
  const ref = useRef<HTMLDivElement>(null);
  const series = useMemo(() => seriesOf(chart, result.columns, rows), [chart, result, rows]);
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
function Figures({ result, rows, chart }: PictureProps): ReactNode {
  const first = rows.at(0);
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
              <dd>{isNull(column, first) ? "null" : grouped(textOf(column, first))}</dd>
            </div>
          );
        })}
      </dl>
      {rows.count > 1 && <p className={css.note}>The first of {rows.count.toLocaleString("en")} rows.</p>}
    </div>
  );
}

/** Every digit, with commas between thousands. */
const grouped = (text: string): string => text.replace(/^-?\d+/, (whole) => whole.replace(/\B(?=(\d{3})+$)/g, ","));

const shownRows = 50;

function FirstRows({ result, rows }: Pick<PictureProps, "result" | "rows">): ReactNode {
  const first = Array.from({ length: Math.min(shownRows, rows.count) }, (_, place) => rows.at(place));
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
          {first.map((row) => (
            <tr key={row}>
              {result.columns.map((column, at) => (
                <td key={at}>{isNull(column, row) ? <i>null</i> : <Data>{textOf(column, row).slice(0, 300)}</Data>}</td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
      {first.length < rows.count && (
        <p className={css.note}>
          The first {first.length} of {rows.count.toLocaleString("en")} rows.
        </p>
      )}
    </section>
  );
}
