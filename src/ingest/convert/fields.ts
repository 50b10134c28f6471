import { ident, literal } from "../../slices/index.ts";
import type { ResolvedFormat } from "../formats/detect.ts";
import { textPattern } from "../formats/patterns.ts";

/** The column of a record's field in statements over CSV and text, where every record has the same fields, all text or null. */
export const fieldName = (at: number) => `f${at}`;

export const reservedNames = ["offset", "op", "system_time"];
export const reservedProblem = "the names offset, op and system_time belong to Millrace";
export const twiceProblem = "a key stands twice";
/** A column's name stands in statements, whose text ends at such a character. */
export const zeroProblem = "a key holds the character U+0000";

/** What stands against every record of a body with fields of these names. */
export function namesProblem(names: readonly string[]): string | null {
  const folded = new Set(names.map((name) => name.toLowerCase()));
  if (folded.size < names.length) return twiceProblem;
  if (names.some((name) => name.includes("\0"))) return zeroProblem;
  return reservedNames.some((name) => folded.has(name)) ? reservedProblem : null;
}

/** How a line of text becomes fields. */
export interface TextFields {
  readonly names: readonly string[];
  /** SQL of a boolean over the line. */
  readonly matches: (line: string) => string;
  /** SQL of the struct of groups over the line. */
  readonly groups: (line: string) => string;
  /** SQL of each field over `g`, the struct of groups, and `h`, what the pattern derives from it. */
  readonly values: readonly string[];
  /** SQL over `g`. */
  readonly derived: string;
  /** SQL of a boolean over `g`: true only where the line has matched, for a line that does not has no groups. */
  readonly anyGroup: string;
}

export function textFields(format: ResolvedFormat & { kind: "text" }): TextFields {
  const pattern = textPattern(format.pattern);
  if (pattern === null) throw new Error("a pattern without groups passed the door");
  const expression = literal(pattern.expression);
  const named = pattern.fields ?? pattern.groups.map((name) => ({ name, sql: `nullif(g.${ident(name)}, '')` }));
  return {
    names: named.map((field) => field.name),
    matches: (line) => `regexp_matches(${line}, ${expression})`,
    groups: (line) => `regexp_extract(${line}, ${expression}, [${pattern.groups.map(literal).join(", ")}])`,
    values: named.map((field) => field.sql),
    derived: pattern.derived ?? "NULL",
    anyGroup: pattern.groups.map((name) => `g.${ident(name)} <> ''`).join(" OR "),
  };
}
