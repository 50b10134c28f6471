import { isNode, nodesOf, type TreeNode, textOf } from "../compiler/index.ts";
import { ctesOf } from "./classify.ts";

/** Columns of ours beside the user's, from each input row to the rows that come of it. A colon keeps their names apart. */
export const carried = { op: "mr:op", eventTime: "mr:time" } as const;
const names = Object.values(carried);

/**
 * Has every SELECT of a stateless query hand on which operation its row is and when it happened. Each input must bring both
 * (`inputSql`), and takes the tables' places afterwards. Stars leave them out, so that they are named once.
 */
export function carryThrough(node: TreeNode): void {
  if (node.type === "SET_OPERATION_NODE") {
    for (const part of [node.left, node.right]) if (isNode(part)) carryThrough(part);
    return;
  }
  for (const inner of ctesOf(node)) carryThrough(inner);
  const table = isNode(node.from_table) ? bringing(node.from_table) : null;
  const inner = isNode(table?.subquery) ? table.subquery.node : undefined;
  if (isNode(inner)) carryThrough(inner);
  const alias = table === null ? "" : textOf(table, "alias") || textOf(table, "table_name");
  const list = nodesOf(node.select_list);
  for (const star of list.filter((one) => one.class === "STAR")) {
    const of = textOf(star, "relation_name");
    if (of === "" || of.toLowerCase() === alias.toLowerCase()) star.exclude_list = [...excluded(star), ...names];
  }
  node.select_list = [...list, ...names.map((name) => columnOf(alias, name))];
}

function excluded(star: TreeNode) {
  return Array.isArray(star.exclude_list) ? star.exclude_list : [];
}

/** The table of a FROM that brings the rows; beside it stand lists of theirs. */
function bringing(table: TreeNode): TreeNode {
  return table.type === "JOIN" && isNode(table.left) ? bringing(table.left) : table;
}

function columnOf(alias: string, name: string): TreeNode {
  return {
    class: "COLUMN_REF",
    type: "COLUMN_REF",
    alias: name,
    query_location: 0,
    column_names: alias === "" ? [name] : [alias, name],
  };
}

/** An input's rows with what is handed on. */
export function inputSql(relation: string): string {
  return `SELECT *, "op" AS "${carried.op}", "event_time" AS "${carried.eventTime}" FROM (${relation})`;
}
