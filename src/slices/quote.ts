/** A DuckDB identifier. */
export const ident = (name: string) => `"${name.replaceAll('"', '""')}"`;
/**
 * A DuckDB text literal. DuckDB knows no backslash escapes in plain literals, and a statement's text ends at a zero byte: one in
 * the literal is spelled as a function.
 */
export const literal = (text: string) => {
  const parts = text.split("\0").map((part) => `'${part.replaceAll("'", "''")}'`);
  return parts.length === 1 ? (parts[0] ?? "") : `(${parts.join(" || chr(0) || ")})`;
};
/** A literal of TIMESTAMPTZ from milliseconds since the epoch. */
export const timestampLiteral = (at: number) => `TIMESTAMPTZ '${new Date(at).toISOString()}'`;
