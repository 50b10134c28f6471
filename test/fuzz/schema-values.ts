import { z } from "zod";
import type { Dice } from "./dice.ts";
import { anyName, anyText, jsonText } from "./values.ts";

type Schema = Readonly<Record<string, unknown>>;
type Components = Readonly<Record<string, Schema>>;
const record = z.record(z.string(), z.unknown());
const known: Readonly<Record<string, readonly string[]>> = {
  project: ["fuzz", "fuzz2", "web", "system", "no_such"],
  dataset: ["a", "b", "c__quarantine", "queries", "no_such"],
  name: ["a", "b", "fuzz", "fuzz2", "s3"],
  kind: ["Project", "Dataset", "Source", "Connection", "SavedQuery", "Lookup", "User"],
  lookup: ["a", "b", "no_such"],
  user: ["ann", "bob", "no_such"],
  queryId: ["q", "0"],
  id: ["i", "00000000-0000-0000-0000-000000000000"],
  format: ["json", "csv", "ndjson", "parquet", "arrow"],
  pattern: ["combined", "(?<a>.*)", "("],
  query: ["SELECT 1", "SELECT * FROM fuzz.a", "x"],
  after: ["", "0", "a", "fuzz.a"],
  "if-match": ["1", '"2"', "*", "99999999999999999999"],
};

/** A text for a parameter: one that means something here, one that its schema wants, or none of these. */
export function textFor(dice: Dice, name: string, schema: Schema): string {
  const meant = known[name];
  if (meant !== undefined && dice.chance(0.7)) return dice.pick(meant);
  if (dice.chance(0.2)) return anyText(dice);
  const value = fromSchema(dice, schema, {});
  return typeof value === "string" ? value : String(JSON.stringify(value));
}

/** A value that mostly is as its JSON Schema says; now and then one at a bound, beyond it, or of another kind. */
export function fromSchema(dice: Dice, schema: Schema, components: Components, depth = 4): unknown {
  if (dice.chance(0.06)) return otherwise(dice);
  const reference = typeof schema.$ref === "string" ? components[schema.$ref.split("/").at(-1) ?? ""] : undefined;
  if (reference !== undefined) return fromSchema(dice, reference, components, depth - 1);
  if ("const" in schema) return schema.const;
  if (Array.isArray(schema.enum)) return dice.pick(schema.enum);
  const choices = schema.anyOf ?? schema.oneOf;
  if (Array.isArray(choices) && choices.length > 0)
    return fromSchema(dice, record.parse(dice.pick(choices)), components, depth - 1);
  if (depth <= 0) return null;
  switch (schema.type) {
    case "object":
      return objectFrom(dice, schema, components, depth);
    case "array":
      return dice.list(4, () => fromSchema(dice, record.catch({}).parse(schema.items), components, depth - 1));
    case "string":
      return stringFrom(dice, schema);
    case "integer":
    case "number":
      return numberFrom(dice, schema);
    case "boolean":
      return dice.chance(0.5);
    case "null":
      return null;
    default:
      return otherwise(dice);
  }
}

function objectFrom(dice: Dice, schema: Schema, components: Components, depth: number): Record<string, unknown> {
  const properties = record.catch({}).parse(schema.properties);
  const required = z.array(z.string()).catch([]).parse(schema.required);
  const made: Record<string, unknown> = {};
  for (const [name, of] of Object.entries(properties)) {
    if (!(required.includes(name) ? dice.chance(0.97) : dice.chance(0.5))) continue;
    const meant = known[name];
    made[name] =
      meant !== undefined && dice.chance(0.6)
        ? dice.pick(meant)
        : fromSchema(dice, record.catch({}).parse(of), components, depth - 1);
  }
  const isOpen = typeof schema.additionalProperties === "object" && schema.additionalProperties !== null;
  if (isOpen)
    for (const name of dice.list(3, () => anyName(dice)))
      made[name] = fromSchema(dice, record.parse(schema.additionalProperties), components, depth - 1);
  else if (dice.chance(0.03)) made[anyName(dice)] = otherwise(dice);
  return made;
}

function stringFrom(dice: Dice, schema: Schema): string {
  const most = typeof schema.maxLength === "number" ? schema.maxLength : 50;
  if (dice.chance(0.05)) return "x".repeat(Math.min(100_000, most + dice.pick([0, 1])));
  if (schema.format === "date-time")
    return dice.pick(["2030-01-01T00:00:00Z", "2030-01-01T00:00:00+99:99", "+275760-09-13T00:00:01Z"]);
  if (schema.format === "uuid") return dice.pick(["00000000-0000-4000-8000-000000000000", "../../../etc/passwd"]);
  return dice.chance(0.5) ? anyText(dice) : dice.pick(["a", "abc", "a-b", "A_1", "long enough for a password"]);
}

function numberFrom(dice: Dice, schema: Schema): number {
  const least = typeof schema.minimum === "number" ? schema.minimum : -10;
  const most = typeof schema.maximum === "number" ? schema.maximum : 1_000;
  return dice.pick([least, most, least - 1, most + 1, dice.between(0, 100), 1.5, Number.MAX_SAFE_INTEGER, -0]);
}

function otherwise(dice: Dice): unknown {
  try {
    return JSON.parse(jsonText(dice));
  } catch {
    return null; // a number or text that JavaScript does not take
  }
}
