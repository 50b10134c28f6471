/**
 * DuckDB's parsed statement as `json_serialize_sql` gives it: plain JSON. Numbers that JavaScript cannot hold exactly stay
 * raw JSON (see lossless.ts), so that a tree that is not changed comes back as it was.
 */
export type TreeValue = null | boolean | number | string | TreeValue[] | TreeNode;
export interface TreeNode {
  [member: string]: TreeValue;
}

export function isNode(value: TreeValue | undefined): value is TreeNode {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export function textOf(node: TreeNode, member: string): string {
  const value = node[member];
  return typeof value === "string" ? value : "";
}

export function nodesOf(value: TreeValue | undefined): TreeNode[] {
  return Array.isArray(value) ? value.filter(isNode) : [];
}

/** Where a node stands in the statement's text, in bytes; null where DuckDB does not say. */
export function locationOf(node: TreeNode): number | null {
  const at = node.query_location;
  return typeof at === "number" && at < Number.MAX_SAFE_INTEGER ? at : null;
}

/**
 * A name as DuckDB compares names: A to Z fold, and nothing else. Unicode's own folding would take the Kelvin sign for a k,
 * and one name for another.
 */
export function foldName(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => letter.toLowerCase());
}
