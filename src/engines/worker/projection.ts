import type { ResultColumn } from "../contract.ts";

const wide = /^(BIGINT|UBIGINT|HUGEINT|UHUGEINT|BIGNUM)$/;

/** A DuckDB identifier. */
export const ident = (name: string) => `"${name.replaceAll('"', '""')}"`;

/** Names as they are, made unique without regard to case: `a`, `a_1`. An empty one is named by its place. */
export function uniqueNames(names: readonly string[]): string[] {
  const taken = new Set<string>();
  return names.map((wanted, index) => {
    const base = wanted === "" ? `column${index}` : wanted;
    let name = base;
    for (let n = 1; taken.has(name.toLowerCase()); n++) name = `${base}_${n}`;
    taken.add(name.toLowerCase());
    return name;
  });
}

/**
 * The statement with its columns made ready for JSON text, which knows neither 64-bit whole numbers nor infinities:
 * - whole numbers beyond 2^53 and decimals become texts, all other numbers stay numbers; NaN and infinities become texts;
 * - points in time are ISO 8601 (`2024-05-17T10:05:03.000000Z`, without Z where the type has no zone); blobs base64.
 * Nested values are written as DuckDB's own JSON has them.
 */
export function jsonProjection(sql: string, columns: readonly ResultColumn[]): string {
  const inner = columns.map((_, index) => `c${index}`);
  const outer = columns.map((column, index) => `${jsonValue(`r.c${index}`, column.type)} AS ${ident(column.name)}`);
  return `SELECT ${outer.join(", ")} FROM (${sql}\n) AS r(${inner.join(", ")})`;
}

/** The statement with unique column names. */
export function plainProjection(sql: string, columns: readonly ResultColumn[]): string {
  return `SELECT * FROM (${sql}\n) AS r(${columns.map((column) => ident(column.name)).join(", ")})`;
}

function jsonValue(x: string, type: string): string {
  if (wide.test(type)) {
    const text = `to_json(CAST(${x} AS VARCHAR))`;
    return `CASE WHEN ${x} BETWEEN -9007199254740991 AND 9007199254740991 THEN to_json(CAST(${x} AS BIGINT)) ELSE ${text} END`;
  }
  if (type.startsWith("DECIMAL")) return `CAST(${x} AS VARCHAR)`;
  if (type === "DOUBLE" || type === "FLOAT")
    return `CASE WHEN isfinite(${x}) THEN to_json(${x}) ELSE to_json(CAST(${x} AS VARCHAR)) END`;
  if (type === "TIMESTAMP WITH TIME ZONE") return isoTime(x, "Z");
  if (type === "TIMESTAMP") return isoTime(x, "");
  if (type === "BLOB") return `to_base64(${x})`;
  return x;
}

function isoTime(x: string, zone: string): string {
  return `CASE WHEN isfinite(${x}) THEN strftime(${x}, '%Y-%m-%dT%H:%M:%S.%f${zone}') ELSE CAST(${x} AS VARCHAR) END`;
}
