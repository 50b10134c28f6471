/** What each type may become, the nearest first. The server has the last word. */
const wider: Readonly<Record<string, readonly string[]>> = {
  TINYINT: ["SMALLINT", "INTEGER", "BIGINT", "DOUBLE"],
  SMALLINT: ["INTEGER", "BIGINT", "DOUBLE"],
  INTEGER: ["BIGINT", "DOUBLE"],
  BIGINT: ["DOUBLE"],
  UTINYINT: ["BIGINT", "DOUBLE"],
  USMALLINT: ["BIGINT", "DOUBLE"],
  UINTEGER: ["BIGINT", "DOUBLE"],
  UBIGINT: ["DOUBLE"],
  FLOAT: ["DOUBLE"],
  DATE: ["TIMESTAMP", "TIMESTAMP WITH TIME ZONE"],
  TIMESTAMP: ["TIMESTAMP WITH TIME ZONE"],
};

/** The types that a column of a type may be declared as: wider ones, and text, which every single value has. */
export function widerTypes(type: string): readonly string[] {
  if (type === "VARCHAR" || type === "BLOB" || /^(STRUCT|MAP|UNION)|\[\d*\]$/.test(type)) return [];
  return [...(type.startsWith("DECIMAL") ? ["DOUBLE"] : (wider[type] ?? [])), "VARCHAR"];
}
