import type { Activity } from "./queries.ts";

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
