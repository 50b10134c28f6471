import { isNode, nodesOf, type TreeNode, textOf } from "../compiler/index.ts";
import { ctesOf } from "./classify.ts";

/**
 * Columns of ours beside the user's, from each input row to the rows that come of it: its operation, its event time, and its place
 * among all rows of the inputs. A colon keeps their names apart.
 */
export const carried = { op: "mr:op", eventTime: "mr:time", row: "mr:row" } as const;
const names = Object.values(carried);
/** How the names of columns of ours begin. */
export const ours = "mr:";

/** Room for the offsets of one input among the places of all. */
const placesOfInput = 2n ** 48n;

/**
 * Has every SELECT of a stateless query hand on what its rows carry. Each input must bring it (`inputSql`), and takes the
 * tables' places afterwards. Stars leave it out, so that it is named once.
 */
export function carryThrough(node: TreeNode): void {
  if (node.type === "SET_OPERATION_NODE") {
    for (const part of [node.left, node.right]) if (isNode(part)) carryThrough(part);
    return;
  }
  carryInto(node);
  const alias = sourceName(node);
  leaveOutOfStars(node);
  node.select_list = [...nodesOf(node.select_list), ...names.map((name) => carriedColumn(alias, name))];
}

/** Has what a SELECT reads hand on what its rows carry, so that the SELECT can name it. */
export function carryInto(node: TreeNode): void {
  for (const inner of ctesOf(node)) carryThrough(inner);
  const inner = innerOf(node);
  if (inner !== null) carryThrough(inner);
}

/** Stars of a SELECT over rows that carry would bring it along. @param alias the table that they are of */
export function leaveOutOfStars(node: TreeNode, alias = sourceName(node)): void {
  for (const star of nodesOf(node.select_list).filter((one) => one.class === "STAR")) {
    const of = textOf(star, "relation_name");
    if (of === "" || of.toLowerCase() === alias.toLowerCase())
      star.exclude_list = [...new Set([...excluded(star), ...names])];
  }
}

/** The name under which a SELECT's expressions find the table that brings its rows. */
export function sourceName(node: TreeNode): string {
  const table = isNode(node.from_table) ? bringing(node.from_table) : null;
  return table === null ? "" : textOf(table, "alias") || textOf(table, "table_name");
}

function innerOf(node: TreeNode): TreeNode | null {
  const table = isNode(node.from_table) ? bringing(node.from_table) : null;
  const inner = isNode(table?.subquery) ? table.subquery.node : undefined;
  return isNode(inner) ? inner : null;
}

function excluded(star: TreeNode) {
  return Array.isArray(star.exclude_list) ? star.exclude_list : [];
}

/** The table of a FROM that brings the rows; beside it stand lists of theirs. */
export function bringing(table: TreeNode): TreeNode {
  return table.type === "JOIN" && isNode(table.left) ? bringing(table.left) : table;
}

export function carriedColumn(alias: string, name: string): TreeNode {
  return {
    class: "COLUMN_REF",
    type: "COLUMN_REF",
    alias: name,
    query_location: 0,
    column_names: alias === "" ? [name] : [alias, name],
  };
}

/** What a row's place says: which of the statement's references it is of, and its offset. */
export function placeOf(place: string): { readonly at: number; readonly offset: number } {
  const value = BigInt(place);
  return { at: Number(value / placesOfInput), offset: Number(value % placesOfInput) };
}

/** SQL of the places of an input's rows among those of all. @param at the input's place among those that a statement names */
export function placesFrom(at: number): string {
  return `CAST("offset" AS UBIGINT) + ${BigInt(at) * placesOfInput}::UBIGINT`;
}

/** An input's rows with what is handed on. @param at the input's place among those that a statement names */
export function inputSql(relation: string, at: number): string {
  const row = `${placesFrom(at)} AS "${carried.row}"`;
  return `SELECT *, "op" AS "${carried.op}", "event_time" AS "${carried.eventTime}", ${row} FROM (${relation})`;
}
