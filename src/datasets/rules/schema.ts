import { evolutionProblem, systemFields } from "../../slices/index.ts";
import type { Rule } from "./rule.ts";

/** Data comes after a schema; a schema begins with the system columns and only grows and widens. */
export const schema: Rule = (before, { event }) => {
  if (event.kind === "AddData" || event.kind === "ExecuteTransform")
    return event.newData !== undefined && before.schema === null ? "it adds data before a schema" : null;
  if (event.kind !== "SetDataSchema") return null;
  const names = event.schema.fields.map((field) => field.name);
  if (systemFields.some((field, index) => names[index] !== field.name)) return "its schema lacks the system columns";
  if (new Set(names.map((name) => name.toLowerCase())).size < names.length) return "its schema names a column twice";
  return before.schema === null ? null : evolutionProblem(before.schema, event.schema);
};
