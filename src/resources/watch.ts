import { z } from "zod";
import { type Clock, delay, type Logger } from "../base/index.ts";
import type { ResourceName } from "./kind.ts";

/** The bus fits it: events in order. */
export interface ChangeFeed {
  read(options: { after: number; limit: number; types?: readonly string[] }): Promise<readonly FeedEvent[]>;
  tail(options: { after?: number; types?: readonly string[]; signal: AbortSignal }): AsyncIterable<FeedEvent>;
}
interface FeedEvent {
  readonly position: number;
  readonly data: unknown;
}

export interface ChangeNews {
  readonly position: number;
  readonly changed: readonly ResourceName[];
}

const types = ["resource.applied", "resource.deleted"];
const batch = 500;
const changeData = z.object({ kind: z.string(), project: z.string(), name: z.string() });

function nameOf(event: FeedEvent): ResourceName {
  const { kind, project, name } = changeData.parse(event.data);
  return { kind, project: project === "" ? null : project, name };
}

export async function readChanges(feed: ChangeFeed, after: number): Promise<ChangeNews> {
  const changed: ResourceName[] = [];
  let position = after;
  for (;;) {
    const events = await feed.read({ after: position, limit: batch, types });
    changed.push(...events.map(nameOf));
    position = events.at(-1)?.position ?? position;
    if (events.length < batch) return { position, changed };
  }
}

/** Tells listeners of this process about changes: its own at once, those of other servers as the bus brings them. */
export class Watchers {
  readonly #feed: ChangeFeed;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #listeners = new Set<(changed: readonly ResourceName[]) => void>();
  readonly #stopping = new AbortController();
  #following: Promise<void> | null = null;

  constructor(options: { feed: ChangeFeed; clock: Clock; log: Logger }) {
    this.#feed = options.feed;
    this.#clock = options.clock;
    this.#log = options.log;
  }

  start(): void {
    this.#following ??= this.#follow();
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#following;
  }

  add(listener: (changed: readonly ResourceName[]) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  tell(changed: readonly ResourceName[]): void {
    if (changed.length === 0) return;
    for (const listener of this.#listeners) listener(changed);
  }

  async #follow(): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      try {
        for await (const event of this.#feed.tail({ types, signal })) this.tell([nameOf(event)]);
      } catch (error) {
        // Who must not miss a change asks `changesAfter` now and then: this is only the quick way.
        if (!signal.aborted) this.#log.warn("changes of other servers are not heard for a moment", { error });
      }
      await delay(this.#clock, 1_000, signal).catch(() => {});
    }
  }
}
