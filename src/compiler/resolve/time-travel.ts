import { type Instant, instant, MillraceError } from "../../base/index.ts";
import { isNode, type TreeNode } from "../tree/tree.ts";

/** A point in a dataset's past, as `AT (...)` says it. */
export type PastPoint =
  | { readonly kind: "version"; readonly seq: number }
  | { readonly kind: "block"; readonly hash: string }
  | { readonly kind: "time"; readonly at: Instant };

/** Reads `AT (VERSION => 7)`, `AT (VERSION => 'f1620...')`, `AT (TIMESTAMP => '2024-05-17 10:00:00+02')`. @throws sql_unsupported, sql_syntax */
export function pastPoint(table: TreeNode): PastPoint | null {
  const clause = table.at_clause;
  if (!isNode(clause)) return null;
  const constant = constantOf(clause.expr);
  if (constant === null)
    throw new MillraceError("sql_unsupported", "AT takes a constant.", {
      hint: "As in AT (VERSION => 7) or AT (TIMESTAMP => '2024-05-17').",
    });
  switch (clause.unit) {
    case "VERSION":
      if (typeof constant === "number") return { kind: "version", seq: constant };
      return /^\d+$/.test(constant) ? { kind: "version", seq: Number(constant) } : { kind: "block", hash: constant };
    case "TIMESTAMP":
      return { kind: "time", at: readTime(String(constant)) };
    default:
      throw new MillraceError("sql_unsupported", "AT knows VERSION and TIMESTAMP.");
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
  const { value } = expression.value;
  return typeof value === "number" || typeof value === "string" ? value : null;
}
