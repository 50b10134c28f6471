// biome-ignore-all lint/a11y/useSemanticElements: a grid of which only a window is there cannot be made of the elements of tables
import { memo, type PointerEvent, type ReactNode, useRef } from "react";
import { Name } from "../../../design/display.tsx";
import { Icon } from "../../../design/icon.tsx";
import { join } from "../../../design/join.ts";
import { Menu } from "../../../design/overlays.tsx";
import { type Column, isNumeric } from "../result/column.ts";
import type { SortKey } from "../result/order.ts";
import css from "./grid.module.css";
import { narrowest, type PlacedColumn, widest } from "./layout.ts";

export interface HeadActions {
  readonly sort: (column: number, keys: "none" | "up" | "down" | "next", isMore: boolean) => void;
  readonly pin: (column: number) => void;
  readonly resize: (column: number, width: number) => void;
  readonly copyColumn: (column: number) => void;
  readonly filter: (column: number, text: string) => void;
}

type Shown = PlacedColumn & { readonly at: number };

/** The names, types and orders of the columns; a second line for what to filter by. */
export const GridHead = memo(function GridHead({
  columns,
  shown,
  keys,
  filters,
  isFiltering,
  actions,
}: {
  readonly columns: readonly Column[];
  readonly shown: readonly Shown[];
  readonly keys: readonly SortKey[];
  readonly filters: ReadonlyMap<number, string>;
  readonly isFiltering: boolean;
  readonly actions: HeadActions;
}): ReactNode {
  return (
    <>
      <div role="row" tabIndex={-1} aria-rowindex={1} className={css.headRow}>
        {shown.map((place) => {
          const column = columns[place.index];
          if (column === undefined) return null;
          const key = keys.find(({ column: index }) => index === place.index);
          return <HeadCell key={place.index} column={column} place={place} sorted={key} actions={actions} />;
        })}
      </div>
      {isFiltering && (
        <div role="row" tabIndex={-1} className={css.filterRow}>
          {shown.map(({ index, at, left, width, isPinned }) => (
            <div
              key={index}
              role="gridcell"
              tabIndex={-1}
              aria-colindex={at + 1}
              className={join(css.filterCell, isPinned && css.pinned)}
              style={{ left, width }}
            >
              <input
                className={css.filter}
                aria-label={`Filter ${columns[index]?.name}`}
                placeholder={columns[index] !== undefined && isNumeric(columns[index]) ? "> 10" : "contains"}
                title="text, !text, =x, !=x, <x, >x, null, !null"
                spellCheck={false}
                value={filters.get(index) ?? ""}
                onChange={({ target }) => actions.filter(index, target.value)}
              />
            </div>
          ))}
        </div>
      )}
    </>
  );
});

function HeadCell({
  column,
  place: { index, at, left, width, isPinned },
  sorted,
  actions,
}: {
  readonly column: Column;
  readonly place: Shown;
  readonly sorted: SortKey | undefined;
  readonly actions: HeadActions;
}): ReactNode {
  const order = sorted === undefined ? "none" : sorted.isDescending ? "descending" : "ascending";
  return (
    <div
      role="columnheader"
      tabIndex={-1}
      aria-colindex={at + 1}
      aria-sort={order}
      className={join(css.head, isPinned && css.pinned)}
      style={{ left, width }}
    >
      <button
        type="button"
        className={join(css.name, isNumeric(column) && css.number)}
        title={`${column.name} ${column.type}: sort (Shift: as well)`}
        onClick={(event) => actions.sort(index, "next", event.shiftKey)}
      >
        <span>
          <Name>{column.name}</Name>
          {order !== "none" && (
            <span className={join(css.arrow, order === "ascending" && css.up)}>
              <Icon name="down" size={12} />
            </span>
          )}
        </span>
        <small className={css.type}>
          <Name>{column.type}</Name>
        </small>
      </button>
      <Menu
        label={`Column ${column.name}`}
        items={[
          { label: "Sort up", onChoose: () => actions.sort(index, "up", false) },
          { label: "Sort down", onChoose: () => actions.sort(index, "down", false) },
          { label: "Do not sort", onChoose: () => actions.sort(index, "none", false) },
          { label: isPinned ? "Unpin" : "Pin left", icon: "pin", onChoose: () => actions.pin(index) },
          { label: "Copy column", icon: "copy", onChoose: () => actions.copyColumn(index) },
          { label: "Wider", onChoose: () => actions.resize(index, width * 1.5) },
          { label: "Narrower", onChoose: () => actions.resize(index, width / 1.5) },
        ]}
      />
      <Edge width={width} onWidth={(now) => actions.resize(index, now)} />
    </div>
  );
}

/** The right edge of a column's head, to drag; the keyboard has the menu. */
function Edge({ width, onWidth }: { readonly width: number; readonly onWidth: (width: number) => void }): ReactNode {
  const held = useRef<{ x: number; width: number } | null>(null);
  const move = (event: PointerEvent) => {
    if (held.current !== null) onWidth(held.current.width + event.clientX - held.current.x);
  };
  return (
    <div
      className={css.edge}
      onPointerDown={(event) => {
        event.preventDefault();
        event.currentTarget.setPointerCapture(event.pointerId);
        held.current = { x: event.clientX, width };
      }}
      onPointerMove={move}
      onPointerUp={() => {
        held.current = null;
      }}
    />
  );
}

export const boundWidth = (width: number): number => Math.round(Math.min(widest, Math.max(narrowest, width)));
