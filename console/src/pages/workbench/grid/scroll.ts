/**
 * Browsers cap the height of an element at some ten million pixels; a million rows are more. So the scrolled element is at most
 * `mostPixels` high, and where the rows are higher, its scroll position stands for a place among them:
 *
 *     small step of the scroll position  ->  the same step among the rows, to the pixel
 *     long jump (dragged bar, End)       ->  the place in proportion
 *     rest                               ->  the scroll position is set right for the place where the rows now are
 */
export interface Scroll {
  /** Of the first shown pixel among all rows. */
  readonly top: number;
  /** The scroll position that was last seen. */
  readonly seen: number;
}

export interface Extent {
  /** Of all rows. */
  readonly height: number;
  readonly viewport: number;
}

const mostPixels = 8_000_000;

/** How high the scrolled element is. */
export const scrolledHeight = ({ height }: Extent): number => Math.min(height, mostPixels);

const farthest = ({ height, viewport }: Extent): number => Math.max(0, height - viewport);
const farthestSeen = (extent: Extent): number => Math.max(0, scrolledHeight(extent) - extent.viewport);

/** The place after the browser scrolled to `seen`. */
export function scrolled(from: Scroll, seen: number, extent: Extent): Scroll {
  const most = farthest(extent);
  if (extent.height <= mostPixels) return { top: Math.min(seen, most), seen };
  const mostSeen = farthestSeen(extent);
  if (seen <= 0) return { top: 0, seen };
  if (seen >= mostSeen - 1) return { top: most, seen };
  const step = seen - from.seen;
  const isSmall = Math.abs(step) <= extent.viewport * 2;
  const top = isSmall ? from.top + step : (seen / mostSeen) * most;
  return { top: Math.min(most, Math.max(0, top)), seen };
}

/** The scroll position that fits a place: for jumps of our own, and for setting it right at rest. */
export function seenFor(top: number, extent: Extent): number {
  if (extent.height <= mostPixels) return top;
  const most = farthest(extent);
  return most === 0 ? 0 : Math.round((top / most) * farthestSeen(extent));
}

/** The place that shows a row, nearest to where one is. */
export function topShowing(row: number, rowHeight: number, top: number, { height, viewport }: Extent): number {
  const [from, to] = [row * rowHeight, (row + 1) * rowHeight];
  const shown = from < top ? from : to > top + viewport ? to - viewport : top;
  return Math.min(Math.max(0, height - viewport), Math.max(0, shown));
}
