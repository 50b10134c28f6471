/** A DuckDB identifier. */
export const ident = (name: string) => `"${name.replaceAll('"', '""')}"`;
/** A DuckDB text literal. DuckDB knows no backslash escapes in plain literals. */
export const literal = (text: string) => `'${text.replaceAll("'", "''")}'`;
/** A literal of TIMESTAMPTZ from milliseconds since the epoch. */
export const timestampLiteral = (at: number) => `TIMESTAMPTZ '${new Date(at).toISOString()}'`;
