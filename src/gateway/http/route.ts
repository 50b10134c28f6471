import { z } from "zod";
import { MillraceError } from "../../base/index.ts";
import { type AnswerHeaders, type EdgeRoute, type Exchange, schemaFailure, type Visitor } from "../edge/index.ts";
import type { Principal } from "./access-contract.ts";

export type Method = "GET" | "HEAD" | "POST" | "PUT" | "DELETE";

/** What the OpenAPI document tells of a route. */
export interface RouteDescription {
  readonly method: Method;
  /** `/api/v1/things/{name}`. */
  readonly path: string;
  readonly summary: string;
  readonly tag: string;
  readonly params: z.ZodObject;
  readonly query: z.ZodObject;
  readonly headers: z.ZodObject;
  readonly body: { readonly schema: z.ZodType; readonly types: readonly string[] } | null;
  readonly reply: { readonly status: number; readonly schema: z.ZodType | null; readonly types: readonly string[] };
  readonly open: boolean;
}
export interface HttpRoute {
  readonly description: RouteDescription;
  readonly edge: EdgeRoute<Principal>;
}

/** One call of a route, its parts parsed at the door. */
export interface Call<Params, Query, Headers, Body> {
  readonly params: Params;
  readonly query: Query;
  readonly headers: Headers;
  readonly body: Body;
  readonly principal: Principal;
  readonly exchange: Exchange;
  readonly signal: AbortSignal;
}

const nothing = z.object({});
type Nothing = typeof nothing;
/** Largest JSON body where a route says nothing else. */
const bodyBytes = 1024 * 1024;

interface Definition<Params extends z.ZodObject, Query extends z.ZodObject, Headers extends z.ZodObject> {
  readonly method: Method;
  readonly path: string;
  readonly summary: string;
  readonly tag: string;
  readonly params?: Params;
  readonly query?: Query;
  /** Names in lower case; other headers are let be. */
  readonly headers?: Headers;
}

/** A route of JSON in and JSON out. `reply` is a schema for the document and the types; `null` answers 204. */
export function jsonRoute<
  Reply extends z.ZodType,
  Body extends z.ZodType = z.ZodUndefined,
  Params extends z.ZodObject = Nothing,
  Query extends z.ZodObject = Nothing,
  Headers extends z.ZodObject = Nothing,
>(
  definition: Definition<Params, Query, Headers> & {
    readonly body?: Body;
    readonly maxBodyBytes?: number;
    readonly reply: Reply;
    readonly status?: number;
    handle(call: Call<z.output<Params>, z.output<Query>, z.output<Headers>, z.output<Body>>): Promise<z.input<Reply>>;
  },
): HttpRoute {
  const { body, reply } = definition;
  const status = definition.status ?? (reply instanceof z.ZodVoid ? 204 : 200);
  return build(
    definition,
    body === undefined ? null : { schema: body, types: ["application/json"] },
    { status, schema: status === 204 ? null : reply, types: ["application/json"] },
    async (exchange, principal, parts) => {
      const parsed = await readJson<Body>(exchange, body, definition.maxBodyBytes ?? bodyBytes);
      const value = await definition.handle({ ...parts, body: parsed, principal, exchange, signal: exchange.signal });
      if (status === 204) exchange.bytes(204, new Uint8Array(0), {});
      else exchange.json(status, value);
    },
  );
}

/** A route that reads its own body and writes its own answer. */
export function streamRoute<
  Params extends z.ZodObject = Nothing,
  Query extends z.ZodObject = Nothing,
  Headers extends z.ZodObject = Nothing,
>(
  definition: Definition<Params, Query, Headers> & {
    readonly body: RouteDescription["body"];
    readonly reply: RouteDescription["reply"];
    handle(call: Call<z.output<Params>, z.output<Query>, z.output<Headers>, null>): Promise<void>;
  },
): HttpRoute {
  return build(definition, definition.body, definition.reply, (exchange, principal, parts) =>
    definition.handle({ ...parts, body: null, principal, exchange, signal: exchange.signal }),
  );
}

/** A route that asks for no credentials (`open`), or maybe none (`metrics`). */
export function openRoute(definition: {
  readonly path: string;
  readonly summary: string;
  readonly access: "open" | "metrics";
  readonly types: readonly string[];
  handle(exchange: Exchange): Promise<void>;
}): HttpRoute {
  const { path, summary, access, types, handle } = definition;
  return {
    description: {
      method: "GET",
      path,
      summary,
      tag: "server",
      params: nothing,
      query: nothing,
      headers: nothing,
      body: null,
      reply: { status: 200, schema: null, types },
      open: true,
    },
    edge: { method: "GET", url: path, access, handle },
  };
}

/** A route of JSON in and JSON out that anybody may ask, and that looks at who asks all the same. */
export function visitorRoute<Reply extends z.ZodType, Body extends z.ZodType>(definition: {
  readonly method: Method;
  readonly path: string;
  readonly summary: string;
  readonly tag: string;
  readonly body: Body | null;
  readonly reply: Reply;
  handle(call: {
    readonly exchange: Exchange;
    readonly visitor: Visitor<Principal>;
    readonly body: z.output<Body>;
  }): Promise<{ readonly value: z.input<Reply>; readonly headers?: AnswerHeaders }>;
}): HttpRoute {
  const { method, path, summary, tag, body, reply } = definition;
  const parts = { params: nothing, query: nothing, headers: nothing };
  const types = ["application/json"];
  const isVoid = reply instanceof z.ZodVoid;
  return {
    description: {
      ...{ method, path, summary, tag, ...parts, open: true },
      body: body === null ? null : { schema: body, types },
      reply: { status: isVoid ? 204 : 200, schema: isVoid ? null : reply, types },
    },
    edge: {
      method,
      url: path,
      access: "visitor",
      async handle(exchange, visitor) {
        const parsed = await readJson<Body>(exchange, body ?? undefined, bodyBytes);
        const { value, headers = {} } = await definition.handle({ exchange, visitor, body: parsed });
        if (isVoid) exchange.bytes(204, new Uint8Array(0), headers);
        else exchange.json(200, value, headers);
      },
    },
  };
}

function build<Params extends z.ZodObject, Query extends z.ZodObject, Headers extends z.ZodObject>(
  definition: Definition<Params, Query, Headers>,
  body: RouteDescription["body"],
  reply: RouteDescription["reply"],
  run: (
    exchange: Exchange,
    principal: Principal,
    parts: { params: z.output<Params>; query: z.output<Query>; headers: z.output<Headers> },
  ) => Promise<void>,
): HttpRoute {
  const { method, path, summary, tag } = definition;
  const params: z.ZodObject = definition.params ?? nothing;
  const query: z.ZodObject = definition.query ?? nothing;
  const headers: z.ZodObject = definition.headers ?? nothing;
  return {
    description: { method, path, summary, tag, params, query, headers, body, reply, open: false },
    edge: {
      method,
      url: path.replace(/\{(\w+)\}/g, ":$1"),
      access: "principal",
      handle: (exchange, principal) =>
        run(exchange, principal, {
          params: parsePart<Params>(definition.params, exchange.params, "path"),
          query: parsePart<Query>(definition.query, exchange.query, "query"),
          headers: parsePart<Headers>(definition.headers, exchange.request.headers, "headers"),
        }),
    },
  };
}

function parsePart<Schema extends z.ZodObject>(
  schema: Schema | undefined,
  value: unknown,
  what: string,
): z.output<Schema> {
  const parsed = (schema ?? nothing).safeParse(value);
  if (!parsed.success) throw schemaFailure(parsed.error, what);
  // A part without a schema has the type of `nothing`, which is then what `Schema` stands for.
  return parsed.data as z.output<Schema>;
}

async function readJson<Body extends z.ZodType>(
  exchange: Exchange,
  schema: Body | undefined,
  maxBytes: number,
): Promise<z.output<Body>> {
  if (schema === undefined) return undefined as z.output<Body>; // `Body` is then z.ZodUndefined
  const type = (exchange.header("content-type") ?? "application/json").split(";")[0]?.trim().toLowerCase();
  if (type !== "application/json") {
    throw new MillraceError("unknown_format", `This route reads application/json, not ${String(type).slice(0, 100)}.`);
  }
  const parsed = schema.safeParse(parseJson(await exchange.text(maxBytes)));
  if (!parsed.success) throw schemaFailure(parsed.error, "body");
  return parsed.data;
}

/** An empty text is an empty object, so that optional bodies may be left out. @throws bad_request */
export function parseJson(text: string): unknown {
  if (text.trim() === "") return {};
  try {
    return JSON.parse(text);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : "it cannot be read";
    throw new MillraceError("bad_request", `The body is not valid JSON: ${reason}.`, { cause });
  }
}
