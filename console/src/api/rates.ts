import { useQuery } from "@tanstack/react-query";
import { useMemo, useSyncExternalStore } from "react";
import { useNow } from "../design/time.tsx";
import { type Flow, flowNow, flowThen, nowMs } from "./flow.ts";
import { live } from "./live.ts";
import { activityQuery } from "./queries.ts";
import type { Activity, LiveActivity } from "./types.ts";

const none: ReadonlyMap<string, number> = new Map();

/** Rows a second that are committed now, by `project.dataset`; what is not in it stands still. */
export function useRates(): ReadonlyMap<string, number> {
  const activity = useActivity();
  const atMs = useNow(1_000);
  const then = useThen(atMs);
  const rates = then === null ? ratesOf(activity, atMs) : ratesThen(then);
  // The same map where nothing has changed: what is long is not drawn anew every second.
  const text = [...rates].map(([key, rate]) => `${key} ${rate}`).join();
  // biome-ignore lint/correctness/useExhaustiveDependencies: the text says all that is in the map
  return useMemo(() => (rates.size === 0 ? none : rates), [text]);
}

/** What flows now: into one dataset, or into all of them. */
export function useFlow(only?: { readonly project: string; readonly dataset: string }): Flow {
  const activity = useActivity();
  const atMs = useNow(1_000);
  const then = useThen(atMs);
  return then === null ? flowNow(activity, atMs, only) : flowThen(then.history, then.askedAtMs, only);
}

/** The activity alone: other events of the stream draw nothing anew. */
const useActivity = (): readonly LiveActivity[] => useSyncExternalStore(live.subscribe, () => live.state().activity);

interface Then {
  readonly history: Activity;
  readonly askedAtMs: number;
}

/** Until the stream was heard for as long as "now" is, the last hour's history says what flows; afterwards null. */
function useThen(atMs: number): Then | null {
  const heardFromMs = useSyncExternalStore(live.subscribe, () => live.state().heardFromMs);
  const { data, dataUpdatedAt } = useQuery(activityQuery);
  const isHeard = heardFromMs !== null && atMs - heardFromMs >= nowMs;
  return isHeard || data === undefined ? null : { history: data, askedAtMs: dataUpdatedAt };
}

export function ratesOf(activity: readonly LiveActivity[], atMs: number): Map<string, number> {
  const rates = new Map<string, number>();
  for (let at = activity.length - 1; at >= 0; at--) {
    const second = activity[at];
    if (second === undefined || Date.parse(second.at) < atMs - nowMs) break;
    for (const { project, dataset, rows } of second.datasets) {
      const key = `${project}.${dataset}`;
      rates.set(key, (rates.get(key) ?? 0) + (rows * 1_000) / nowMs);
    }
  }
  return rates;
}

function ratesThen({ history, askedAtMs }: Then): Map<string, number> {
  const rates = new Map<string, number>();
  for (const one of history.datasets) {
    const { rowsPerSecond } = flowThen(history, askedAtMs, one);
    if (rowsPerSecond > 0) rates.set(`${one.project}.${one.dataset}`, rowsPerSecond);
  }
  return rates;
}
