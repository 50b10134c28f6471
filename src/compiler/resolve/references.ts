import { foldName, isNode, nodesOf, type TreeNode, type TreeValue, textOf } from "../tree/tree.ts";

/** A table name in a statement that no CTE in its scope explains. */
export interface Reference {
  /** The tree's own node: rewriting replaces its members. */
  readonly table: TreeNode;
  /** The query whose FROM it stands in. */
  readonly select: TreeNode | null;
  /** Columns that are not its dataset's own, whose names hide those. */
  readonly added?: readonly string[];
}

/**
 * Every table that a statement names from outside. A CTE explains an unqualified name where DuckDB knows it: in the CTEs
 * behind it and in the query that it belongs to, subqueries included; in itself only in the second half of a recursive one.
 * What is left unexplained is refused or replaced, so an error here must be to explain too little: a name that DuckDB does
 * not find among the CTEs may be a file's.
 */
export function references(node: TreeNode): Reference[] {
  const found: Reference[] = [];
  walk(node, new Set(), null, found);
  return found;
}

/** Folded names of CTEs; `recurring`, a zero and the name (no statement holds a zero) for a recursive one's kept rows. */
type Scope = ReadonlySet<string>;

function walk(value: TreeValue | undefined, scope: Scope, select: TreeNode | null, found: Reference[]): void {
  if (Array.isArray(value)) {
    for (const item of value) walk(item, scope, select, found);
    return;
  }
  if (!isNode(value)) return;
  if (value.type === "BASE_TABLE" && !("class" in value)) {
    if (!isExplained(value, scope)) found.push({ table: value, select });
    walk(value.at_clause, scope, select, found);
    return;
  }
  const inner = withCtes(value, scope, found);
  const nearest = value.type === "SELECT_NODE" ? value : select;
  for (const [member, part] of Object.entries(value)) {
    if (member !== "cte_map") walk(part, scopeOf(value, member, inner), nearest, found);
  }
}

/** A recursive CTE knows itself in its second half, a materialized one's query does not know itself at all. */
function scopeOf(node: TreeNode, member: string, inner: Scope): Scope {
  const name = foldName(textOf(node, "cte_name"));
  switch (node.type) {
    case "RECURSIVE_CTE_NODE":
      return member === "right" ? new Set([...inner, name, recurring(name)]) : inner;
    case "CTE_NODE":
      return member === "child" ? withName(inner, name) : inner;
    default:
      return inner;
  }
}

/** The scope inside a query node: its CTEs one after another. */
function withCtes(node: TreeNode, scope: Scope, found: Reference[]): Scope {
  const map = isNode(node.cte_map) ? nodesOf(node.cte_map.map) : [];
  let inner = scope;
  for (const entry of map) {
    walk(entry.value, inner, null, found);
    inner = withName(inner, foldName(textOf(entry, "key")));
  }
  return inner;
}

/** A CTE hides an outer recursive one of its name, kept rows too. */
function withName(scope: Scope, name: string): Scope {
  const inner = new Set([...scope, name]);
  inner.delete(recurring(name));
  return inner;
}

const recurring = (name: string) => `recurring\0${name}`;

function isExplained(table: TreeNode, scope: Scope): boolean {
  const name = foldName(textOf(table, "table_name"));
  if (textOf(table, "catalog_name") !== "" || mayBePath(name)) return false;
  const schema = foldName(textOf(table, "schema_name"));
  return schema === "" ? scope.has(name) : schema === "recurring" && scope.has(recurring(name));
}

/** No CTE explains what could be a path, so that a scope which were wrong after all would open no file. */
function mayBePath(name: string): boolean {
  return /[/\\]/.test(name);
}
