import { z } from "zod";
import { type Clock, datasetPath, formatInstant, type Logger, type Metrics, MillraceError } from "../../base/index.ts";
import type { Exchange } from "../edge/index.ts";
import type { Principal } from "./access-contract.ts";
import type { EventRecord, Rooms } from "./contract.ts";
import { type Flow, LiveHub, type LiveReader } from "./live-hub.ts";
import { type HttpRoute, streamRoute } from "./route.ts";
import type { LiveActivity, LiveGap } from "./views.ts";
import { viewOfEvent, visibleTo } from "./visibility.ts";

const heartbeatMs = 15_000;
const tickMs = 1_000;
const mostStreams = 500;
const mostOfOneUser = 30;
const mostWaiting = 2_000;
/** Events that a reader who comes back is handed from the past; beyond, it is told that it missed some. */
const mostReplayed = 10_000;
const page = 500;
const mostDatasets = 200;
const mostQueries = 20;

export interface LiveOptions {
  readonly clock: Clock;
  readonly metrics: Metrics;
  readonly log: Logger;
  readonly draining: () => AbortSignal;
}

/** The one stream that a console keeps open, instead of asking again and again. */
export function liveRoutes<Format>(rooms: Rooms<Format>, options: LiveOptions): HttpRoute[] {
  const { events, tasks } = rooms;
  const { clock, log, metrics } = options;
  const hub = new LiveHub({ events, tasks, clock, log, tickMs, mostWaiting });
  const open = new Map<string, number>();
  let streams = 0;

  return [
    streamRoute({
      method: "GET",
      path: "/api/v1/live",
      summary:
        "Events as they happen and what is committed each second (server-sent); Last-Event-ID goes on where you were",
      tag: "events",
      query: z.strictObject({}),
      headers: z.object({ "last-event-id": z.coerce.number().int().min(0).optional() }),
      body: null,
      reply: { status: 200, schema: null, types: ["text/event-stream"] },
      async handle({ headers, principal, exchange, signal }) {
        const ofUser = open.get(principal.user) ?? 0;
        if (streams >= mostStreams || ofUser >= mostOfOneUser) {
          throw new MillraceError("too_many_requests", "Too many live streams are open.", { retryAfterS: 10 });
        }
        open.set(principal.user, ofUser + 1);
        metrics.gauge("http_live_streams", ++streams);
        try {
          const until = AbortSignal.any([signal, options.draining()]);
          const reader = await hub.open(() => {
            metrics.count("http_live_cut_total", 1);
            exchange.response.destroy(); // it comes back with its Last-Event-ID
          });
          const close = () => reader.close();
          until.addEventListener("abort", close, { once: true });
          if (until.aborted) close();
          try {
            await new LiveStream(rooms, { hub, reader, clock, exchange, principal, until }).run(
              headers["last-event-id"],
            );
          } finally {
            until.removeEventListener("abort", close);
            close();
          }
        } finally {
          metrics.gauge("http_live_streams", --streams);
          const left = (open.get(principal.user) ?? 1) - 1;
          if (left > 0) open.set(principal.user, left);
          else open.delete(principal.user);
        }
      },
    }),
  ];
}

interface StreamOptions {
  readonly hub: LiveHub;
  readonly reader: LiveReader;
  readonly clock: Clock;
  readonly exchange: Exchange;
  readonly principal: Principal;
  readonly until: AbortSignal;
}

/** One reader's stream: what was missed, then what comes. Rights are looked up for each thing that is told. */
class LiveStream<Format> {
  readonly #rooms: Rooms<Format>;
  readonly #options: StreamOptions;
  /** One write at a time: a heartbeat waits its turn, and a slow client slows its own stream alone. */
  #turn: Promise<void> = Promise.resolve();
  #position = 0;
  #told = "";
  #forgetBeat = () => {};

  constructor(rooms: Rooms<Format>, options: StreamOptions) {
    this.#rooms = rooms;
    this.#options = options;
  }

  async run(lastEventId: number | undefined): Promise<void> {
    const { exchange, until } = this.#options;
    exchange.begin(200, { "content-type": "text/event-stream", "x-accel-buffering": "no" });
    this.#beat();
    try {
      await this.#say("retry: 1000\n\n");
      await this.#replay(lastEventId);
      await this.#activity(new Map());
      await this.#follow();
      await this.#turn;
    } catch (error) {
      // The client's going, or ours: both end the stream, which the client resumes.
      if (!until.aborted) throw error;
    } finally {
      this.#forgetBeat();
    }
    exchange.end();
  }

  /** What the reader missed, as far as it was not away for too long. */
  async #replay(lastEventId: number | undefined): Promise<void> {
    const { reader, until } = this.#options;
    const upTo = reader.position;
    const after = lastEventId === undefined || lastEventId > upTo ? upTo : lastEventId;
    this.#position = after;
    if (upTo - after > mostReplayed) {
      this.#position = upTo;
      const gap: LiveGap = { after, upTo };
      await this.#say(`id: ${upTo}\nevent: gap\ndata: ${JSON.stringify(gap)}\n\n`);
    }
    while (this.#position < upTo && !until.aborted) {
      const found = await this.#rooms.events.read({ after: this.#position, limit: page });
      await this.#events(found.filter(({ position }) => position <= upTo));
      if (found.length < page) this.#position = upTo;
    }
  }

  async #follow(): Promise<void> {
    const { reader, principal } = this.#options;
    for (let batch = await reader.next(); batch !== null; batch = await reader.next()) {
      await this.#events(batch.events);
      if (batch.flows === null) continue;
      await this.#activity(batch.flows);
      if (!(await this.#rooms.access.reaches(principal, []))) return; // revoked, or expired
    }
  }

  async #events(events: readonly EventRecord[]): Promise<void> {
    const { principal } = this.#options;
    for (const event of await visibleTo(this.#rooms.access, principal, events)) {
      await this.#say(`id: ${event.position}\nevent: event\ndata: ${JSON.stringify(viewOfEvent(event))}\n\n`);
    }
    this.#position = Math.max(this.#position, events.at(-1)?.position ?? 0);
  }

  /** Told when it differs from what was told last. */
  async #activity(flows: ReadonlyMap<string, Flow>): Promise<void> {
    const { hub, principal, clock } = this.#options;
    const { access, queries } = this.#rooms;
    const running = await queries.running(principal);
    const told: Omit<LiveActivity, "at"> = {
      datasets: await this.#visibleFlows(flows),
      queriesRunning: running.length,
      queries: running
        .filter(({ user }) => user === principal.user)
        .slice(0, mostQueries)
        .map(({ queryId, traceId, state, progress }) => ({ queryId, traceId, state, progress })),
      tasksRunning: (await visibleTo(access, principal, hub.runningTasks)).length,
    };
    const text = JSON.stringify(told);
    if (told.datasets.length === 0 && text === this.#told) return;
    this.#told = text;
    const activity: LiveActivity = { at: formatInstant(clock.now()), ...told };
    await this.#say(`id: ${this.#position}\nevent: activity\ndata: ${JSON.stringify(activity)}\n\n`);
  }

  async #visibleFlows(flows: ReadonlyMap<string, Flow>): Promise<Flow[]> {
    const { principal } = this.#options;
    const shown: Flow[] = [];
    for (const [name, flow] of [...flows].sort(([, a], [, b]) => b.rows - a.rows)) {
      if (shown.length >= mostDatasets) break;
      const dataset = datasetPath(name);
      if (await this.#rooms.access.allows(principal, "dataset.select", { dataset })) shown.push(flow);
    }
    return shown;
  }

  #say(text: string): Promise<void> {
    const said = this.#turn.then(() => this.#options.exchange.write(text));
    said.catch(() => {}); // told to who waits for it; a heartbeat has nobody
    this.#turn = said;
    return said;
  }

  #beat(): void {
    this.#forgetBeat = this.#options.clock.timer(heartbeatMs, () => {
      this.#say(": heartbeat\n\n").then(
        () => this.#beat(),
        () => {},
      );
    });
  }
}
