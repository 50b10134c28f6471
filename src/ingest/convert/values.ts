import { ident } from "../../slices/index.ts";
import type { ColumnType } from "./types.ts";

/**
 * How a value becomes a column's type. Every leaf is first text: what `read_json` and `->>` give for it, or the CSV field.
 * Both paths (fast and exact) build their SQL here, so that they cannot disagree on a value:
 * - `strict(type, x)`: SQL of the typed value; the statement fails on a value that does not fit exactly.
 * - `fits(type, x)`: SQL of a boolean that is never null.
 * - `gentle(type, x)`: SQL of the typed value of what fits; null for the rest.
 * `strict` accepts a part of what `fits` accepts, with the same values; the rest costs only time.
 */
type Leaf = "integer" | "boolean" | "date" | "naive" | "decimal" | "text" | "json" | "cast";

const integers = new Set([
  "TINYINT",
  "SMALLINT",
  "INTEGER",
  "BIGINT",
  "HUGEINT",
  "UTINYINT",
  "USMALLINT",
  "UINTEGER",
  "UBIGINT",
  "UHUGEINT",
]);

function leafOf(name: string): Leaf {
  if (integers.has(name)) return "integer";
  if (name === "BOOLEAN") return "boolean";
  if (name === "DATE") return "date";
  if (name.startsWith("DECIMAL") || name === "FLOAT") return "decimal";
  if (name.startsWith("TIMESTAMP") && !name.endsWith("ZONE")) return "naive";
  if (name === "VARCHAR") return "text";
  if (name === "JSON") return "json";
  return "cast";
}

const refuse = "error('value does not fit')";
/** 2^53 - 1: whole doubles up to it are exact. */
const exact = "9007199254740991";

/** Whether a text says no time zone, which a cast to TIMESTAMP or DATE would drop without a word. */
const zoneless = (x: string) =>
  `(array_extract(${x}, -1) BETWEEN '0' AND '9' AND NOT contains(${x}, '+') AND NOT contains(substr(${x}, 11), '-'))`;

export function strict(type: ColumnType, x: string, depth = 0): string {
  switch (type.kind) {
    case "scalar":
      return strictLeaf(type.name, x);
    case "list":
      return `list_transform(${x}, lambda e${depth}: ${strict(type.item, `e${depth}`, depth + 1)})`;
    case "struct":
      return struct(type.fields, x, depth, strict);
  }
}

function strictLeaf(name: string, x: string): string {
  const cast = `CAST(${x} AS ${name})`;
  switch (leafOf(name)) {
    case "text":
    case "json":
      return x;
    // Casts from text round ('1.5' is 2) and cut ('2024-01-01 10:00' is a date): only what reads back alike is exact.
    case "integer":
    case "date":
      return `CASE WHEN ${x} IS NULL OR CAST(${cast} AS VARCHAR) = ${x} THEN ${cast} ELSE ${refuse} END`;
    case "boolean":
      return `CASE ${x} WHEN 'true' THEN true WHEN 'false' THEN false ELSE CASE WHEN ${x} IS NOT NULL THEN ${refuse}::BOOLEAN END END`;
    case "naive":
      return `CASE WHEN ${x} IS NULL OR ${zoneless(x)} THEN ${cast} ELSE ${refuse} END`;
    case "decimal":
      return `CASE WHEN ${x} IS NULL OR CAST(${cast} AS DOUBLE) = CAST(${x} AS DOUBLE) THEN ${cast} ELSE ${refuse} END`;
    case "cast":
      return cast;
  }
}

/** How the fast path of JSON has the engine read a column. */
export type Reading = "byType" | "asText";

/**
 * `strict` of a value that was read by its type where that is cheaper: whole numbers and doubles as DOUBLE, booleans as
 * JSON. What is accepted is accepted by `fits` with the same value, provided that no number was a boolean in the text,
 * which the engine reads as 0 or 1: the caller counts them. Whole numbers beyond 2^53 are refused.
 */
export function strictRead(reading: Reading, type: ColumnType, x: string): string {
  const name = reading === "byType" && type.kind === "scalar" ? type.name : "";
  if (integers.has(name))
    return `CASE WHEN ${x} IS NULL THEN NULL WHEN ${x} = trunc(${x}) AND abs(${x}) <= ${exact} THEN CAST(${x} AS ${name}) ELSE ${refuse} END`;
  if (name === "DOUBLE") return `CASE WHEN ${x} IS NULL OR isfinite(${x}) THEN ${x} ELSE ${refuse}::DOUBLE END`;
  if (name === "BOOLEAN") return strict(type, `CAST(${x} AS VARCHAR)`);
  return strict(type, x);
}

/** Whether a column is one whose numbers can be read by type. */
export function isNumber(type: ColumnType): boolean {
  return type.kind === "scalar" && (integers.has(type.name) || type.name === "DOUBLE");
}

export function fits(type: ColumnType, x: string, depth = 0): string {
  switch (type.kind) {
    case "scalar":
      return fitsLeaf(type.name, x);
    case "list":
      return `coalesce(list_bool_and(list_transform(${x}, lambda e${depth}: ${fits(type.item, `e${depth}`, depth + 1)})), true)`;
    case "struct":
      return `(${x} IS NULL OR (${type.fields.map((field) => fits(field.type, `(${x}).${ident(field.name)}`, depth)).join(" AND ")}))`;
  }
}

function fitsLeaf(name: string, x: string): string {
  const cast = `TRY_CAST(${x} AS ${name})`;
  const double = `TRY_CAST(${x} AS DOUBLE)`;
  switch (leafOf(name)) {
    case "text":
    case "json":
      return "true";
    case "integer":
      return `(${x} IS NULL OR coalesce(CAST(${cast} AS VARCHAR) = ${x}, false) OR coalesce(${double} = trunc(${double}) AND abs(${double}) <= ${exact} AND TRY_CAST(${double} AS ${name}) IS NOT NULL, false))`;
    case "date":
      return `(${x} IS NULL OR coalesce(CAST(${cast} AS VARCHAR) = ${x}, false) OR coalesce(CAST(${cast} AS TIMESTAMP) = TRY_CAST(${x} AS TIMESTAMP) AND ${zoneless(x)}, false))`;
    case "naive":
      return `(${x} IS NULL OR (${cast} IS NOT NULL AND ${zoneless(x)}))`;
    case "boolean":
      return `(${x} IS NULL OR lower(${x}) IN ('true', 'false'))`;
    case "decimal":
      return `(${x} IS NULL OR coalesce(CAST(${cast} AS DOUBLE) = ${double}, false))`;
    case "cast":
      return `(${x} IS NULL OR ${cast} IS NOT NULL)`;
  }
}

export function gentle(type: ColumnType, x: string, depth = 0): string {
  switch (type.kind) {
    case "scalar":
      return gentleLeaf(type.name, x);
    case "list":
      return `list_transform(${x}, lambda e${depth}: ${gentle(type.item, `e${depth}`, depth + 1)})`;
    case "struct":
      return struct(type.fields, x, depth, gentle);
  }
}

function gentleLeaf(name: string, x: string): string {
  switch (leafOf(name)) {
    case "text":
    case "json":
      return x;
    case "integer":
      return `CASE WHEN CAST(TRY_CAST(${x} AS ${name}) AS VARCHAR) = ${x} THEN TRY_CAST(${x} AS ${name}) ELSE TRY_CAST(TRY_CAST(${x} AS DOUBLE) AS ${name}) END`;
    case "boolean":
      return `CASE lower(${x}) WHEN 'true' THEN true WHEN 'false' THEN false END`;
    case "date":
    case "naive":
    case "decimal":
    case "cast":
      return `TRY_CAST(${x} AS ${name})`;
  }
}

function struct(
  fields: readonly { name: string; type: ColumnType }[],
  x: string,
  depth: number,
  value: (type: ColumnType, x: string, depth: number) => string,
): string {
  const members = fields.map(
    (field) => `${ident(field.name)} := ${value(field.type, `(${x}).${ident(field.name)}`, depth)}`,
  );
  return `CASE WHEN ${x} IS NULL THEN NULL ELSE struct_pack(${members.join(", ")}) END`;
}

/** A JSON value from which `read_json` (with `sample_size = 1`) detects exactly what `strictRead` takes. */
export function sampleRead(reading: Reading, type: ColumnType): unknown {
  if (reading === "byType" && isNumber(type)) return 0.5;
  if (reading === "byType" && type.kind === "scalar" && type.name === "BOOLEAN") return {};
  return sampleValue(type);
}

/** Text for each leaf, JSON for JSON, structs and lists as they are. */
function sampleValue(type: ColumnType): unknown {
  switch (type.kind) {
    case "scalar":
      return type.name === "JSON" ? {} : "x";
    case "list":
      return [sampleValue(type.item)];
    case "struct":
      return Object.fromEntries(type.fields.map((field) => [field.name, sampleValue(field.type)]));
  }
}

/** The same shape for `from_json`: what the exact path reads. */
export function jsonShape(type: ColumnType): unknown {
  switch (type.kind) {
    case "scalar":
      return type.name === "JSON" ? "JSON" : "VARCHAR";
    case "list":
      return [jsonShape(type.item)];
    case "struct":
      return Object.fromEntries(type.fields.map((field) => [field.name, jsonShape(field.type)]));
  }
}
