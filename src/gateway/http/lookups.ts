import { z } from "zod";
import { datasetName, formatDatasetPath, formatInstant, MillraceError, type ProjectName } from "../../base/index.ts";
import { schemaFailure } from "../edge/index.ts";
import type { Principal } from "./access-contract.ts";
import type { HeldLookup, LookupRows, Rooms } from "./contract.ts";
import { count, project } from "./parts.ts";
import { type HttpRoute, jsonRoute, parseJson, streamRoute } from "./route.ts";
import { lookupView } from "./views.ts";

const tag = "lookups";
const one = "/api/v1/lookups/{project}/{lookup}";
const lookup = z.string().transform((text) => datasetName(text));
const params = z.object({ project, lookup });
const mostKeys = 1_000;
const mostKeysBytes = 1024 * 1024;
/** Places of the table that one page looks at: about five milliseconds. */
const mostPlaces = 50_000;
const mostReplyBytes = 16 * 1024 * 1024;

const keys = z.array(z.string()).min(1).max(mostKeys);
const rowsView = z.object({
  rows: z
    .array(z.record(z.string(), z.unknown()).nullable())
    .describe("In the order of the keys; null: there is none."),
});
const pageView = z.object({
  rows: z.array(z.object({ key: z.string(), row: z.record(z.string(), z.unknown()) })),
  next: z
    .string()
    .nullable()
    .describe("Go on with `after`; null: that was all. A page may be short or empty before that."),
});

/** Rows by key, out of memory. Whoever may read the lookup's dataset may ask. */
export function lookupRoutes<Format>({ access, lookups }: Rooms<Format>): HttpRoute[] {
  const mayRead = (held: HeldLookup, principal: Principal) =>
    access.allows(principal, "dataset.select", { dataset: held.dataset });
  const find = async (path: { project: ProjectName; lookup: string }, principal: Principal): Promise<HeldLookup> => {
    const held = lookups.find(path.project, path.lookup);
    if (held !== null && (await mayRead(held, principal))) return held;
    throw new MillraceError("not_found", `There is no lookup ${path.project}.${path.lookup}.`, {
      hint: "GET /api/v1/lookups lists those that you may read. One that was just declared is there in a moment.",
    });
  };
  const rowsOf = async (path: { project: ProjectName; lookup: string }, principal: Principal): Promise<LookupRows> => {
    const held = await find(path, principal);
    if (held.rows !== null) return held.rows;
    const { problem } = held.state;
    throw new MillraceError(
      "unavailable",
      problem === null
        ? `The lookup ${path.project}.${path.lookup} is being loaded.`
        : `The lookup ${path.project}.${path.lookup} cannot be loaded: ${problem.message}`,
      { hint: problem?.hint ?? "Ask again in a moment.", retryAfterS: 1 },
    );
  };
  const rowReply = { status: 200, types: ["application/json"] };
  const json = { "content-type": "application/json; charset=utf-8" };

  return [
    jsonRoute({
      method: "GET",
      path: "/api/v1/lookups",
      summary: "Lookups that you may read, as this server holds them",
      tag,
      reply: z.object({ lookups: z.array(lookupView) }),
      async handle({ principal }) {
        const shown: z.infer<typeof lookupView>[] = [];
        for (const held of lookups.list()) if (await mayRead(held, principal)) shown.push(viewOf(held));
        return { lookups: shown };
      },
    }),
    jsonRoute({
      method: "GET",
      path: one,
      summary: "One lookup: whether it is ready, how large it is, how far behind",
      tag,
      params,
      reply: lookupView,
      handle: async ({ params: path, principal }) => viewOf(await find(path, principal)),
    }),
    streamRoute({
      method: "GET",
      path: `${one}/rows/{key}`,
      summary: "The row of one key",
      tag,
      params: params.extend({ key: z.string() }),
      body: null,
      reply: { ...rowReply, schema: z.record(z.string(), z.unknown()) },
      async handle({ params: path, principal, exchange }) {
        const rows = await rowsOf(path, principal);
        const row = rowOf(rows, path.key);
        if (row === null) throw new MillraceError("not_found", "There is no row of this key.");
        exchange.bytes(200, Buffer.from(row), json); // a copy: the answer may wait for its client
      },
    }),
    streamRoute({
      method: "GET",
      path: `${one}/rows`,
      summary: "Rows whose keys begin with a text, page by page, in no order that means something",
      tag,
      params,
      query: z.strictObject({
        prefix: z.string().max(1_000).default(""),
        after: z
          .string()
          .regex(/^\d{1,10}$/, "say the `next` of the page before")
          .default("0"),
        limit: count(1_000, 100),
      }),
      body: null,
      reply: { ...rowReply, schema: pageView },
      async handle({ params: path, query, principal, exchange }) {
        const rows = await rowsOf(path, principal);
        exchange.bytes(200, pageOf(rows, query), json);
      },
    }),
    streamRoute({
      method: "POST",
      path: `${one}/rows`,
      summary: `The rows of up to ${mostKeys} keys`,
      tag,
      params,
      body: { schema: z.strictObject({ keys }), types: ["application/json"] },
      reply: { ...rowReply, schema: rowsView },
      async handle({ params: path, principal, exchange }) {
        const asked = z.strictObject({ keys }).safeParse(parseJson(await exchange.text(mostKeysBytes)));
        if (!asked.success) throw schemaFailure(asked.error, "body");
        const rows = await rowsOf(path, principal);
        const found = asked.data.keys.map((key) => rowOf(rows, key) ?? Buffer.from("null"));
        exchange.bytes(200, joined('{"rows":[', found, "]}"), json);
      },
    }),
  ];
}

/** Valid until control goes back to the event loop. */
function rowOf(rows: LookupRows, key: string): Buffer | null {
  const bytes = Buffer.from(key);
  const address = rows.find(bytes, 0, bytes.length);
  return address === 0 ? null : rows.row(address);
}

function pageOf(rows: LookupRows, { prefix, after, limit }: { prefix: string; after: string; limit: number }): Buffer {
  const wanted = Buffer.from(prefix);
  const found: Buffer[] = [];
  let bytes = 0;
  let next: number | null = Math.min(Number(after), 2 ** 32 - 1);
  for (let left = mostPlaces; left > 0 && next !== null && found.length < limit && bytes < mostReplyBytes; left--) {
    next = rows.visit(next, 1, (key, address) => {
      if (!key.subarray(0, wanted.length).equals(wanted)) return;
      const entry = joined(`{"key":${JSON.stringify(key.toString())},"row":`, [rows.row(address)], "}");
      found.push(entry);
      bytes += entry.length;
    });
  }
  return joined('{"rows":[', found, `],"next":${next === null ? "null" : `"${next}"`}}`);
}

/** @throws too_large */
function joined(before: string, parts: readonly Uint8Array[], behind: string): Buffer {
  const bytes = parts.reduce((sum, part) => sum + part.length, 0);
  if (bytes > mostReplyBytes * 2)
    throw new MillraceError("too_large", "The rows are longer than one answer can be.", {
      hint: "Ask for fewer keys.",
    });
  const separated = parts.flatMap((part, index) => (index === 0 ? [part] : [Buffer.from(","), part]));
  return Buffer.concat([Buffer.from(before), ...separated, Buffer.from(behind)]);
}

function viewOf({ state }: HeldLookup): z.infer<typeof lookupView> {
  const { project: its, name, dataset, key, entries, bytes, appliedOffset, behindRows, behindMs, skippedRows } = state;
  return {
    project: its,
    name,
    dataset: formatDatasetPath(dataset),
    key: [...key],
    state: state.state,
    entries,
    bytes,
    entryBytes: entries === 0 ? null : Math.round(bytes / entries),
    appliedOffset,
    behindRows,
    behindMs,
    skippedRows,
    problem: state.problem?.message ?? null,
    at: formatInstant(state.at),
  };
}
