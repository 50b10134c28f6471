import {
  constantIntervalMs,
  foldName,
  isNode,
  nodesOf,
  type TreeNode,
  type TreeValue,
  textOf,
} from "../compiler/index.ts";
import { carried, carriedColumn, carryThrough, leaveOutOfStars } from "./carry.ts";
import { ctesOf, fromObstacle, selfObstacle } from "./classify.ts";
import { callOf } from "./scope.ts";

/** A SELECT over pairs of rows, of which each new row makes new ones and changes none. */
export interface RowJoin {
  /** The tables that it joins, in the order of the text. */
  readonly leaves: readonly TreeNode[];
  /** How far apart the event times of two joined rows can be; null where the SELECT does not say. */
  readonly reachMs: number | null;
}

/**
 * The join of a SELECT that is linear in each of its tables: inner joins of rows, projected and filtered. What new rows of one table make
 * is then their join with all rows of the others (Gupta and Mumick, "Maintenance of Materialized Views", 1995). Null: it is none.
 */
export function rowJoinOf(node: TreeNode): RowJoin | null {
  const from = node.from_table;
  if (node.type !== "SELECT_NODE" || !isNode(from) || from.type !== "JOIN" || ctesOf(node).length > 0) return null;
  if (selfObstacle(node) !== null) return null;
  const leaves = leavesOf(from);
  if (leaves === null || leaves.length > 4) return null;
  const conditions = [...joinConditions(from), ...conjuncts(node.where_clause)];
  return { leaves, reachMs: leaves.length === 2 ? reachOf(conditions) : null };
}

function leavesOf(table: TreeNode): TreeNode[] | null {
  if (isNode(table.sample)) return null;
  if (table.type !== "JOIN") return isLeaf(table) ? [table] : null;
  const isInner = table.join_type === "INNER" && (table.ref_type === "REGULAR" || table.ref_type === "CROSS");
  if (!isInner || !isNode(table.left) || !isNode(table.right)) return null;
  const [left, right] = [leavesOf(table.left), leavesOf(table.right)];
  return left === null || right === null ? null : [...left, ...right];
}

function isLeaf(table: TreeNode): boolean {
  return (table.type === "BASE_TABLE" || table.type === "SUBQUERY") && fromObstacle(table) === null;
}

function joinConditions(table: TreeNode): TreeNode[] {
  if (table.type !== "JOIN") return [];
  const inner = [table.left, table.right].filter(isNode).flatMap(joinConditions);
  return [...inner, ...conjuncts(table.condition)];
}

function conjuncts(value: TreeValue | undefined): TreeNode[] {
  if (!isNode(value)) return [];
  return value.type === "CONJUNCTION_AND" ? nodesOf(value.children).flatMap(conjuncts) : [value];
}

/** An event time of one table, moved by a constant. */
interface MovedTime {
  readonly table: string;
  readonly byMs: number;
}

/** The farthest that two joined event times can be apart, from the conditions that bound them on both sides. */
function reachOf(conditions: readonly TreeNode[]): number | null {
  // By the two tables in the order of their names: first - second is at least, and at most.
  let [least, most]: [number, number] = [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY];
  for (const [smaller, greater] of conditions.flatMap(orders)) {
    const [low, high] = [movedTime(smaller), movedTime(greater)];
    if (low === null || high === null || low.table === high.table) continue;
    // low.time + low.byMs <= high.time + high.byMs
    const bound = high.byMs - low.byMs;
    if (low.table < high.table) most = Math.min(most, bound);
    else least = Math.max(least, -bound);
  }
  const reach = Math.max(Math.abs(least), Math.abs(most));
  return Number.isFinite(reach) ? reach : null;
}

/** What a condition says as pairs of which the first is not greater. */
function orders(condition: TreeNode): [TreeNode, TreeNode][] {
  const { left, right, input, lower, upper } = condition;
  if (condition.type === "COMPARE_BETWEEN" && isNode(input) && isNode(lower) && isNode(upper))
    return [
      [lower, input],
      [input, upper],
    ];
  if (!isNode(left) || !isNode(right)) return [];
  switch (condition.type) {
    case "COMPARE_LESSTHAN":
    case "COMPARE_LESSTHANOREQUALTO":
      return [[left, right]];
    case "COMPARE_GREATERTHAN":
    case "COMPARE_GREATERTHANOREQUALTO":
      return [[right, left]];
    case "COMPARE_EQUAL":
      return [
        [left, right],
        [right, left],
      ];
    default:
      return [];
  }
}

function movedTime(value: TreeNode): MovedTime | null {
  if (value.class === "COLUMN_REF" && Array.isArray(value.column_names) && value.column_names.length > 1) {
    const [table, column] = value.column_names.slice(-2).map((name) => foldName(String(name)));
    return table !== undefined && column === "event_time" ? { table, byMs: 0 } : null;
  }
  const sign = { "+": 1, "-": -1 }[textOf(value, "function_name")];
  const [time, interval, ...more] = nodesOf(value.children);
  if (sign === undefined || time === undefined || more.length > 0) return null;
  const moved = movedTime(time);
  const byMs = constantIntervalMs(interval);
  return moved === null || byMs === null ? null : { table: moved.table, byMs: moved.byMs + sign * byMs };
}

/** The column that has the place of a row's part of one table. */
export const placeColumn = (at: number) => `${carried.row}${at}`;

/** Joined rows are added, and none is taken back: where an input takes rows back, everything is made anew. */
const appended: TreeNode = {
  class: "CONSTANT",
  type: "VALUE_CONSTANT",
  alias: carried.op,
  query_location: 0,
  value: { type: { id: "INTEGER", type_info: null }, is_null: false, value: 0 },
};

/** Has a SELECT over joined rows say the later of their event times, and the place of each. */
export function carryJoin(node: TreeNode, leaves: readonly TreeNode[]): void {
  for (const leaf of leaves) {
    const inner = isNode(leaf.subquery) ? leaf.subquery.node : undefined;
    if (isNode(inner)) carryThrough(inner);
  }
  const names = leaves.map((leaf) => textOf(leaf, "alias") || textOf(leaf, "table_name"));
  for (const name of names) leaveOutOfStars(node, name);
  const times = names.map((name) => ({ ...carriedColumn(name, carried.eventTime), alias: "" }));
  const places = names.map((name, at) => ({ ...carriedColumn(name, carried.row), alias: placeColumn(at) }));
  const time = { ...callOf("greatest", times), alias: carried.eventTime };
  node.select_list = [...nodesOf(node.select_list), appended, time, ...places];
}
