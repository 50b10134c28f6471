import type { DataSchema } from "./data-schema.ts";
import { type DuckdbType, duckdbTypeName, parseDuckdbType } from "./duckdb-type.ts";
import { duckdbType } from "./mapping.ts";

const signed = ["TINYINT", "SMALLINT", "INTEGER", "BIGINT"];
const unsigned = ["UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT"];
/** What holds UBIGINT and a sign. Not HUGEINT, which no slice can hold (see slice-type.ts). */
const beyondBigint = "DECIMAL(20,0)";
/** Decimal digits that the types of each rank may show. */
const shownDigits = [3, 5, 10, 19, 20];
const temporal = ["DATE", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP", "TIMESTAMP WITH TIME ZONE"];
const untyped = '"NULL"';

/**
 * The type that values of both are brought to, or null where there is none. Commutative and associative (up to the order
 * of a struct's members; null absorbs) and idempotent, so that the order in which rows come does not matter. Whole
 * numbers stay whole; whole numbers and fractions meet in DOUBLE, as JSON's numbers do, or in a DECIMAL that holds both.
 * Beyond 64 bits, whole numbers are DECIMAL(38,0).
 */
export function widen(a: string, b: string): string | null {
  const wide = widenTypes(parseDuckdbType(a), parseDuckdbType(b));
  return wide === null ? null : duckdbTypeName(wide);
}

function widenTypes(a: DuckdbType, b: DuckdbType): DuckdbType | null {
  if (a.kind === "leaf" && a.name === untyped) return b;
  if (b.kind === "leaf" && b.name === untyped) return a;
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

/** Members match by name without regard to case, as DuckDB's do; those of `a` come first. */
function widenStructs(a: DuckdbType & { kind: "struct" }, b: DuckdbType & { kind: "struct" }): DuckdbType | null {
  const others = new Map(b.fields.map((field) => [field.name.toLowerCase(), field]));
  const fields: { name: string; type: DuckdbType }[] = [];
  for (const field of a.fields) {
    const other = others.get(field.name.toLowerCase());
    others.delete(field.name.toLowerCase());
    const type = other === undefined ? field.type : widenTypes(field.type, other.type);
    if (type === null) return null;
    fields.push({ name: field.name, type });
  }
  return { kind: "struct", fields: [...fields, ...others.values()] };
}

function widenLeaves(a: string, b: string): string | null {
  if (a === b) return a;
  if (isNumber(a) && isNumber(b)) return widenNumbers(storable(a), storable(b));
  if (isText(a) && isText(b)) return "VARCHAR";
  const [i, j] = [temporal.indexOf(a), temporal.indexOf(b)];
  return i >= 0 && j >= 0 ? (temporal[Math.max(i, j)] ?? null) : null;
}

function isText(name: string): boolean {
  return name === "VARCHAR" || name === "JSON" || name.startsWith("ENUM");
}

function isNumber(name: string): boolean {
  return rank(name) !== null || isFraction(name) || storable(name).startsWith("DECIMAL");
}

function storable(name: string): string {
  return name === "HUGEINT" || name === "UHUGEINT" ? "DECIMAL(38,0)" : name;
}

function isFraction(name: string): boolean {
  return name === "FLOAT" || name === "DOUBLE";
}

/**
 * Of a whole number: the place in `signed` of the type that holds it; an unsigned one's is the next larger one's. The rank
 * of two joined is the greater of theirs, which makes all of this associative.
 */
function rank(name: string): number | null {
  const [i, j] = [signed.indexOf(name), unsigned.indexOf(name)];
  return i >= 0 ? i : j >= 0 ? j + 1 : null;
}

function widenNumbers(a: string, b: string): string {
  if (isFraction(a) || isFraction(b)) return isSmall(a) && isSmall(b) ? "FLOAT" : "DOUBLE";
  if (a.startsWith("DECIMAL") || b.startsWith("DECIMAL")) {
    const [x, y] = [digits(a), digits(b)];
    const scale = Math.max(x.scale, y.scale);
    const whole = Math.max(x.whole, y.whole);
    return whole + scale > 38 ? "DOUBLE" : `DECIMAL(${whole + scale},${scale})`;
  }
  if (unsigned.includes(a) && unsigned.includes(b))
    return unsigned[Math.max(unsigned.indexOf(a), unsigned.indexOf(b))] ?? a;
  return signed[Math.max(rank(a) ?? 0, rank(b) ?? 0)] ?? beyondBigint;
}

/** A FLOAT holds whole numbers exactly up to 24 bits. */
function isSmall(name: string): boolean {
  return name === "FLOAT" || (rank(name) ?? 9) <= signed.indexOf("SMALLINT");
}

/** Digits before and after the point; a whole number has as many as its rank's type may show. */
function digits(name: string): { whole: number; scale: number } {
  const [, precision, scale] = /^DECIMAL\((\d+),(\d+)\)$/.exec(name) ?? [];
  if (precision !== undefined) return { whole: Number(precision) - Number(scale), scale: Number(scale) };
  return { whole: shownDigits[rank(name) ?? 9] ?? 38, scale: 0 };
}

/** Whether a column of one type may become one of another: what is wider, or text, which every single value has. */
export function mayBecome(before: string, after: string): boolean {
  const [was, is] = [parseDuckdbType(before), parseDuckdbType(after)];
  const name = duckdbTypeName(is);
  if (duckdbTypeName(was) === name || widen(before, after) === name) return true;
  return name === "VARCHAR" && was.kind === "leaf" && was.name !== "BLOB";
}

/**
 * Why a schema cannot follow another, or null: nullable columns may be added at the end, and columns may become what is wider;
 * nothing else.
 */
export function evolutionProblem(before: DataSchema, after: DataSchema): string | null {
  for (const [index, field] of before.fields.entries()) {
    const next = after.fields[index];
    if (next === undefined || next.name !== field.name) return `the column "${field.name}" is gone or moved`;
    const [was, is] = [duckdbType(field), duckdbType(next)];
    if (!mayBecome(was, is)) return `the column "${field.name}" changes from ${was} to ${is}`;
    if (field.type.kind === "Option" && next.type.kind !== "Option")
      return `the column "${field.name}" stops being nullable`;
  }
  // Earlier rows have no value in a new column.
  const required = after.fields.slice(before.fields.length).find((field) => field.type.kind !== "Option");
  return required === undefined ? null : `the new column "${required.name}" is not nullable`;
}
