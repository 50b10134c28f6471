/** Where the columns of a grid stand. */
export interface PlacedColumn {
  /** Among the columns of the result. */
  readonly index: number;
  readonly left: number;
  readonly width: number;
  readonly isPinned: boolean;
}

export interface ColumnLayout {
  /** From left to right, the pinned ones first. */
  readonly placed: readonly PlacedColumn[];
  readonly pinnedWidth: number;
  readonly width: number;
}

export const narrowest = 56;
export const widest = 900;

export function layoutOf(widths: readonly number[], pinned: readonly number[]): ColumnLayout {
  const free = widths.map((_, index) => index).filter((index) => !pinned.includes(index));
  let left = 0;
  let pinnedWidth = 0;
  const placed = [...pinned, ...free].map((index, at): PlacedColumn => {
    const width = widths[index] ?? narrowest;
    const isPinned = at < pinned.length;
    const column = { index, left, width, isPinned };
    left += width;
    if (isPinned) pinnedWidth = left;
    return column;
  });
  return { placed, pinnedWidth, width: left };
}

/** The columns that show between two edges, and every pinned one. */
export function shownColumns(
  { placed, pinnedWidth }: ColumnLayout,
  scrollLeft: number,
  viewport: number,
): PlacedColumn[] {
  const [from, to] = [scrollLeft + pinnedWidth, scrollLeft + viewport];
  return placed.filter(({ isPinned, left, width }) => isPinned || (left + width > from && left < to));
}

/** How far one must have scrolled sideways to see a column, nearest to where one is. */
export function leftShowing(layout: ColumnLayout, at: number, scrollLeft: number, viewport: number): number {
  const column = layout.placed[at];
  if (column === undefined || column.isPinned) return scrollLeft;
  const { left, width } = column;
  if (left - layout.pinnedWidth < scrollLeft) return left - layout.pinnedWidth;
  return left + width > scrollLeft + viewport ? left + width - viewport : scrollLeft;
}

/** A first width by the letters that must find room. */
export function widthFor(letters: number): number {
  return Math.round(Math.min(360, Math.max(88, letters * 7.6 + 28)));
}
