// biome-ignore-all lint/a11y/useSemanticElements: a grid of which only a window is there cannot be made of the elements of tables
import { memo, type ReactNode } from "react";
import { join } from "../../../design/join.ts";
import { shown as visible } from "../../../design/shown.ts";
import { type Column, isNull, isNumeric, textOf } from "../result/column.ts";
import css from "./grid.module.css";
import type { PlacedColumn } from "./layout.ts";

export const rowHeight = 28;
/** Rows are placed from the beginning of a run of this many, so that scrolling moves their layer and not each of them. */
export const runLength = 256;

/** What a cell has room for. */
const longestShown = 240;
const whereLong = new TextDecoder();

/** The value as far as a cell shows it; null for null. */
function shownText(column: Column, row: number): string | null {
  if (isNull(column, row)) return null;
  const { values } = column;
  if (values.kind !== "text") return textOf(column, row);
  const from = values.offsets[row] ?? 0;
  const to = values.offsets[row + 1] ?? 0;
  if (to - from <= longestShown) return textOf(column, row);
  return `${whereLong.decode(values.bytes.subarray(from, from + longestShown)).replace(/\ufffd$/, "")}…`;
}

/** One row. Its cells are blocks, so a text's direction ends where its cell does. */
export const GridRow = memo(function GridRow({
  grid,
  row,
  top,
  source,
  columns,
  shown,
  selectedFrom,
  selectedTo,
  activeAt,
}: {
  /** Id of the grid. */
  readonly grid: string;
  /** Among the rows in their shown order. */
  readonly row: number;
  /** Within its layer. */
  readonly top: number;
  /** Among the rows of the result. */
  readonly source: number;
  readonly columns: readonly Column[];
  readonly shown: readonly (PlacedColumn & { readonly at: number })[];
  /** Places of the selected cells; behind each other where there are none. */
  readonly selectedFrom: number;
  readonly selectedTo: number;
  readonly activeAt: number;
}): ReactNode {
  return (
    <div role="row" tabIndex={-1} aria-rowindex={row + 2} className={css.row} style={{ top }}>
      {shown.map(({ index, at, left, width, isPinned }) => {
        const column = columns[index];
        if (column === undefined) return null;
        const text = shownText(column, source);
        return (
          <div
            key={index}
            id={`${grid}-${row}-${at}`}
            role="gridcell"
            tabIndex={-1}
            aria-colindex={at + 1}
            aria-selected={at >= selectedFrom && at <= selectedTo}
            className={join(
              css.cell,
              isNumeric(column) && css.number,
              isPinned && css.pinned,
              at === activeAt && css.active,
            )}
            style={{ left, width }}
          >
            {text === null ? <i className={css.null}>null</i> : visible(text)}
          </div>
        );
      })}
    </div>
  );
});
