import { z } from "zod";
import { MillraceError, type QueryId } from "../../base/index.ts";
import { type AnswerHeaders, type Exchange, schemaFailure } from "../edge/index.ts";
import type { Principal } from "./access-contract.ts";
import type { Rooms } from "./contract.ts";
import type { Parameter, QueryOutput, ResultFormat } from "./query-contract.ts";
import { type HttpRoute, jsonRoute, parseJson, streamRoute } from "./route.ts";
import { queryView } from "./views.ts";

const tag = "sql";
const requestBytes = 4 * 1024 * 1024;
const formats = ["json", "ndjson", "csv", "parquet", "arrow"] as const;

const contentTypes: Readonly<Record<ResultFormat, string>> = {
  json: "application/json; charset=utf-8",
  ndjson: "application/x-ndjson",
  csv: "text/csv; charset=utf-8",
  parquet: "application/vnd.apache.parquet",
  arrow: "application/vnd.apache.arrow.stream",
};

const parameter: z.ZodType<Parameter> = z.lazy(() =>
  z.union([
    z.null(),
    z.boolean(),
    z.number(),
    z.string(),
    z.strictObject({ type: z.string().max(100), value: z.string() }),
    z.array(parameter).max(100_000),
  ]),
);
// Written out, because the union above refers to itself and clients are better served by words.
const parameters = z
  .union([z.array(parameter).max(1_000), z.record(z.string().max(100), parameter)])
  .describe("A list for ? and $1, an object for $name. {type, value} says another type by its SQL name.");
const options = {
  format: z.enum(formats).optional(),
  rowLimit: z.coerce.number().int().min(0).optional().describe("Rows beyond it are cut, and the answer says so."),
  timeoutMs: z.coerce.number().int().min(1).optional(),
};
const wait = "false answers 202 at once: the result is fetched by the query's id.";
const sqlBody = z.strictObject({
  sql: z.string().min(1),
  parameters: parameters.default([]),
  format: z.enum(formats).optional(),
  rowLimit: z.int().min(0).nullish(),
  timeoutMs: z.int().min(1).nullish(),
  wait: z.boolean().default(true).describe(wait),
});
type Asked = z.output<typeof sqlBody>;

const queryId = z
  .string()
  .max(100)
  .transform((text) => text as QueryId); // any text may be asked for; an id that never was is not found
const accept = z.object({
  accept: z.string().optional().describe("The result's format, where ?format= does not say."),
});

export function sqlRoutes<Format>({ queries }: Rooms<Format>): HttpRoute[] {
  const run = async (asked: Asked, principal: Principal, exchange: Exchange, signal: AbortSignal) => {
    const { sql, parameters, rowLimit = null, timeoutMs = null } = asked;
    const format = asked.format ?? accepted(exchange.header("accept"));
    const { traceId } = exchange;
    const input = { sql, parameters, format, rowLimit, timeoutMs, principal, traceId, origin: "http" } as const;
    if (!asked.wait) {
      const state = await queries.start(input);
      return exchange.json(202, state, { location: `/api/v1/sql/${state.queryId}/result` });
    }
    await using result = await queries.run(input, signal);
    await answer(exchange, result);
  };
  const reply = { status: 200, schema: null, types: formats.map((format) => contentTypes[format].split(";")[0] ?? "") };

  return [
    streamRoute({
      method: "POST",
      path: "/api/v1/sql",
      summary: "Runs a query; text/plain is the query itself, with options in the query string",
      tag,
      query: z.strictObject({ ...options, wait: z.stringbool().optional().describe(wait) }),
      headers: accept,
      body: { schema: sqlBody, types: ["application/json", "text/plain", "application/sql"] },
      reply,
      async handle({ query, principal, exchange, signal }) {
        const text = await exchange.text(requestBytes);
        const asked = readStatement(text, exchange.header("content-type"));
        const { format = query.format, rowLimit = query.rowLimit, timeoutMs = query.timeoutMs } = asked;
        const wait = query.wait ?? asked.wait;
        await run({ ...asked, format, rowLimit, timeoutMs, wait }, principal, exchange, signal);
      },
    }),
    streamRoute({
      method: "GET",
      path: "/api/v1/sql",
      summary: "Runs a query given in the query string",
      tag,
      query: z.strictObject({ query: z.string().min(1).max(8_192), ...options }),
      headers: accept,
      body: null,
      reply,
      handle: ({ query: { query, ...rest }, principal, exchange, signal }) =>
        run({ sql: query, parameters: [], wait: true, ...rest }, principal, exchange, signal),
    }),
    jsonRoute({
      method: "GET",
      path: "/api/v1/sql/{queryId}",
      summary: "How a query stands, or how it ended",
      tag,
      params: z.object({ queryId }),
      reply: queryView,
      async handle({ params, principal }) {
        return (await queries.get(params.queryId, principal)) ?? unknownQuery();
      },
    }),
    streamRoute({
      method: "GET",
      path: "/api/v1/sql/{queryId}/result",
      summary: "The result of a query that was started without waiting; 202 while it runs",
      tag,
      params: z.object({ queryId }),
      body: null,
      reply,
      async handle({ params, principal, exchange }) {
        const found = (await queries.result(params.queryId, principal)) ?? unknownQuery();
        if (found.kind === "pending") return exchange.json(202, found.state, { "retry-after": "1" });
        await using result = found.result;
        await answer(exchange, result);
      },
    }),
    jsonRoute({
      method: "DELETE",
      path: "/api/v1/sql/{queryId}",
      summary: "Cancels a query, and drops its result where one is kept",
      tag,
      params: z.object({ queryId }),
      reply: queryView,
      async handle({ params, principal }) {
        return (await queries.cancel(params.queryId, principal)) ?? unknownQuery();
      },
    }),
    jsonRoute({
      method: "GET",
      path: "/api/v1/queries",
      summary: "Queries that wait or run; yours, or all for an owner",
      tag,
      reply: z.object({ queries: z.array(queryView) }),
      async handle({ principal }) {
        return { queries: [...(await queries.running(principal))] };
      },
    }),
  ];
}

function unknownQuery(): never {
  throw new MillraceError("not_found", "There is no such query.", { hint: "Ended queries are in system.queries." });
}

function readStatement(text: string, contentType: string | undefined): Asked {
  const type = contentType?.split(";")[0]?.trim().toLowerCase() ?? "";
  if (type === "text/plain" || type === "application/sql") {
    if (text.trim() === "") throw new MillraceError("bad_request", "The body holds no statement.");
    return { sql: text, parameters: [], wait: true };
  }
  if (type !== "application/json" && type !== "") {
    throw new MillraceError(
      "unknown_format",
      `A query comes as application/json or text/plain, not ${type.slice(0, 100)}.`,
    );
  }
  const parsed = sqlBody.safeParse(parseJson(text));
  if (!parsed.success) throw schemaFailure(parsed.error, "body");
  return parsed.data;
}

/** The first listed format that the Accept header names; JSON where it names none or anything. @throws unknown_format */
function accepted(header: string | undefined): ResultFormat {
  if (header === undefined || header.trim() === "") return "json";
  const types = header.split(",").map((part) => part.split(";")[0]?.trim().toLowerCase() ?? "");
  for (const type of types) {
    if (type === "*/*" || type === "application/*") return "json";
    const found = formats.find((format) => contentTypes[format].startsWith(type) && type.includes("/"));
    if (found !== undefined) return found;
    if (type === "application/ndjson") return "ndjson";
    if (type === "text/*") return "csv";
  }
  throw new MillraceError("unknown_format", "No result format fits the Accept header.", {
    hint: `Use ?format= with one of ${formats.join(", ")}.`,
  });
}

/** Bytes of the worker go out as they are; a spooled result is read as fast as the client takes it. */
async function answer(exchange: Exchange, result: QueryOutput): Promise<void> {
  const headers: AnswerHeaders = {
    "content-type": contentTypes[result.format],
    "millrace-query-id": result.queryId,
    "millrace-rows": String(result.rows),
    "millrace-truncated": String(result.truncated),
    // A result in a browser is data, never a page.
    "content-security-policy": "default-src 'none'; sandbox",
  };
  switch (result.body.kind) {
    case "inline":
      return exchange.bytes(200, result.body.bytes, headers);
    case "file":
      return await exchange.file(200, result.body.path, result.body.sizeBytes, headers);
  }
}
