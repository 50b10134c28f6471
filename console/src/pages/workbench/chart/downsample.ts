/** Points of one line or cloud, by rising x for lines. */
export interface Points {
  readonly x: Float64Array;
  /** NaN: nothing here. */
  readonly ys: readonly Float64Array[];
}

export interface Bounded extends Points {
  /** How many points there were. */
  readonly of: number;
}

/**
 * Lines: of each stretch of equally many points the first, the last, and of every line the least and the greatest. No
 * peak is lost, and none is invented.
 */
export function boundLine({ x, ys }: Points, most: number): Bounded {
  if (x.length <= most) return { x, ys, of: x.length };
  const stretches = Math.max(1, Math.floor(most / (2 + 2 * ys.length)));
  const kept: number[] = [];
  for (let stretch = 0; stretch < stretches; stretch++) {
    const from = Math.floor((stretch * x.length) / stretches);
    const to = Math.floor(((stretch + 1) * x.length) / stretches);
    if (from < to) kept.push(...extremesOf(ys, from, to));
  }
  return picked({ x, ys }, kept);
}

function extremesOf(ys: readonly Float64Array[], from: number, to: number): number[] {
  const found = new Set([from, to - 1]);
  for (const y of ys) {
    let [least, greatest] = [-1, -1];
    for (let at = from; at < to; at++) {
      const value = y[at] ?? Number.NaN;
      if (Number.isNaN(value)) continue;
      if (least < 0 || value < (y[least] ?? 0)) least = at;
      if (greatest < 0 || value > (y[greatest] ?? 0)) greatest = at;
    }
    if (least >= 0) found.add(least).add(greatest);
  }
  return [...found].sort((a, b) => a - b);
}

/** Clouds: every n-th point, so that how dense it is stays true. */
export function boundCloud({ x, ys }: Points, most: number): Bounded {
  if (x.length <= most) return { x, ys, of: x.length };
  const step = Math.ceil(x.length / most);
  return picked(
    { x, ys },
    Array.from({ length: Math.ceil(x.length / step) }, (_, at) => at * step),
  );
}

function picked({ x, ys }: Points, kept: readonly number[]): Bounded {
  const pick = (values: Float64Array) => Float64Array.from(kept, (at) => values[at] ?? Number.NaN);
  return { x: pick(x), ys: ys.map(pick), of: x.length };
}

/** The points by rising x; those without an x are left out. */
export function byRisingX({ x, ys }: Points): Points {
  const order = new Uint32Array(x.length);
  let [kept, isSorted] = [0, true];
  for (let at = 0; at < x.length; at++) {
    const value = x[at] ?? Number.NaN;
    if (!Number.isFinite(value)) continue;
    if (kept > 0 && value < (x[order[kept - 1] ?? 0] ?? 0)) isSorted = false;
    order[kept++] = at;
  }
  if (isSorted && kept === x.length) return { x, ys };
  const found = order.subarray(0, kept);
  if (!isSorted) found.sort((a, b) => (x[a] ?? 0) - (x[b] ?? 0) || a - b);
  const pick = (values: Float64Array) => Float64Array.from(found, (at) => values[at] ?? Number.NaN);
  return { x: pick(x), ys: ys.map(pick) };
}
