/** A column's type as ingest walks it: by DuckDB's names, with nested types taken apart. */
export type ColumnType =
  | { readonly kind: "scalar"; readonly name: string }
  | { readonly kind: "struct"; readonly fields: readonly Column[] }
  | { readonly kind: "list"; readonly item: ColumnType };

export interface Column {
  readonly name: string;
  readonly type: ColumnType;
}

export const scalar = (name: string): ColumnType => ({ kind: "scalar", name });

/** DuckDB's name of the type, as in `STRUCT(a BIGINT, "b c" VARCHAR[])`. */
export function typeName(type: ColumnType): string {
  switch (type.kind) {
    case "scalar":
      return type.name;
    case "list":
      return `${typeName(type.item)}[]`;
    case "struct":
      return `STRUCT(${type.fields.map((field) => `"${field.name.replaceAll('"', '""')}" ${typeName(field.type)}`).join(", ")})`;
  }
}

const aliases: Readonly<Record<string, string>> = {
  TIMESTAMPTZ: "TIMESTAMP WITH TIME ZONE",
  INT: "INTEGER",
  INT8: "BIGINT",
  LONG: "BIGINT",
  STRING: "VARCHAR",
  TEXT: "VARCHAR",
  BOOL: "BOOLEAN",
  FLOAT8: "DOUBLE",
  REAL: "FLOAT",
  DATETIME: "TIMESTAMP",
};

/** Reads a DuckDB type name. Anything it does not take apart (MAP, UNION, DECIMAL(p,s), ENUM) is a scalar by its name. */
export function parseType(text: string): ColumnType {
  const name = text.trim();
  if (name.endsWith("[]")) return { kind: "list", item: parseType(name.slice(0, -2)) };
  const struct = /^STRUCT\s*\((.*)\)$/is.exec(name);
  if (struct !== null) return { kind: "struct", fields: splitTop(struct[1] ?? "").map(parseField) };
  const upper = /^[A-Za-z0-9 ]+$/.test(name) ? name.toUpperCase() : name;
  return scalar(aliases[upper] ?? upper);
}

function parseField(text: string): Column {
  const quoted = /^\s*"((?:[^"]|"")*)"\s+(.*)$/s.exec(text);
  if (quoted !== null) return { name: (quoted[1] ?? "").replaceAll('""', '"'), type: parseType(quoted[2] ?? "") };
  const [, name = "", type = ""] = /^\s*(\S+)\s+(.*)$/s.exec(text) ?? [];
  return { name, type: parseType(type) };
}

/** Cuts at commas outside of brackets and quotes. */
function splitTop(text: string): string[] {
  const parts: string[] = [];
  let depth = 0;
  let inQuotes = false;
  let from = 0;
  for (let at = 0; at < text.length; at++) {
    const char = text[at];
    if (char === '"') inQuotes = !inQuotes;
    else if (inQuotes) continue;
    else if (char === "(") depth++;
    else if (char === ")") depth--;
    else if (char === "," && depth === 0) {
      parts.push(text.slice(from, at));
      from = at + 1;
    }
  }
  parts.push(text.slice(from));
  return parts;
}

export function sameType(a: ColumnType, b: ColumnType): boolean {
  return typeName(a) === typeName(b);
}
