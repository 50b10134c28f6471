import { MillraceError } from "../../base/index.ts";
import { parseLossless } from "../tree/lossless.ts";
import { isNode, nodesOf, type TreeNode, textOf } from "../tree/tree.ts";

/**
 * Puts a relation in the place of a table: its node becomes a subquery, alias and column aliases kept. `relation` is the
 * tree of the relation's own SQL.
 */
export function replaceTable(table: TreeNode, relation: string, name: string): void {
  const root = parseLossless(relation);
  const statement = isNode(root) ? nodesOf(root.statements)[0] : undefined;
  if (!isNode(statement) || !isNode(statement.node))
    throw new MillraceError("internal", "The relation of a dataset cannot be parsed.");
  const { query_location, sample, column_name_alias } = table;
  const alias = textOf(table, "alias");
  for (const member of Object.keys(table)) delete table[member];
  Object.assign(table, {
    type: "SUBQUERY",
    alias: alias === "" ? name : alias,
    sample: sample ?? null,
    query_location: query_location ?? 0,
    subquery: { node: statement.node, named_param_map: [] },
    column_name_alias: column_name_alias ?? [],
  });
}
