import { z } from "zod";
import { errorReply } from "../edge/index.ts";
import type { RouteDescription } from "./route.ts";

type Json = Record<string, unknown>;
const record = z.record(z.string(), z.unknown());

/** The API as an OpenAPI 3.1 document, made from the schemas that parse the requests. Named schemas become components. */
export function openApiDocument(routes: readonly RouteDescription[], version: string): Json {
  const components: Json = {};
  const paths: Record<string, Json> = {};
  const error = { $ref: schemaOf(errorReply, "output", components).$ref };
  for (const route of routes) {
    const operations = paths[route.path] ?? {};
    operations[route.method.toLowerCase()] = operation(route, error, components);
    paths[route.path] = operations;
  }
  return {
    openapi: "3.1.0",
    info: {
      title: "Millrace",
      version,
      description: "docs/api.md tells it in words; docs/errors.md explains each error code.",
    },
    paths,
    components: {
      schemas: components,
      securitySchemes: { token: { type: "http", scheme: "bearer" }, password: { type: "http", scheme: "basic" } },
    },
  };
}

function operation(route: RouteDescription, error: Json, components: Json): Json {
  const { body, reply } = route;
  const answer = reply.schema === null ? {} : schemaOf(reply.schema, "output", components);
  const content = Object.fromEntries(reply.types.map((type) => [type, { schema: answer }]));
  return {
    summary: route.summary,
    tags: [route.tag],
    operationId: `${route.method.toLowerCase()} ${route.path}`.replace(/[^A-Za-z0-9]+/g, "_").replace(/_$/, ""),
    security: route.open ? [] : [{ token: [] }, { password: [] }],
    parameters: [
      ...parametersOf(route.params, "path", components),
      ...parametersOf(route.query, "query", components),
      ...parametersOf(route.headers, "header", components),
    ],
    ...(body === null
      ? {}
      : {
          requestBody: {
            required: true,
            content: Object.fromEntries(
              body.types.map((type) => [type, { schema: bodySchema(body.schema, type, components) }]),
            ),
          },
        }),
    responses: {
      [reply.status]: reply.status === 204 ? { description: "Done." } : { description: "Done.", content },
      default: { description: "An error.", content: { "application/json": { schema: error } } },
    },
  };
}

function bodySchema(schema: z.ZodType, type: string, components: Json): Json {
  return type.startsWith("application/json") ? schemaOf(schema, "input", components) : {};
}

function parametersOf(schema: z.ZodObject, place: "path" | "query" | "header", components: Json): Json[] {
  const { properties, required } = schemaOf(schema, "input", components);
  const names = z.array(z.string()).catch([]).parse(required);
  return Object.entries(record.catch({}).parse(properties))
    .filter(([name]) => !(place === "header" && ["accept", "content-type", "authorization"].includes(name)))
    .map(([name, of]) => {
      const { description, ...rest } = record.parse(of);
      return {
        name,
        in: place,
        required: place === "path" || names.includes(name),
        ...(description === undefined ? {} : { description }),
        schema: rest,
      };
    });
}

/** The JSON Schema, its named parts moved to the components. */
function schemaOf(schema: z.ZodType, io: "input" | "output", components: Json): Json {
  const made = record.parse(
    JSON.parse(
      JSON.stringify(z.toJSONSchema(schema, { io, unrepresentable: "any" })).replaceAll(
        '"#/$defs/',
        '"#/components/schemas/',
      ),
    ),
  );
  const { $schema: _dialect, $defs, id, ...rest } = made;
  for (const [name, part] of Object.entries(record.catch({}).parse($defs))) {
    const { id: _own, ...partRest } = record.parse(part);
    components[name] ??= partRest;
  }
  if (typeof id !== "string") return rest;
  components[id] ??= rest;
  return { $ref: `#/components/schemas/${id}` };
}
