import { literal } from "../../slices/index.ts";
import type { ColumnType } from "./types.ts";
import { fits, jsonShape } from "./values.ts";

/**
 * SQL of a boolean: whether the shape of a JSON value is not that of `type`, at any depth. `from_json` would drop what a
 * struct has no member for and make nulls of what is none; leaves are judged as text (`fits`), so any value will do for one.
 * Never null.
 */
export function misshapen(type: ColumnType, json: string, depth = 0): string {
  switch (type.kind) {
    case "scalar":
      return "false";
    case "list": {
      const item = misshapen(type.item, `s${depth}`, depth + 1);
      const anyItem = `coalesce(list_bool_or(list_transform(CAST(${json} AS JSON[]), lambda s${depth}: ${item})), false)`;
      return whereKind(json, "ARRAY", item === "false" ? "false" : anyItem);
    }
    case "struct": {
      const keys = `json_keys(${json})`;
      const names = type.fields.map((field) => literal(field.name)).join(", ");
      const known = `len(list_intersect(${keys}, [${names}])) = len(${keys})`;
      const members = type.fields.map((field) => misshapen(field.type, `(${json} -> ${pointer(field.name)})`, depth));
      return whereKind(json, "OBJECT", [`NOT ${known}`, ...members.filter((one) => one !== "false")].join(" OR "));
    }
  }
}

/** SQL of a boolean, never null: whether a JSON value does not fit `type` exactly, in shape or in a leaf. */
export function misfitting(type: ColumnType, json: string): string {
  const raw = `from_json(${json}, ${literal(JSON.stringify(jsonShape(type)))})`;
  const shape = misshapen(type, json);
  return `(${shape === "false" ? "" : `${shape} OR `}NOT ${fits(type, raw)})`;
}

function whereKind(json: string, kind: string, inside: string): string {
  return `CASE coalesce(json_type(${json}), 'NULL') WHEN 'NULL' THEN false WHEN '${kind}' THEN (${inside}) ELSE true END`;
}

/** A member's place as a JSON pointer (RFC 6901), in which any key can be said. */
export function pointer(key: string): string {
  return literal(`/${key.replaceAll("~", "~0").replaceAll("/", "~1")}`);
}
