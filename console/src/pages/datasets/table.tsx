import { Link } from "@tanstack/react-router";
import { useWindowVirtualizer } from "@tanstack/react-virtual";
import { type KeyboardEvent, memo, type ReactNode, useLayoutEffect, useRef, useState } from "react";
import { Name } from "../../design/display.tsx";
import { bytes, compact, count, perSecond } from "../../design/format.ts";
import { join } from "../../design/join.ts";
import { Sparkline } from "../../design/small-charts.tsx";
import { Ago } from "../../design/time.tsx";
import css from "./datasets.module.css";
import type { Listed, Sort, SortKey } from "./listed.ts";

const rowHeight = 48;
const columns: readonly { readonly label: string; readonly by: SortKey | null; readonly number?: boolean }[] = [
  { label: "Dataset", by: "name" },
  { label: "Now", by: "rate", number: true },
  { label: "Last hour", by: null },
  { label: "Rows", by: "rows", number: true },
  { label: "Size", by: "bytes", number: true },
  { label: "Last commit", by: "fresh", number: true },
];

/** A table of any length, of which only what is in view is drawn. Up and down go from row to row. */
export function DatasetTable({
  rows,
  sort,
  onSort,
}: {
  readonly rows: readonly Listed[];
  readonly sort: Sort | null;
  readonly onSort: (sort: Sort) => void;
}): ReactNode {
  const body = useRef<HTMLDivElement>(null);
  const [topPx, setTop] = useState(0);
  useLayoutEffect(() => setTop(body.current?.offsetTop ?? 0), []);
  const virtual = useWindowVirtualizer({
    count: rows.length,
    estimateSize: () => rowHeight,
    overscan: 6,
    useFlushSync: false,
    scrollMargin: topPx,
    getItemKey: (at) => rows[at]?.key ?? at,
  });
  const pressed = (event: KeyboardEvent) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    const row = event.target instanceof HTMLElement ? event.target.closest("[data-row]") : null;
    if (step === undefined || !(row instanceof HTMLElement)) return;
    event.preventDefault();
    const next = body.current?.querySelector(`[data-row="${Number(row.dataset.row) + step}"] a`);
    if (next instanceof HTMLElement) next.focus();
  };
  return (
    // biome-ignore lint/a11y/useSemanticElements: rows of a table element cannot be placed by themselves
    <div className={css.table} role="table" aria-label="Datasets" aria-rowcount={rows.length + 1}>
      <Head sort={sort} onSort={onSort} />
      {/* biome-ignore lint/a11y/noStaticElementInteractions: the keys move between the links in it */}
      <div ref={body} className={css.body} style={{ height: virtual.getTotalSize() }} onKeyDown={pressed}>
        {virtual.getVirtualItems().map(({ key, index, start }) => {
          const row = rows[index];
          return row && <Row key={key} row={row} index={index} topPx={start - topPx} />;
        })}
      </div>
    </div>
  );
}

function Head({ sort, onSort }: { readonly sort: Sort | null; readonly onSort: (sort: Sort) => void }): ReactNode {
  return (
    // biome-ignore lint/a11y/useSemanticElements: as the table
    // biome-ignore lint/a11y/useFocusableInteractive: a row of headers is not operated itself
    <div className={join(css.row, css.head)} role="row" aria-rowindex={1}>
      {columns.map(({ label, by, number }) => {
        const isSorted = by !== null && sort?.by === by;
        return (
          // biome-ignore lint/a11y/useSemanticElements: as the table
          // biome-ignore lint/a11y/useFocusableInteractive: the button in it is
          <div
            key={label}
            role="columnheader"
            className={join(number && css.number)}
            aria-sort={isSorted ? (sort.isDown ? "descending" : "ascending") : undefined}
          >
            {by === null ? (
              label
            ) : (
              <button
                type="button"
                className={css.sort}
                // Numbers are looked at from the largest, names from the first.
                onClick={() => onSort({ by, isDown: isSorted ? !sort.isDown : by !== "name" })}
              >
                {label}
                {isSorted && <span aria-hidden="true">{sort.isDown ? "↓" : "↑"}</span>}
              </button>
            )}
          </div>
        );
      })}
    </div>
  );
}

const Row = memo(function Row({
  row,
  index,
  topPx,
}: {
  readonly row: Listed;
  readonly index: number;
  readonly topPx: number;
}): ReactNode {
  const { project, dataset, rows, bytes: size, lastCommitAt } = row.dataset;
  const hour = row.lastHour.reduce((sum, value) => sum + value, 0);
  return (
    // biome-ignore lint/a11y/useSemanticElements: as the table
    // biome-ignore lint/a11y/useFocusableInteractive: the link in it is
    <div
      role="row"
      aria-rowindex={index + 2}
      data-row={index}
      className={css.row}
      style={{ transform: `translateY(${topPx}px)`, height: rowHeight }}
    >
      <Cell className={css.name}>
        <Link to="/datasets/$project/$dataset" params={{ project, dataset }} preload={false} className={css.link}>
          <Name>{project}</Name>
          <span className={css.dot}>.</span>
          <Name>{dataset}</Name>
        </Link>
        {row.labels.slice(0, 3).map((label) => (
          <span key={label} className={css.label} title={label}>
            <Name>{label}</Name>
          </span>
        ))}
      </Cell>
      <Cell className={css.number}>
        {row.rate > 0 ? (
          <span className={css.flowing}>{perSecond(row.rate)} rows/s</span>
        ) : (
          <span className={css.still}>–</span>
        )}
      </Cell>
      <Cell>
        {hour > 0 ? (
          <Sparkline values={row.lastHour} width={112} label={`${count(hour)} rows in the last hour`} />
        ) : (
          // The platform's own datasets announce no commits: theirs would never end.
          <span className={css.still}>{project === "system" ? "–" : "quiet"}</span>
        )}
      </Cell>
      <Cell className={css.number}>
        <span title={count(rows)}>{compact(rows)}</span>
      </Cell>
      <Cell className={css.number}>{bytes(size)}</Cell>
      <Cell className={css.number}>
        <Ago at={lastCommitAt} />
      </Cell>
    </div>
  );
});

function Cell({
  className,
  children,
}: {
  readonly className?: string | undefined;
  readonly children: ReactNode;
}): ReactNode {
  return (
    // biome-ignore lint/a11y/useSemanticElements: as the table
    <div role="cell" className={className}>
      {children}
    </div>
  );
}
