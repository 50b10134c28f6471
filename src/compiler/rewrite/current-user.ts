import { foldName, isNode, nodesOf, type TreeNode, type TreeValue, textOf } from "../tree/tree.ts";

const names = new Set(["current_user", "session_user", "user"]);

/**
 * Puts the caller's name in the place of `current_user`, `session_user` and `user`, which a worker would answer with its
 * own. A name that a column or an alias bears is that one's, as in DuckDB. Tells whether there was any.
 */
export function replaceCurrentUser(node: TreeNode, user: string, columns: Iterable<string>): boolean {
  const found: TreeNode[] = [];
  const taken = new Set([...columns].map(foldName));
  collect(node, found, taken);
  const free = found.filter((reference) => !taken.has(nameOf(reference) ?? ""));
  for (const reference of free) replace(reference, user);
  return free.length > 0;
}

function nameOf(node: TreeNode): string | null {
  if (node.class !== "COLUMN_REF" || !Array.isArray(node.column_names) || node.column_names.length !== 1) return null;
  const name = foldName(String(node.column_names[0]));
  return names.has(name) ? name : null;
}

function collect(value: TreeValue | undefined, found: TreeNode[], taken: Set<string>): void {
  if (Array.isArray(value)) {
    for (const item of value) collect(item, found, taken);
    return;
  }
  if (!isNode(value)) return;
  if (nameOf(value) !== null) found.push(value);
  taken.add(foldName(textOf(value, "alias")));
  for (const parameter of parametersOf(value)) taken.add(parameter);
  for (const member of ["aliases", "column_name_alias"]) {
    const aliases = value[member];
    if (Array.isArray(aliases)) for (const alias of aliases) taken.add(foldName(String(alias)));
  }
  for (const part of Object.values(value)) collect(part, found, taken);
}

/** Names of a lambda's parameters: one column reference, or several in a row. */
function parametersOf(node: TreeNode): string[] {
  const { lhs } = node;
  if (node.class !== "LAMBDA" || !isNode(lhs)) return [];
  return [lhs, ...nodesOf(lhs.children)].flatMap((parameter) => nameOf(parameter) ?? []);
}

function replace(reference: TreeNode, user: string): void {
  const { query_location } = reference;
  const alias = textOf(reference, "alias");
  const name = nameOf(reference) ?? "";
  for (const member of Object.keys(reference)) delete reference[member];
  Object.assign(reference, {
    class: "CONSTANT",
    type: "VALUE_CONSTANT",
    alias: alias === "" ? name : alias,
    query_location: query_location ?? 0,
    value: { type: { id: "VARCHAR", type_info: null }, is_null: false, value: user },
  });
}
