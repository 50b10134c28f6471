import type { Activity, LiveActivity } from "./types.ts";

export interface Flow {
  readonly rowsPerSecond: number;
  readonly bytesPerSecond: number;
  /** Over how long it was counted. */
  readonly overMs: number;
}

interface Place {
  readonly project: string;
  readonly dataset: string;
}

/** How long "now" is: short enough to be now, long enough not to flicker between commits. */
export const nowMs = 10_000;

/** What flows now: what was committed within the last seconds, by the second. One dataset's, or all of them. */
export function flowNow(activity: readonly LiveActivity[], atMs: number, only?: Place): Flow {
  let [rows, bytes] = [0, 0];
  for (const { at, datasets } of activity) {
    if (Date.parse(at) < atMs - nowMs) continue;
    for (const one of datasets) {
      if (only !== undefined && !isAt(one, only)) continue;
      rows += one.rows;
      bytes += one.bytes;
    }
  }
  return { rowsPerSecond: (rows * 1_000) / nowMs, bytesPerSecond: (bytes * 1_000) / nowMs, overMs: nowMs };
}

/** What flowed when a history was asked for: over its last whole step and the one that was under way. */
export function flowThen(history: Activity, askedAtMs: number, only?: Place): Flow {
  const { stepMs, total, datasets, from } = history;
  const newest = total.rows.length - 1;
  const beganMs = Date.parse(from) + (newest - 1) * stepMs;
  // The server's clock is not this one: it is never less than the whole step, nor more than both.
  const overMs = Math.min(2 * stepMs, Math.max(stepMs, askedAtMs - beganMs));
  const of = only === undefined ? total : datasets.find((one) => isAt(one, only));
  const rate = (values: readonly number[] = []) =>
    (((values[newest] ?? 0) + (values[newest - 1] ?? 0)) * 1_000) / overMs;
  return { rowsPerSecond: rate(of?.rows), bytesPerSecond: rate(of?.bytes), overMs };
}

const isAt = (one: Place, other: Place): boolean => one.project === other.project && one.dataset === other.dataset;

export interface Busy extends Place {
  readonly rows: readonly number[];
  readonly total: number;
}

/** The datasets that took rows within the hour, those with most first. */
export function byActivity({ datasets }: Activity): Busy[] {
  return datasets
    .map(({ project, dataset, rows }) => ({ project, dataset, rows, total: rows.reduce((sum, one) => sum + one, 0) }))
    .filter(({ total }) => total > 0)
    .sort((a, b) => b.total - a.total);
}
