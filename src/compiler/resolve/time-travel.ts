import { type Instant, instant, MillraceError } from "../../base/index.ts";
import { foldName, isNode, nodesOf, type TreeNode, textOf } from "../tree/tree.ts";

/** A point in a dataset's past, as `AT (...)` says it. */
export type PastPoint =
  | { readonly kind: "version"; readonly seq: number }
  | { readonly kind: "block"; readonly hash: string }
  | { readonly kind: "time"; readonly at: Instant }
  | { readonly kind: "offset"; readonly offset: number };

const forms =
  "As in AT (VERSION => 7), AT (VERSION => 'f1620...'), AT (VERSION => {'offset': 1000}) or AT (TIMESTAMP => '2024-05-17').";

/** Whether a table is asked for as it is now: AT (TIMESTAMP => now()), or current_timestamp. */
export function isAtNow({ at_clause: clause }: TreeNode): boolean {
  if (!isNode(clause) || clause.unit !== "TIMESTAMP" || !isNode(clause.expr)) return false;
  const { expr } = clause;
  if (expr.class === "FUNCTION")
    return foldName(textOf(expr, "function_name")) === "now" && nodesOf(expr.children).length === 0;
  const names = Array.isArray(expr.column_names) ? expr.column_names : [];
  return expr.class === "COLUMN_REF" && names.length === 1 && foldName(String(names[0])) === "current_timestamp";
}

/**
 * Reads `AT (VERSION => 7)`, `AT (VERSION => 'f1620...')`, `AT (TIMESTAMP => '2024-05-17 10:00:00+02')`. DuckDB's grammar
 * has these two units only; what else a version may be told by comes as a struct: `AT (VERSION => {'offset': 1000})`,
 * `AT (VERSION => {'block': 'f1620...'})`. Null where it asks for no past. @throws sql_unsupported, sql_syntax
 */
export function pastPoint(table: TreeNode): PastPoint | null {
  const clause = table.at_clause;
  if (!isNode(clause) || isAtNow(table)) return null;
  switch (clause.unit) {
    case "VERSION":
      return versionOf(constantOf(clause.expr)) ?? memberOf(clause.expr) ?? refuse();
    case "TIMESTAMP": {
      const constant = constantOf(clause.expr);
      return typeof constant === "string" ? { kind: "time", at: readTime(constant) } : refuse();
    }
    default:
      return refuse();
  }
}

function refuse(): never {
  throw new MillraceError("sql_unsupported", "AT takes a constant version or time.", { hint: forms });
}

function versionOf(constant: number | string | null): PastPoint | null {
  if (constant === null) return null;
  if (typeof constant === "number") return { kind: "version", seq: constant };
  return /^\d+$/.test(constant) ? { kind: "version", seq: Number(constant) } : { kind: "block", hash: constant };
}

/** A struct of one member. */
function memberOf(expression: TreeNode[string] | undefined): PastPoint | null {
  if (!isNode(expression) || expression.class !== "FUNCTION" || expression.function_name !== "struct_pack") return null;
  const [member, ...others] = nodesOf(expression.children);
  const constant = constantOf(member);
  if (member === undefined || others.length > 0) return null;
  switch (foldName(textOf(member, "alias"))) {
    case "offset":
      return typeof constant === "number" ? { kind: "offset", offset: constant } : null;
    case "block":
      return typeof constant === "string" ? { kind: "block", hash: constant } : null;
    default:
      return null;
  }
}

/** Time without a zone is UTC. */
function readTime(text: string): Instant {
  const iso = text.trim().replace(" ", "T");
  const zoned =
    /(Z|[+-]\d\d(:?\d\d)?)$/.test(iso) && iso.includes("T")
      ? iso.replace(/([+-]\d\d)$/, "$1:00")
      : `${iso}${iso.includes("T") ? "" : "T00:00:00"}Z`;
  const at = Date.parse(zoned);
  if (Number.isNaN(at))
    throw new MillraceError("sql_syntax", `"${text.slice(0, 100)}" is no point in time.`, {
      hint: "Write it as '2024-05-17 10:00:00'.",
    });
  return instant(at);
}

/** A constant's value, through casts such as `TIMESTAMP '...'`. */
function constantOf(expression: TreeNode[string] | undefined): number | string | null {
  if (!isNode(expression)) return null;
  if (expression.class === "CAST") return constantOf(expression.child);
  if (expression.class !== "CONSTANT" || !isNode(expression.value)) return null;
  const { value, type } = expression.value;
  if (typeof value === "string") return value;
  // A DECIMAL's value lacks its point.
  return typeof value === "number" && isNode(type) && /INT/.test(textOf(type, "id")) ? value : null;
}
