import { useMemo, useSyncExternalStore } from "react";
import { type LiveActivity, live } from "./live.ts";

export interface Rate {
  readonly rowsPerS: number;
  readonly bytesPerS: number;
}

/** Over how long a rate is taken: short enough to be now, long enough not to flicker between commits. */
const windowMs = 10_000;
const none: Rate = { rowsPerS: 0, bytesPerS: 0 };

/** What flows now, by `project.dataset`; what is not in it stands still. */
export function useRates(): ReadonlyMap<string, Rate> {
  // The activity alone: other events of the stream draw nothing anew.
  const activity = useSyncExternalStore(live.subscribe, () => live.state().activity);
  return useMemo(() => ratesOf(activity), [activity]);
}

export function useRate(project: string, dataset: string): Rate {
  return useRates().get(`${project}.${dataset}`) ?? none;
}

/** Rates of the seconds before the newest activity. */
export function ratesOf(activity: readonly LiveActivity[]): Map<string, Rate> {
  const rates = new Map<string, Rate>();
  const newest = activity.at(-1);
  if (newest === undefined) return rates;
  const fromMs = Date.parse(newest.at) - windowMs;
  for (let at = activity.length - 1; at >= 0; at--) {
    const second = activity[at];
    if (second === undefined || Date.parse(second.at) <= fromMs) break;
    for (const { project, dataset, rows, bytes } of second.datasets) {
      const key = `${project}.${dataset}`;
      const known = rates.get(key) ?? none;
      rates.set(key, {
        rowsPerS: known.rowsPerS + (rows * 1_000) / windowMs,
        bytesPerS: known.bytesPerS + (bytes * 1_000) / windowMs,
      });
    }
  }
  return rates;
}
