// biome-ignore-all lint/a11y/useSemanticElements: a grid of which only a window is there cannot be made of the elements of tables
import {
  type KeyboardEvent,
  type PointerEvent,
  type ReactNode,
  useCallback,
  useEffect,
  useId,
  useMemo,
  useRef,
  useState,
} from "react";
import { tell, tellFailure } from "../../../design/overlays.tsx";
import { type Column, isNull, textOf } from "../result/column.ts";
import css from "./grid.module.css";
import { boundWidth, GridHead, type HeadActions } from "./head.tsx";
import { layoutOf, leftShowing, type PlacedColumn, shownColumns } from "./layout.ts";
import { type ChangeLook, type GridLook, sorted } from "./look.ts";
import { GridRow, rowHeight, runLength } from "./rows.tsx";
import { scrolledHeight, topShowing } from "./scroll.ts";
import { type Block, blockOf, type Cell, holds, mostCopied, moved, type Selection, tsvOf } from "./selection.ts";
import type { Order } from "./use-order.ts";
import { useScroll } from "./use-scroll.ts";
import { ValuePanel } from "./value-panel.tsx";

const headHeights = { plain: 45, filtering: 79 };
const extraRows = 6;
const noFilters: ReadonlyMap<number, string> = new Map();

/**
 * All rows of a result, however many: only what is seen is there. `status` stands above them: it is told
 * how many rows pass the filters, null while that is being found.
 */
export function Grid({
  columns,
  rows,
  label,
  look: { widths, pinned, keys, filters, isFiltering },
  order,
  onLook,
  status,
}: {
  readonly columns: readonly Column[];
  readonly rows: number;
  readonly label: string;
  readonly look: GridLook;
  readonly order: Order;
  readonly onLook: ChangeLook;
  readonly status: (shownRows: number | null) => ReactNode;
}): ReactNode {
  const id = useId();
  const scroller = useRef<HTMLDivElement>(null);
  const count = order.rows?.length ?? rows;
  const layout = useMemo(() => layoutOf(widths, pinned), [widths, pinned]);
  const [selection, setSelection] = useState<Selection>({ anchor: { row: 0, at: 0 }, active: { row: 0, at: 0 } });
  const [isPanelOpen, setPanelOpen] = useState(false);
  const headHeight = isFiltering ? headHeights.filtering : headHeights.plain;
  const { view, goTo } = useScroll(scroller, count * rowHeight, headHeight);
  const block = blockOf(selection);
  const sourceOf = (row: number): number => order.rows?.[row] ?? row;
  const extent = { height: count * rowHeight, viewport: view.height };

  const textAt = (row: number, at: number): string | null => {
    const column = columns[layout.placed[at]?.index ?? -1];
    const source = sourceOf(row);
    return column === undefined || isNull(column, source) ? null : textOf(column, source);
  };
  const copy = useRef<(block: Block) => void>(() => {});
  copy.current = (what) => void copyCells(what, textAt);

  const last = useRef({ layout, count });
  last.current = { layout, count };
  const actions = useMemo(
    (): HeadActions => ({
      sort: (column, to, isMore) => onLook((before) => ({ keys: sorted(before.keys, column, to, isMore) })),
      pin: (column) =>
        onLook(({ pinned: before }) => ({
          pinned: before.includes(column) ? before.filter((one) => one !== column) : [...before, column],
        })),
      resize: (column, width) => onLook((before) => ({ widths: before.widths.with(column, boundWidth(width)) })),
      copyColumn(column) {
        const at = last.current.layout.placed.findIndex(({ index }) => index === column);
        copy.current({ fromRow: 0, toRow: last.current.count - 1, fromAt: at, toAt: at });
      },
      filter: (column, text) => onLook((before) => ({ filters: new Map(before.filters).set(column, text) })),
    }),
    [onLook],
  );

  const select = (next: Selection): void => {
    setSelection(next);
    const { row, at } = next.active;
    const top = topShowing(row, rowHeight, view.top, extent);
    const left = leftShowing(layout, at, view.left, view.width);
    if (top !== view.top || left !== view.left) goTo(top, left);
  };

  // The panel takes room: what it shows must still be seen beside it.
  const reveal = useRef(() => {});
  reveal.current = () => {
    const left = leftShowing(layout, selection.active.at, view.left, view.width);
    if (left !== view.left) goTo(view.top, left);
  };
  // biome-ignore lint/correctness/useExhaustiveDependencies: once the width has changed with the panel
  useEffect(() => {
    if (isPanelOpen) reveal.current();
  }, [isPanelOpen, view.width]);

  const pressed = (event: KeyboardEvent): void => {
    if (event.target !== event.currentTarget) return;
    const isWide = event.ctrlKey || event.metaKey;
    if (event.key === "Enter") setPanelOpen(true);
    else if (event.key === "Escape" && isPanelOpen) setPanelOpen(false);
    else if (isWide && event.key.toLowerCase() === "c") copy.current(block);
    else {
      const page = Math.max(1, Math.floor(view.height / rowHeight) - 1);
      const area = { rows: count, columns: columns.length, page };
      const next = moved(selection, { key: event.key, isWide, isExtending: event.shiftKey }, area);
      if (next === null) return;
      // All of it is selected where one is: nothing is scrolled to.
      if (event.key.toLowerCase() === "a") setSelection(next);
      else select(next);
    }
    event.preventDefault();
  };

  const cellUnder = useCallback(
    (event: PointerEvent<HTMLElement> | React.MouseEvent<HTMLElement>): Cell | null => {
      const box = event.currentTarget.getBoundingClientRect();
      const row = Math.floor((event.clientY - box.top + view.top) / rowHeight);
      const x = event.clientX - box.left;
      const at = layout.placed.findLastIndex(
        ({ left, isPinned }) => x >= (isPinned ? left : Math.max(layout.pinnedWidth, left - view.left)),
      );
      return row < 0 || row >= count || at < 0 ? null : { row, at };
    },
    [view.top, view.left, layout, count],
  );
  const isDragging = useRef(false);

  const shown = useShown(layout.placed, shownColumns(layout, view.left, view.width));
  const first = Math.max(0, Math.floor(view.top / rowHeight) - extraRows);
  const behind = Math.min(count, Math.ceil((view.top + view.height) / rowHeight) + extraRows);
  const base = first - (first % runLength);
  // A row takes the elements of one that left: a long jump changes texts, not elements.
  const slots = Math.ceil(view.height / rowHeight) + 2 * extraRows + 2;
  const isActiveShown = selection.active.row >= first && selection.active.row < behind;
  const active = columns[layout.placed[selection.active.at]?.index ?? -1];

  return (
    <>
      {status(order.isFinding ? null : count)}
      <div className={css.frame}>
        <div
          ref={scroller}
          className={css.scroller}
          role="grid"
          aria-label={label}
          aria-rowcount={count + 1}
          aria-colcount={columns.length}
          aria-multiselectable="true"
          aria-busy={order.isFinding}
          aria-activedescendant={isActiveShown ? `${id}-${selection.active.row}-${selection.active.at}` : undefined}
          tabIndex={0}
          onKeyDown={pressed}
        >
          <div role="presentation" style={{ width: layout.width, height: headHeight + scrolledHeight(extent) }}>
            <div
              role="presentation"
              className={css.window}
              style={
                {
                  width: view.width,
                  height: view.height + headHeight,
                  "--scrolled": `${view.left}px`,
                } as React.CSSProperties
              }
            >
              <div role="rowgroup" tabIndex={-1} className={css.headLayer} style={{ height: headHeight }}>
                <GridHead
                  {...{ columns, shown, keys, isFiltering, actions }}
                  filters={isFiltering ? filters : noFilters}
                />
              </div>
              <div
                role="rowgroup"
                tabIndex={-1}
                className={css.body}
                style={{ height: view.height }}
                onPointerDown={(event) => {
                  const cell = cellUnder(event);
                  if (cell === null || event.button !== 0) return;
                  isDragging.current = true;
                  event.currentTarget.setPointerCapture(event.pointerId);
                  setSelection({ anchor: event.shiftKey ? selection.anchor : cell, active: cell });
                }}
                onPointerMove={(event) => {
                  const cell = isDragging.current ? cellUnder(event) : null;
                  if (cell !== null) setSelection({ anchor: selection.anchor, active: cell });
                }}
                onPointerUp={() => {
                  isDragging.current = false;
                }}
                onDoubleClick={() => setPanelOpen(true)}
              >
                <div
                  role="presentation"
                  className={css.layer}
                  style={{ transform: `translate3d(${-view.left}px, ${base * rowHeight - view.top}px, 0)` }}
                >
                  {Array.from({ length: Math.max(0, behind - first) }, (_, at) => {
                    const row = first + at;
                    const isIn = holds(block, row, block.fromAt);
                    return (
                      <GridRow
                        key={row % slots}
                        grid={id}
                        row={row}
                        top={(row - base) * rowHeight}
                        source={sourceOf(row)}
                        columns={columns}
                        shown={shown}
                        selectedFrom={isIn ? block.fromAt : 0}
                        selectedTo={isIn ? block.toAt : -1}
                        activeAt={row === selection.active.row ? selection.active.at : -1}
                      />
                    );
                  })}
                </div>
                {count === 0 && <p className={css.none}>{rows === 0 ? "The result has no rows." : "No row passes."}</p>}
              </div>
            </div>
          </div>
        </div>
        {isPanelOpen && active !== undefined && selection.active.row < count && (
          <ValuePanel
            column={active}
            row={sourceOf(selection.active.row)}
            onClose={() => {
              setPanelOpen(false);
              scroller.current?.focus();
            }}
          />
        )}
      </div>
    </>
  );
}

type Shown = readonly (PlacedColumn & { readonly at: number })[];

/** The shown columns with their places; the same list as long as they are the same, so that rows stay as they are. */
function useShown(placed: readonly PlacedColumn[], shown: readonly PlacedColumn[]): Shown {
  const name = shown.map(({ index, left, width, isPinned }) => `${index} ${left} ${width} ${isPinned}`).join();
  // biome-ignore lint/correctness/useExhaustiveDependencies: the name tells all of both
  return useMemo(() => shown.map((column) => ({ ...column, at: placed.indexOf(column) })), [name]);
}

async function copyCells(block: Block, textAt: (row: number, at: number) => string | null): Promise<void> {
  const cells = (block.toRow - block.fromRow + 1) * (block.toAt - block.fromAt + 1);
  if (cells > mostCopied) {
    tellFailure(new Error(`${cells.toLocaleString("en")} cells are too many to copy; export the result instead.`));
    return;
  }
  try {
    await navigator.clipboard.writeText(tsvOf(block, textAt));
    tell(cells === 1 ? "Copied the cell" : `Copied ${cells.toLocaleString("en")} cells`);
  } catch (error) {
    tellFailure(error);
  }
}
