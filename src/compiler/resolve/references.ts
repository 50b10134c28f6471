import { isNode, nodesOf, type TreeNode, type TreeValue, textOf } from "../tree/tree.ts";

/** A table name in a statement that no CTE in its scope explains. */
export interface Reference {
  /** The tree's own node: rewriting replaces its members. */
  readonly table: TreeNode;
  /** The query whose FROM it stands in. */
  readonly select: TreeNode | null;
}

/**
 * Every table that a statement names from outside. A CTE explains an unqualified name inside the query that it belongs to:
 * in the CTEs behind it, in itself if it is recursive, and in the query's own parts, subqueries included.
 */
export function references(node: TreeNode): Reference[] {
  const found: Reference[] = [];
  walk(node, new Set(), null, found);
  return found;
}

function walk(
  value: TreeValue | undefined,
  scope: ReadonlySet<string>,
  select: TreeNode | null,
  found: Reference[],
): void {
  if (Array.isArray(value)) {
    for (const item of value) walk(item, scope, select, found);
    return;
  }
  if (!isNode(value)) return;
  if (value.type === "BASE_TABLE" && !("class" in value)) {
    const named = textOf(value, "schema_name") === "" && textOf(value, "catalog_name") === "";
    if (!named || !scope.has(textOf(value, "table_name").toLowerCase())) found.push({ table: value, select });
    walk(value.at_clause, scope, select, found);
    return;
  }
  const inner = withCtes(value, scope, found);
  const nearest = value.type === "SELECT_NODE" ? value : select;
  const own =
    value.type === "RECURSIVE_CTE_NODE" || value.type === "CTE_NODE"
      ? addName(inner, textOf(value, "cte_name"))
      : inner;
  for (const [member, part] of Object.entries(value)) {
    if (member === "cte_map") continue;
    // A CTE node's first part is the CTE's own query, where its name is not known yet unless it is recursive.
    const isOwnQuery = value.type === "CTE_NODE" && member === "query";
    walk(part, isOwnQuery ? inner : own, nearest, found);
  }
}

/** The scope inside a query node: its CTEs one after another. */
function withCtes(node: TreeNode, scope: ReadonlySet<string>, found: Reference[]): ReadonlySet<string> {
  const map = isNode(node.cte_map) ? nodesOf(node.cte_map.map) : [];
  let inner = scope;
  for (const entry of map) {
    const name = textOf(entry, "key");
    const query = isNode(entry.value) ? entry.value.query : undefined;
    const body = isNode(query) ? query.node : undefined;
    const recursive = isNode(body) && body.type === "RECURSIVE_CTE_NODE";
    walk(entry.value, recursive ? addName(inner, name) : inner, null, found);
    inner = addName(inner, name);
  }
  return inner;
}

function addName(scope: ReadonlySet<string>, name: string): ReadonlySet<string> {
  return name === "" ? scope : new Set([...scope, name.toLowerCase()]);
}
