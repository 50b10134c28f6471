/** A DuckDB identifier. */
export const ident = (name: string) => `"${name.replaceAll('"', '""')}"`;

/** A DuckDB text literal. */
export const literal = (value: string) => `'${value.replaceAll("'", "''")}'`;

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
