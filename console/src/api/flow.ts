import type { LiveActivity } from "./live.ts";
import type { Activity } from "./queries.ts";

export interface Flow {
  readonly rowsPerSecond: number;
  readonly bytesPerSecond: number;
}

/** How long "now" is. */
const nowMs = 10_000;

/** What flows now: what was committed within the last seconds, by the second. One dataset's, or all of them. */
export function flowNow(
  activity: readonly LiveActivity[],
  atMs: number,
  only?: { readonly project: string; readonly dataset: string },
): Flow {
  let [rows, bytes] = [0, 0];
  for (const { at, datasets } of activity) {
    if (Date.parse(at) < atMs - nowMs) continue;
    for (const one of datasets) {
      if (only !== undefined && (one.project !== only.project || one.dataset !== only.dataset)) continue;
      rows += one.rows;
      bytes += one.bytes;
    }
  }
  return { rowsPerSecond: (rows * 1_000) / nowMs, bytesPerSecond: (bytes * 1_000) / nowMs };
}

/** Of the last hour: each step's rows over all datasets. */
export function rowsByStep({ datasets }: Activity): number[] {
  const steps = Math.max(0, ...datasets.map(({ rows }) => rows.length));
  return Array.from({ length: steps }, (_, at) => datasets.reduce((total, { rows }) => total + (rows[at] ?? 0), 0));
}

export interface Busy {
  readonly project: string;
  readonly dataset: string;
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
