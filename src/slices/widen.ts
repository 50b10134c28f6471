import type { DataSchema } from "./data-schema.ts";
import { type DuckdbType, duckdbTypeName, parseDuckdbType } from "./duckdb-type.ts";
import { duckdbType } from "./mapping.ts";

const signed = ["TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT"];
const unsigned = ["UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "UHUGEINT"];
const temporal = ["DATE", "TIMESTAMP", "TIMESTAMP WITH TIME ZONE"];

/**
 * The least type that holds every value of both, or null where there is none. Commutative, associative where defined,
 * and idempotent. Whole numbers and fractions meet in DOUBLE, as JSON's numbers do.
 */
export function widen(a: string, b: string): string | null {
  const wide = widenTypes(parseDuckdbType(a), parseDuckdbType(b));
  return wide === null ? null : duckdbTypeName(wide);
}

function widenTypes(a: DuckdbType, b: DuckdbType): DuckdbType | null {
  if (a.kind === "leaf" && b.kind === "leaf") {
    const name = widenLeaves(a.name, b.name);
    return name === null ? null : { kind: "leaf", name };
  }
  if (a.kind === "list" && b.kind === "list") {
    const item = widenTypes(a.item, b.item);
    return item === null ? null : { kind: "list", item, length: a.length === b.length ? a.length : null };
  }
  if (a.kind === "struct" && b.kind === "struct") return widenStructs(a, b);
  if (a.kind === "map" && b.kind === "map") {
    const [key, value] = [widenTypes(a.key, b.key), widenTypes(a.value, b.value)];
    return key === null || value === null ? null : { kind: "map", key, value };
  }
  return null;
}

function widenStructs(a: DuckdbType & { kind: "struct" }, b: DuckdbType & { kind: "struct" }): DuckdbType | null {
  const fields: { name: string; type: DuckdbType }[] = [];
  for (const field of a.fields) {
    const other = b.fields.find((candidate) => candidate.name === field.name);
    const type = other === undefined ? field.type : widenTypes(field.type, other.type);
    if (type === null) return null;
    fields.push({ name: field.name, type });
  }
  const added = b.fields.filter((field) => !a.fields.some((known) => known.name === field.name));
  return { kind: "struct", fields: [...fields, ...added] };
}

function widenLeaves(a: string, b: string): string | null {
  if (a === b) return a;
  if (isNumber(a) && isNumber(b)) return widenNumbers(a, b);
  const [i, j] = [temporal.indexOf(a), temporal.indexOf(b)];
  return i >= 0 && j >= 0 ? (temporal[Math.max(i, j)] ?? null) : null;
}

function isNumber(name: string): boolean {
  return (
    signed.includes(name) ||
    unsigned.includes(name) ||
    name === "FLOAT" ||
    name === "DOUBLE" ||
    name.startsWith("DECIMAL")
  );
}

function widenNumbers(a: string, b: string): string {
  if ([a, b].some((name) => name === "FLOAT" || name === "DOUBLE")) {
    // A FLOAT holds whole numbers exactly up to 24 bits.
    const small = ["FLOAT", "TINYINT", "SMALLINT", "UTINYINT", "USMALLINT"];
    return small.includes(a) && small.includes(b) ? "FLOAT" : "DOUBLE";
  }
  if (a.startsWith("DECIMAL") || b.startsWith("DECIMAL")) {
    const [x, y] = [digits(a), digits(b)];
    const scale = Math.max(x.scale, y.scale);
    const precision = Math.max(x.precision - x.scale, y.precision - y.scale) + scale;
    return precision > 38 ? "DOUBLE" : `DECIMAL(${precision},${scale})`;
  }
  return widenIntegers(a, b);
}

/** Decimal digits, where at least one of the two is a DECIMAL: whole numbers have as many as their type may show. */
function digits(name: string): { precision: number; scale: number } {
  const decimal = /^DECIMAL\((\d+),(\d+)\)$/.exec(name);
  if (decimal !== null) return { precision: Number(decimal[1]), scale: Number(decimal[2]) };
  const shown = {
    TINYINT: 3,
    SMALLINT: 5,
    INTEGER: 10,
    BIGINT: 19,
    UTINYINT: 3,
    USMALLINT: 5,
    UINTEGER: 10,
    UBIGINT: 20,
  }[name];
  return shown === undefined ? { precision: 39, scale: 0 } : { precision: shown, scale: 0 };
}

function widenIntegers(a: string, b: string): string {
  const [i, j] = [signed.indexOf(a), signed.indexOf(b)];
  if (i >= 0 && j >= 0) return signed[Math.max(i, j)] ?? a;
  const [k, l] = [unsigned.indexOf(a), unsigned.indexOf(b)];
  if (k >= 0 && l >= 0) return unsigned[Math.max(k, l)] ?? a;
  // One has a sign: the next larger signed type holds the unsigned one.
  return signed[Math.min(signed.length - 1, Math.max(Math.max(i, j), Math.max(k, l) + 1))] ?? "HUGEINT";
}

/** Why a schema cannot follow another, or null: columns may be added at the end and widened, nothing else. */
export function evolutionProblem(before: DataSchema, after: DataSchema): string | null {
  for (const [index, field] of before.fields.entries()) {
    const next = after.fields[index];
    if (next === undefined || next.name !== field.name) return `the column "${field.name}" is gone or moved`;
    const [was, is] = [duckdbType(field), duckdbType(next)];
    if (was !== is && widen(was, is) !== duckdbTypeName(parseDuckdbType(is)))
      return `the column "${field.name}" changes from ${was} to ${is}`;
  }
  return null;
}
