/** A DuckDB type taken apart as far as nesting goes; a leaf keeps its name, as in `DECIMAL(18,3)`. */
export type DuckdbType =
  | { readonly kind: "leaf"; readonly name: string }
  | { readonly kind: "list"; readonly item: DuckdbType; readonly length: number | null }
  | { readonly kind: "struct"; readonly fields: readonly { readonly name: string; readonly type: DuckdbType }[] }
  | { readonly kind: "map"; readonly key: DuckdbType; readonly value: DuckdbType };

const aliases: Readonly<Record<string, string>> = {
  TIMESTAMPTZ: "TIMESTAMP WITH TIME ZONE",
  TIMETZ: "TIME WITH TIME ZONE",
  INT: "INTEGER",
  INT1: "TINYINT",
  INT2: "SMALLINT",
  INT4: "INTEGER",
  INT8: "BIGINT",
  LONG: "BIGINT",
  SIGNED: "INTEGER",
  STRING: "VARCHAR",
  TEXT: "VARCHAR",
  CHAR: "VARCHAR",
  BPCHAR: "VARCHAR",
  BOOL: "BOOLEAN",
  LOGICAL: "BOOLEAN",
  FLOAT4: "FLOAT",
  FLOAT8: "DOUBLE",
  REAL: "FLOAT",
  NUMERIC: "DECIMAL",
  DEC: "DECIMAL",
  DECIMAL: "DECIMAL(18,3)",
  INT128: "HUGEINT",
  INT16: "SMALLINT",
  INT32: "INTEGER",
  INT64: "BIGINT",
  GUID: "UUID",
  BITSTRING: "BIT",
  TIMESTAMP_US: "TIMESTAMP",
  NULL: '"NULL"',
  DATETIME: "TIMESTAMP",
  BYTEA: "BLOB",
  BINARY: "BLOB",
  VARBINARY: "BLOB",
};

/** Reads a type name as DuckDB writes it. What has no nesting that we know (UNION, ENUM) is a leaf by its name. */
export function parseDuckdbType(text: string): DuckdbType {
  const name = text.trim();
  const list = /^(.*)\[(\d*)\]$/s.exec(name);
  if (list !== null)
    return { kind: "list", item: parseDuckdbType(list[1] ?? ""), length: list[2] ? Number(list[2]) : null };
  const nested = /^(STRUCT|MAP)\s*\((.*)\)$/is.exec(name);
  if (nested?.[1]?.toUpperCase() === "STRUCT")
    return { kind: "struct", fields: splitTop(nested[2] ?? "").map(parseMember) };
  if (nested?.[1]?.toUpperCase() === "MAP") {
    const [key = "", value = ""] = splitTop(nested[2] ?? "");
    return { kind: "map", key: parseDuckdbType(key), value: parseDuckdbType(value) };
  }
  if (name.startsWith("ENUM") || name.startsWith("UNION")) return { kind: "leaf", name };
  return { kind: "leaf", name: leafName(name.toUpperCase().replaceAll(/\s*([(),])\s*/g, "$1")) };
}

function leafName(upper: string): string {
  const [, base = upper, width, scale] = /^([A-Z0-9_]+)\((\d+)(?:,(\d+))?\)$/.exec(upper) ?? [];
  const name = aliases[base] ?? base;
  if (width === undefined) return aliases[name] ?? name;
  // A text's width says nothing in DuckDB.
  return name === "DECIMAL" || base === "DECIMAL" ? `DECIMAL(${width},${scale ?? 0})` : name;
}

/** The type with every leaf's name replaced. */
export function mapLeaves(type: DuckdbType, rename: (name: string) => string): DuckdbType {
  switch (type.kind) {
    case "leaf":
      return parseDuckdbType(rename(type.name));
    case "list":
      return { ...type, item: mapLeaves(type.item, rename) };
    case "struct":
      return { kind: "struct", fields: type.fields.map((one) => ({ ...one, type: mapLeaves(one.type, rename) })) };
    case "map":
      return { kind: "map", key: mapLeaves(type.key, rename), value: mapLeaves(type.value, rename) };
  }
}

/** The type's name, which `parseDuckdbType` reads back. */
export function duckdbTypeName(type: DuckdbType): string {
  switch (type.kind) {
    case "leaf":
      return type.name;
    case "list":
      return `${duckdbTypeName(type.item)}[${type.length ?? ""}]`;
    case "struct":
      return `STRUCT(${type.fields.map((field) => `"${field.name.replaceAll('"', '""')}" ${duckdbTypeName(field.type)}`).join(", ")})`;
    case "map":
      return `MAP(${duckdbTypeName(type.key)}, ${duckdbTypeName(type.value)})`;
  }
}

function parseMember(text: string): { name: string; type: DuckdbType } {
  const quoted = /^\s*"((?:[^"]|"")*)"\s+(.*)$/s.exec(text);
  if (quoted !== null) return { name: (quoted[1] ?? "").replaceAll('""', '"'), type: parseDuckdbType(quoted[2] ?? "") };
  const [, name = "", type = ""] = /^\s*(\S+)\s+(.*)$/s.exec(text) ?? [];
  return { name, type: parseDuckdbType(type) };
}

/** Cuts at commas outside of brackets and quotes. */
function splitTop(text: string): string[] {
  const parts: string[] = [];
  let depth = 0;
  let quote = "";
  let from = 0;
  for (let at = 0; at < text.length; at++) {
    const character = text[at] ?? "";
    if (quote !== "") {
      if (character === quote) quote = "";
    } else if (character === '"' || character === "'") quote = character;
    else if (character === "(") depth++;
    else if (character === ")") depth--;
    else if (character === "," && depth === 0) {
      parts.push(text.slice(from, at));
      from = at + 1;
    }
  }
  parts.push(text.slice(from));
  return parts;
}
