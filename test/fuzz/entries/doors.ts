import { z } from "zod";
import { anyBody, encoded, formats, patterns, type SeedBodies } from "../bodies.ts";
import type { FuzzEntry } from "../campaign.ts";
import type { Dice } from "../dice.ts";
import { checkAnswer, Finding } from "../finding.ts";
import type { Framing, FuzzInput } from "../input.ts";
import { mutateBytes } from "../mutate.ts";
import { fromSchema, textFor } from "../schema-values.ts";
import { anyStatement } from "../sql-grammar.ts";
import type { Target } from "../target.ts";
import { anyManifests } from "./manifests.ts";
import { anyBlock } from "./odf.ts";
import { anyRegion } from "./regions.ts";

const schemaShape: z.ZodType<Record<string, unknown>> = z.record(z.string(), z.unknown());
const parameterShape = z.object({
  name: z.string(),
  in: z.enum(["path", "query", "header"]),
  required: z.boolean(),
  schema: schemaShape,
});
const operationShape = z.object({
  operationId: z.string(),
  parameters: z.array(parameterShape),
  requestBody: z.object({ content: z.record(z.string(), z.object({ schema: schemaShape })) }).optional(),
});
const documentShape = z.object({
  paths: z.record(z.string(), z.record(z.string(), operationShape)),
  components: z.object({ schemas: z.record(z.string(), schemaShape) }),
});

/** One route of the server's own description. */
export interface Door {
  readonly id: string;
  readonly method: string;
  readonly path: string;
  readonly operation: z.infer<typeof operationShape>;
}

/** Doors whose bodies are no JSON of a schema: who makes them. Others are made from their schema. */
const bodies: Readonly<Record<string, (dice: Dice, seeds: SeedBodies) => string | Uint8Array>> = {
  post_api_v1_projects_project_datasets_dataset_rows: (dice, seeds) =>
    anyBody(dice, dice.pick(["ndjson", "json", "text"]), seeds),
  post_api_v1_preview: (dice, seeds) => anyBody(dice, dice.pick(formats), seeds),
  post_api_v1_apply: anyManifests,
  post_api_v1_diff: anyManifests,
  post_api_v1_projects_project_datasets_dataset_replica_blocks: anyBlock,
  put_api_v1_projects_project_datasets_dataset_replica_objects_part_hash: (dice, seeds) =>
    anyBody(dice, "parquet", seeds),
  post_api_v1_projects_project_datasets_dataset_replica_regions: anyRegion,
  put_api_v1_projects_project_datasets_dataset_replica_regions_level_index_hash: (dice, seeds) =>
    anyBody(dice, "parquet", seeds),
};
/** Answers that have no end of their own. */
const endless = new Set(["get_api_v1_events_stream", "get_api_v1_live"]);

/** Every door that the server describes. */
export async function doorsOf(
  target: Target,
): Promise<{ doors: readonly Door[]; components: Readonly<Record<string, Record<string, unknown>>> }> {
  const reply = await fetch(new URL("/api/v1/openapi.json", target.platform.url));
  const document = documentShape.parse(await reply.json());
  const doors = Object.entries(document.paths).flatMap(([path, operations]) =>
    Object.entries(operations).map(([method, operation]) => ({
      id: operation.operationId,
      method: method.toUpperCase(),
      path,
      operation,
    })),
  );
  return { doors, components: document.components.schemas };
}

/** A door that takes something else than JSON must have a maker of its own here. @throws Finding */
export function checkCovered(doors: readonly Door[]): void {
  for (const { id, operation } of doors) {
    const types = Object.keys(operation.requestBody?.content ?? {});
    const isJson = types.length === 0 || types.includes("application/json");
    if (!isJson && bodies[id] === undefined)
      throw new Finding(`the door ${id} takes ${types.join(", ")}, and no fuzz entry makes that`);
  }
  for (const id of [...Object.keys(bodies), ...endless]) {
    if (!doors.some((door) => door.id === id)) throw new Finding(`the door ${id} is gone`);
  }
}

/** Every REST door in turn: parameters and bodies by its own description, then bent. */
export async function doorsEntry(target: Target, seeds: SeedBodies): Promise<FuzzEntry> {
  const { doors, components } = await doorsOf(target);
  checkCovered(doors);
  let turn = 0;
  return {
    name: "doors",
    atOnce: 8,
    deadlineMs: 20_000,
    make(dice) {
      const door = doors[turn++ % doors.length];
      if (door === undefined) throw new Error("there is no door");
      return requestTo(dice.chance(0.9) ? dice.pick(doors) : door, dice, components, seeds);
    },
    async judge(input, signal) {
      const isEndless = /^\/api\/v1\/(events\/stream|live)/.test(input.path);
      const answer = isEndless ? await begun(target, input) : await target.send(input, signal);
      if (answer !== null) checkAnswer(answer, input.method === "HEAD");
      if (!target.isAlive) throw new Finding("the server has ended");
    },
  };
}

/** A stream of events is judged by its beginning. */
async function begun(target: Target, input: FuzzInput) {
  const reply = await fetch(new URL(input.path, target.platform.url), {
    headers: { authorization: `Bearer ${target.platform.token}` },
    signal: AbortSignal.timeout(20_000),
  });
  const isStream = reply.headers.get("content-type") === "text/event-stream";
  if (isStream) await reply.body?.cancel();
  const body = isStream ? Buffer.alloc(0) : Buffer.from(await reply.arrayBuffer());
  return { status: reply.status, headers: Object.fromEntries(reply.headers), body };
}

function requestTo(
  door: Door,
  dice: Dice,
  components: Readonly<Record<string, Record<string, unknown>>>,
  seeds: SeedBodies,
): FuzzInput {
  const headers: Record<string, string> = {};
  const query: string[] = [];
  let path = door.path;
  for (const parameter of door.operation.parameters) {
    const text = textFor(dice, parameter.name, parameter.schema);
    if (parameter.in === "path") path = path.replace(`{${parameter.name}}`, encodeURIComponent(text.toWellFormed()));
    else if (parameter.required || dice.chance(0.4)) {
      if (parameter.in === "query") query.push(`${parameter.name}=${encodeURIComponent(text.toWellFormed())}`);
      else headers[parameter.name] = headerText(text);
    }
  }
  if (dice.chance(0.03))
    query.push(`${encodeURIComponent(dice.pick(["x", "__proto__", "limit", "format"]))}=${dice.below(9)}`);
  if (dice.chance(0.02))
    headers.authorization = dice.pick([
      "",
      "Bearer",
      "Bearer x",
      "Basic !!!",
      "Basic b3duZXI6eA==",
      "Digest a",
      "Bearer mlr_".repeat(50),
    ]);
  if (dice.chance(0.03))
    headers.accept = dice.pick(["text/csv", "*/*", "application/*;q=0", ",,,", "a".repeat(2_000), "image/png"]);
  const target = query.length === 0 ? path : `${path}?${query.join("&")}`;
  const content = door.operation.requestBody?.content;
  if (content === undefined)
    return { method: door.method, path: target, headers, body: null, framing: { kind: "length" } };
  const types = Object.keys(content);
  const type = dice.chance(0.95)
    ? dice.pick(types)
    : dice.pick(["text/html", "", "application/json; charset=utf-16", "multipart/form-data"]);
  headers["content-type"] = type;
  const made = bodyOf(door, dice, content[type]?.schema ?? Object.values(content)[0]?.schema ?? {}, components, seeds);
  const body = dice.chance(0.75) ? Buffer.from(made) : mutateBytes(dice, Buffer.from(made));
  return { method: door.method, path: target, headers, body, framing: anyFraming(dice, body.length) };
}

function bodyOf(
  door: Door,
  dice: Dice,
  schema: Record<string, unknown>,
  components: Readonly<Record<string, Record<string, unknown>>>,
  seeds: SeedBodies,
): string | Uint8Array {
  const maker = bodies[door.id];
  if (maker !== undefined) return maker(dice, seeds);
  if (door.id === "post_api_v1_sql" && dice.chance(0.5)) return JSON.stringify({ sql: anyStatement(dice) });
  return JSON.stringify(fromSchema(dice, schema, components));
}

/** How bodies travel: mostly whole, some in pieces, some broken off. */
export function anyFraming(dice: Dice, bodyBytes: number): Framing {
  const choice = dice.below(12);
  if (choice < 8) return { kind: "length" };
  if (choice < 11)
    return { kind: "chunked", pieceBytes: Math.max(1, dice.few(Math.max(1, bodyBytes)), Math.ceil(bodyBytes / 50)) };
  return { kind: "brokenOff", afterBytes: dice.below(bodyBytes + 1) };
}

/** What a header may hold at all (RFC 9110 section 5.5); other bytes are for the entry `wire`. */
function headerText(text: string): string {
  return text
    .replaceAll(/[^\t\x20-\x7e\x80-\xff]/g, "?")
    .slice(0, 2_000)
    .trim();
}

/** Pushes of every format through the door, answered before their rows are committed. */
export function pushInput(dice: Dice, seeds: SeedBodies, dataset: string): FuzzInput {
  const format = dice.pick(formats);
  const { bytes, encoding } = encoded(dice, anyBody(dice, format, seeds));
  const query = new URLSearchParams({ create: "true", ack: dice.chance(0.97) ? "staged" : "committed" });
  if (format === "text") query.set("pattern", dice.pick(patterns));
  else query.set("format", format);
  const headers: Record<string, string> = encoding === null ? {} : { "content-encoding": encoding };
  if (dice.chance(0.1)) headers["idempotency-key"] = `key-${dice.below(50)}`;
  return {
    method: "POST",
    path: `/api/v1/projects/fuzz/datasets/${dataset}/rows?${query}`,
    headers,
    body: bytes,
    framing: anyFraming(dice, bytes.length),
  };
}
