import { z } from "zod";
import { type Clock, type Metrics, MillraceError, projectName, type TaskId } from "../../base/index.ts";
import type { Exchange } from "../edge/index.ts";
import type { Principal } from "./access-contract.ts";
import type { EventRecord, Rooms } from "./contract.ts";
import { count } from "./parts.ts";
import { type HttpRoute, jsonRoute, streamRoute } from "./route.ts";
import { eventView, taskView } from "./views.ts";
import { seesProject, viewOfEvent, visibleTo } from "./visibility.ts";

const heartbeatMs = 15_000;
const maxStreams = 200;
const eventsAtOnce = 1_000;
const mostPagesBack = 20;
const types = z
  .string()
  .max(1_000)
  .optional()
  .describe("Event types, joined by commas.")
  .transform((text) => text?.split(",").filter((type) => type !== ""));
const taskId = z
  .string()
  .max(100)
  .transform((text) => text as TaskId); // any text may be asked for

export interface WorkOptions {
  readonly clock: Clock;
  readonly metrics: Metrics;
  /** Aborts when the server begins to stop: streams end, and clients come back to the next server. */
  readonly draining: () => AbortSignal;
}

/** Tasks and events of a project need project.view; those of no project, organization.admin. */
export function workRoutes<Format>({ access, tasks, events }: Rooms<Format>, options: WorkOptions): HttpRoute[] {
  const sees = (principal: Principal, project: string | null) => seesProject(access, principal, project);
  const visible = <Item extends { readonly project: string | null }>(principal: Principal, items: readonly Item[]) =>
    visibleTo(access, principal, items);
  const findTask = async (id: TaskId, principal: Principal) => {
    const task = await tasks.get(id);
    if (task === null || !(await sees(principal, task.project)))
      throw new MillraceError("not_found", "There is no such task.");
    return task;
  };
  let streams = 0;

  return [
    jsonRoute({
      method: "GET",
      path: "/api/v1/tasks",
      summary: "Tasks, newest first",
      tag: "tasks",
      query: z.strictObject({
        project: z.string().optional(),
        state: z.string().optional(),
        kind: z.string().optional(),
        before: z.string().optional().describe("`next` of the page before."),
        limit: count(1_000, 100),
      }),
      reply: z.object({ tasks: z.array(taskView), next: z.string().nullable() }),
      async handle({ query, principal }) {
        const { project = null, state = null, kind = null, before = null, limit } = query;
        const found = await tasks.list({ project, state, kind, before, limit });
        return {
          tasks: await visible(principal, found),
          next: found.length < limit ? null : (found.at(-1)?.id ?? null),
        };
      },
    }),
    jsonRoute({
      method: "GET",
      path: "/api/v1/tasks/{id}",
      summary: "One task",
      tag: "tasks",
      params: z.object({ id: taskId }),
      reply: taskView,
      handle: ({ params, principal }) => findTask(params.id, principal),
    }),
    jsonRoute({
      method: "POST",
      path: "/api/v1/tasks/{id}/cancel",
      summary: "Cancels a task; it stays cancelled",
      tag: "tasks",
      params: z.object({ id: taskId }),
      reply: taskView,
      async handle({ params, principal }) {
        const task = await findTask(params.id, principal);
        if (task.project === null) await access.authorize(principal, "organization.admin", {});
        else await access.authorize(principal, "project.edit", { project: projectName(task.project) });
        return await tasks.cancel(params.id, principal.user);
      },
    }),
    jsonRoute({
      method: "GET",
      path: "/api/v1/events",
      summary: "Events after a position, or the last ones, in their order",
      tag: "events",
      query: z
        .strictObject({
          after: z.coerce.number().int().min(0).optional(),
          last: z.coerce
            .number()
            .int()
            .min(1)
            .max(1_000)
            .optional()
            .describe("The newest that you may see, instead of those after a position; at most 1000."),
          before: z.coerce.number().int().min(0).optional().describe("With `last`: those before this position."),
          types,
          limit: count(1_000, 100),
        })
        .refine(({ after, last }) => after === undefined || last === undefined, {
          message: "`after` and `last` exclude each other",
        }),
      reply: z.object({ events: z.array(eventView), next: z.int().describe("Ask for what comes `after` it.") }),
      async handle({ query, principal }) {
        const ofTypes = query.types === undefined ? {} : { types: query.types };
        if (query.last !== undefined) {
          const found = await lastEvents(principal, query.last, query.before ?? Number.MAX_SAFE_INTEGER, ofTypes);
          return { events: found.map(viewOfEvent), next: found.at(-1)?.position ?? 0 };
        }
        const { after = 0, limit } = query;
        const found = await events.read({ after, limit, ...ofTypes });
        return { events: (await visible(principal, found)).map(viewOfEvent), next: found.at(-1)?.position ?? after };
      },
    }),
    streamRoute({
      method: "GET",
      path: "/api/v1/events/stream",
      summary: "Events as they happen (server-sent); Last-Event-ID or ?after= goes on where you were",
      tag: "events",
      query: z.strictObject({ after: z.coerce.number().int().min(0).optional(), types }),
      headers: z.object({ "last-event-id": z.coerce.number().int().min(0).optional() }),
      body: null,
      reply: { status: 200, schema: null, types: ["text/event-stream"] },
      async handle({ query, headers, principal, exchange, signal }) {
        if (streams >= maxStreams) {
          throw new MillraceError("too_many_requests", `${maxStreams} streams of events are open.`, {
            retryAfterS: 10,
          });
        }
        options.metrics.gauge("http_event_streams", ++streams);
        try {
          const after = headers["last-event-id"] ?? query.after;
          const until = AbortSignal.any([signal, options.draining()]);
          const feed = events.tail({
            signal: until,
            ...(after === undefined ? {} : { after }),
            ...(query.types === undefined ? {} : { types: query.types }),
          });
          await streamEvents(exchange, feed, until, (event) => sees(principal, event.project));
        } finally {
          options.metrics.gauge("http_event_streams", --streams);
        }
      },
    }),
  ];

  /** The newest of those that the principal may see, the oldest of them first; looked for as far back as is affordable. */
  async function lastEvents(
    principal: Principal,
    last: number,
    before: number,
    ofTypes: { readonly types?: readonly string[] },
  ): Promise<EventRecord[]> {
    const found: EventRecord[] = [];
    let from = before;
    for (let pages = 0; pages < mostPagesBack && found.length < last; pages++) {
      const page = await events.readBack({ before: from, limit: eventsAtOnce, ...ofTypes });
      found.push(...(await visible(principal, page)));
      from = page.at(-1)?.position ?? 0;
      if (page.length < eventsAtOnce) break;
    }
    return found.slice(0, last).toReversed();
  }

  /** One write at a time: a heartbeat waits its turn, and a slow client slows its own feed alone. */
  async function streamEvents(
    exchange: Exchange,
    feed: AsyncIterable<EventRecord>,
    until: AbortSignal,
    isSeen: (event: EventRecord) => Promise<boolean>,
  ): Promise<void> {
    exchange.begin(200, { "content-type": "text/event-stream", "x-accel-buffering": "no" });
    let turn = exchange.write("retry: 1000\n\n");
    const say = (text: string) => {
      turn = turn.then(() => exchange.write(text));
      return turn;
    };
    let forget = () => {};
    const beat = () => {
      forget = options.clock.timer(heartbeatMs, () => say(": heartbeat\n\n").then(beat, () => {}));
    };
    beat();
    try {
      for await (const event of feed) {
        if (!(await isSeen(event))) continue;
        await say(`id: ${event.position}\nevent: ${event.type}\ndata: ${JSON.stringify(viewOfEvent(event))}\n\n`);
      }
      await turn;
    } catch (error) {
      // The client's going, or ours: both end the stream, which the client resumes.
      if (!until.aborted) throw error;
    } finally {
      forget();
    }
    exchange.end();
  }
}
