import type { QueryClient } from "@tanstack/react-query";
import { useSyncExternalStore } from "react";
import { withCommits } from "./commits.ts";
import { datasetsQuery } from "./queries.ts";
import type { LiveActivity, PlatformEvent } from "./types.ts";

export interface LiveState {
  readonly isConnected: boolean;
  /** Since when it is not, in milliseconds of the clock. */
  readonly lostAtMs: number | null;
  /** Since when it is heard without a gap, in milliseconds of the clock. */
  readonly heardFromMs: number | null;
  /** The last minutes, oldest first. */
  readonly activity: readonly LiveActivity[];
  /** The newest events, newest first. */
  readonly events: readonly PlatformEvent[];
}

const keptActivity = 300;
const keptEvents = 500;
const refreshMs = 500;
/** What every commit of any dataset changes a little is asked for again this often at most. */
const slowRefreshMs = 2_000;
const slowKeys: readonly (readonly string[])[] = [["lineage"], ["lookups"]];
/** A list of more datasets than these is asked for again once in a while only. */
const fewDatasets = 1_000;
const manyRefreshMs = 5_000;
/** What no commit tells (rows that expired, the system's own datasets) is in a list that was asked for so long ago at most. */
const oldListMs = 60_000;
const nothing: LiveState = { isConnected: false, lostAtMs: null, heardFromMs: null, activity: [], events: [] };

/**
 * The one stream of a signed-in console: what happens now, and by it which cached answers are no longer true.
 *
 *     closed --open--> connecting --open--> connected
 *                          ^                    |
 *                          +---- the browser reconnects and sends Last-Event-ID
 */
class LiveStream {
  #state = nothing;
  #source: EventSource | null = null;
  readonly #listeners = new Set<() => void>();
  readonly #stale = new Set<string>();
  /** Commits that the list of datasets does not have yet. */
  #commits: PlatformEvent[] = [];
  #refreshing: ReturnType<typeof setTimeout> | null = null;
  #listing: ReturnType<typeof setTimeout> | null = null;
  #slow: ReturnType<typeof setTimeout> | null = null;

  open(client: QueryClient): void {
    if (this.#source !== null) return;
    const source = new EventSource("/api/v1/live");
    this.#source = source;
    source.addEventListener("open", () => {
      const wasLost = this.#state.lostAtMs !== null;
      this.#set({ isConnected: true, lostAtMs: null, heardFromMs: Date.now() });
      // What happened meanwhile may be more than the stream can repeat.
      if (wasLost) void client.invalidateQueries();
    });
    source.addEventListener("error", () => {
      this.#set({ isConnected: false, lostAtMs: this.#state.lostAtMs ?? Date.now(), heardFromMs: null });
      // The browser gives up on an answer that is no stream (a proxy's 502 while the server starts): then we begin anew.
      if (source.readyState === EventSource.CLOSED && this.#source === source) {
        this.#source = null;
        setTimeout(() => this.open(client), 2_000);
      }
    });
    source.addEventListener("event", ({ data }: MessageEvent<string>) => {
      const event = JSON.parse(data) as PlatformEvent;
      this.#set({ events: [event, ...this.#state.events].slice(0, keptEvents) });
      this.#invalidate(client, event);
    });
    // More was missed than the stream repeats.
    source.addEventListener("gap", () => void client.invalidateQueries());
    source.addEventListener("activity", ({ data }: MessageEvent<string>) => {
      const activity = JSON.parse(data) as LiveActivity;
      this.#set({ activity: [...this.#state.activity, activity].slice(-keptActivity) });
    });
  }

  close(): void {
    this.#source?.close();
    this.#source = null;
    this.#set(nothing);
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  readonly state = (): LiveState => this.#state;

  #set(change: Partial<LiveState>): void {
    this.#state = { ...this.#state, ...change };
    for (const listener of this.#listeners) listener();
  }

  /** Answers that an event made old are asked for again, together and at most twice a second. */
  #invalidate(client: QueryClient, event: PlatformEvent): void {
    for (const key of staleKeys(event)) this.#stale.add(JSON.stringify(key));
    if (event.type === "dataset.committed") {
      this.#commits.push(event);
      this.#slow ??= setTimeout(() => {
        this.#slow = null;
        for (const queryKey of slowKeys) void client.invalidateQueries({ queryKey });
      }, slowRefreshMs);
    }
    this.#refreshing ??= setTimeout(() => {
      this.#refreshing = null;
      const isListStale = this.#stale.delete(JSON.stringify(datasetsQuery.queryKey));
      const keys = [...this.#stale].map((key) => JSON.parse(key) as string[]);
      this.#stale.clear();
      for (const queryKey of keys) void client.invalidateQueries({ queryKey });
      if (!this.#patchList(client) || isListStale) this.#refreshList(client);
    }, refreshMs);
  }

  /** Adds to the list of datasets what was committed; false where it must be asked for. */
  #patchList(client: QueryClient): boolean {
    const events = this.#commits;
    this.#commits = [];
    if (events.length === 0) return true;
    const { queryKey } = datasetsQuery;
    const state = client.getQueryState(queryKey);
    // An answer that is under way may have been given before these commits, or behind them.
    const isCertain = state?.fetchStatus !== "fetching";
    if (state?.data === undefined) return isCertain;
    const list = withCommits(state.data, events);
    if (list !== null) client.setQueryData(queryKey, list, { updatedAt: state.dataUpdatedAt });
    return list !== null && isCertain && Date.now() - state.dataUpdatedAt < oldListMs;
  }

  #refreshList(client: QueryClient): void {
    const { queryKey } = datasetsQuery;
    const isLong = (client.getQueryData(queryKey)?.length ?? 0) > fewDatasets;
    this.#listing ??= setTimeout(
      () => {
        this.#listing = null;
        void client.invalidateQueries({ queryKey });
      },
      isLong ? manyRefreshMs : 0,
    );
  }
}

/** Which cached answers an event makes old. */
function staleKeys({ type, subject }: PlatformEvent): string[][] {
  if (type === "dataset.committed") {
    const [project = "", dataset = ""] = subject.split(/\.(.*)/s);
    return [["dataset", project, dataset]];
  }
  if (type.startsWith("dataset.")) return [["datasets"], ["dataset"], ["lineage"], ["lookups"]];
  if (type.startsWith("task.")) return [["tasks"]];
  if (type.startsWith("resource.")) return [["resources"], ["datasets"], ["saved"], ["lineage"], ["lookups"]];
  if (type.startsWith("identity.") || type.startsWith("user.") || type.startsWith("token.")) return [["access"]];
  return [];
}

export const live = new LiveStream();

export function useLive(): LiveState {
  return useSyncExternalStore(live.subscribe, live.state);
}
