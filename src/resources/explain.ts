import { z } from "zod";
import { nearest } from "../base/index.ts";

/** What is wrong with a value that people wrote, and where in it. */
export interface Explained {
  readonly text: string;
  readonly path: readonly PropertyKey[];
  /** The member's name is wrong, not its value. */
  readonly onKey: boolean;
  readonly hint: string | null;
}

/** The first issue as a sentence, with the nearest valid name where a name is unknown. */
export function explain(error: z.ZodError, schema: z.ZodType): Explained {
  const issue = error.issues[0];
  if (issue === undefined) return { text: "it does not fit.", path: [], onKey: false, hint: null };
  const path = issue.path;
  switch (issue.code) {
    case "unrecognized_keys": {
      const [key = ""] = issue.keys;
      const known = membersAt(schema, path);
      const hint = didYouMean(key, known) ?? (known.length > 0 ? `Members: ${known.join(", ")}.` : null);
      return { text: `${prefix(path)}there is no member "${shown(key)}".`, path: [...path, key], onKey: true, hint };
    }
    case "invalid_value": {
      const values = issue.values.map(String);
      const given = typeof issue.input === "string" ? issue.input : null;
      const hint = given === null ? null : didYouMean(given, values);
      return { text: `${prefix(path)}it must be ${oneOf(values)}.`, path, onKey: false, hint };
    }
    case "invalid_union": {
      const values = unionValues(schema, path);
      const text = values.length === 0 ? "it fits none of the allowed forms." : `it must be ${oneOf(values)}.`;
      return { text: `${prefix(path)}${text}`, path, onKey: false, hint: null };
    }
    default:
      return {
        text: `${prefix(path)}${issue.message.replace(/^Invalid input: /, "")}.`,
        path,
        onKey: false,
        hint: null,
      };
  }
}

export function didYouMean(word: string, candidates: readonly string[]): string | null {
  const near = nearest(word, candidates);
  return near === null ? null : `Did you mean "${near}"?`;
}

function oneOf(values: readonly string[]): string {
  return values.length === 1 ? `"${values[0]}"` : `one of ${values.map((value) => `"${value}"`).join(", ")}`;
}

function prefix(path: readonly PropertyKey[]): string {
  return path.length === 0 ? "" : `${shown(path.map(String).join("."))}: `;
}

function shown(text: string): string {
  return text.length > 100 ? `${text.slice(0, 100)}…` : text;
}

/** Names of the members that the schema knows at a place. */
function membersAt(schema: z.ZodType, path: readonly PropertyKey[]): string[] {
  const found = schemasAt(schema, path).flatMap((one) => (one instanceof z.ZodObject ? Object.keys(one.shape) : []));
  return [...new Set(found)];
}

/** Values of the member that tells the forms of a union apart, at the place of that member. */
function unionValues(schema: z.ZodType, path: readonly PropertyKey[]): string[] {
  return schemasAt(schema, path).flatMap((one) => (one instanceof z.ZodLiteral ? [...one.values].map(String) : []));
}

/** The schemas that may hold at a place: many where a union stands on the way. */
function schemasAt(schema: z.core.$ZodType, path: readonly PropertyKey[]): z.core.$ZodType[] {
  if (
    schema instanceof z.ZodOptional ||
    schema instanceof z.ZodExactOptional ||
    schema instanceof z.ZodDefault ||
    schema instanceof z.ZodNullable
  ) {
    return schemasAt(schema.def.innerType, path);
  }
  if (schema instanceof z.ZodUnion) return schema.options.flatMap((option) => schemasAt(option, path));
  const [head, ...rest] = path;
  if (head === undefined) return [schema];
  if (schema instanceof z.ZodArray) return schemasAt(schema.element, rest);
  if (schema instanceof z.ZodObject) {
    const member: unknown = schema.shape[String(head)];
    return member instanceof z.ZodType ? schemasAt(member, rest) : [];
  }
  return [];
}
