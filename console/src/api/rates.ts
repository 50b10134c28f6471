import { useMemo, useSyncExternalStore } from "react";
import { useNow } from "../design/time.tsx";
import { flowNow } from "./flow.ts";
import { type LiveActivity, live } from "./live.ts";

/** Over how long a rate is taken: short enough to be now, long enough not to flicker between commits. */
const windowMs = 10_000;
const none: ReadonlyMap<string, number> = new Map();

/** Rows a second that are committed now, by `project.dataset`; what is not in it stands still. */
export function useRates(): ReadonlyMap<string, number> {
  const activity = useActivity();
  const nowMs = useNow(1_000);
  const rates = ratesOf(activity, nowMs);
  // The same map where nothing has changed: what is long is not drawn anew every second.
  const text = [...rates].map(([key, rate]) => `${key} ${rate}`).join();
  // biome-ignore lint/correctness/useExhaustiveDependencies: the text says all that is in the map
  return useMemo(() => (rates.size === 0 ? none : rates), [text]);
}

/** What flows into one dataset now. */
export function useFlow(project: string, dataset: string): ReturnType<typeof flowNow> {
  return flowNow(useActivity(), useNow(1_000), { project, dataset });
}

/** The activity alone: other events of the stream draw nothing anew. */
const useActivity = (): readonly LiveActivity[] => useSyncExternalStore(live.subscribe, () => live.state().activity);

export function ratesOf(activity: readonly LiveActivity[], nowMs: number): Map<string, number> {
  const rates = new Map<string, number>();
  for (let at = activity.length - 1; at >= 0; at--) {
    const second = activity[at];
    if (second === undefined || Date.parse(second.at) < nowMs - windowMs) break;
    for (const { project, dataset, rows } of second.datasets) {
      const key = `${project}.${dataset}`;
      rates.set(key, (rates.get(key) ?? 0) + (rows * 1_000) / windowMs);
    }
  }
  return rates;
}
