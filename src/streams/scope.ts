import type { Instant } from "../base/index.ts";
import { foldName, isNode, nodesOf, type TreeNode, textOf } from "../compiler/index.ts";
import { carried, carriedColumn, leaveOutOfStars, sourceName } from "./carry.ts";
import { modifiersOf } from "./classify.ts";
import { castOf } from "./freeze.ts";
import { findAll, isAggregateCall, type ScopeColumn, shapeOf } from "./plan.ts";

/** The table of a run that holds the values of its scope, and its columns. */
export const scopeTable = "mr:keys";
export const scopeColumn = (at: number) => `k${at}`;

/** Turns a SELECT into that of the scope's values of its rows. */
export function selectScope(node: TreeNode, scope: readonly ScopeColumn[]): void {
  const list = scope.map(({ expression }, at) => ({ ...expression, alias: scopeColumn(at) }));
  const plain = { group_expressions: [], group_sets: [], aggregate_handling: "STANDARD_HANDLING" };
  const distinct = [{ type: "DISTINCT_MODIFIER", distinct_on_targets: [] }];
  Object.assign(node, plain, { select_list: list, modifiers: distinct, having: null, qualify: null });
}

/** Has a SELECT read only rows whose scope is in the run's table. NULLs within rows compare as values do. */
export function restrictToScope(node: TreeNode, scope: readonly ScopeColumn[]): void {
  const own = rowOf(scope.map(({ expression }) => expression));
  const wanted = rowOf(scope.map((_, at) => carriedColumn("", scopeColumn(at))));
  const test = {
    ...anyOf,
    child: own,
    subquery: { node: { ...selectNode, select_list: [wanted] }, named_param_map: [] },
  };
  alsoWhere(node, test);
}

/** Bounds of the windows that a part of a run is about: those that end behind `after`, and not behind `by`. */
export interface WindowBounds {
  readonly after: Instant | null;
  readonly by: Instant | null;
}

/** Has a SELECT read only rows of windows within bounds; their ends are a column of what it reads. */
export function restrictToWindows(node: TreeNode, { after, by }: WindowBounds): void {
  if (after !== null) alsoWhere(node, compare("COMPARE_GREATERTHAN", node, after));
  if (by !== null) alsoWhere(node, compare("COMPARE_LESSTHANOREQUALTO", node, by));
}

function compare(type: string, node: TreeNode, at: Instant): TreeNode {
  const left = { ...carriedColumn(sourceName(node), "window_end"), alias: "" };
  const right = castOf(new Date(at).toISOString(), "TIMESTAMP WITH TIME ZONE");
  return { class: "COMPARISON", type, alias: "", query_location: 0, left, right };
}

function alsoWhere(node: TreeNode, test: TreeNode): void {
  const { where_clause: where } = node;
  node.where_clause = isNode(where)
    ? { class: "CONJUNCTION", type: "CONJUNCTION_AND", alias: "", query_location: 0, children: [where, test] }
    : test;
}

/** Turns a SELECT over windows into that of the places of its rows, each with the last end of a window that it was in. */
export function selectMissed(node: TreeNode): void {
  const row = { ...carriedColumn(sourceName(node), carried.row), alias: "place" };
  const end = callOf("max", [{ ...carriedColumn(sourceName(node), "window_end"), alias: "" }]);
  const grouped = { group_expressions: [], group_sets: [], aggregate_handling: "FORCE_AGGREGATES" };
  const list = [row, { ...end, alias: "window_end" }];
  Object.assign(node, grouped, { select_list: list, modifiers: [], having: null, qualify: null });
}

/** Turns a SELECT into that of the places of its rows among those of the inputs. */
export function selectPlaces(node: TreeNode): void {
  const row = { ...carriedColumn(sourceName(node), carried.row), alias: "place" };
  const plain = { group_expressions: [], group_sets: [], aggregate_handling: "STANDARD_HANDLING" };
  const distinct = [{ type: "DISTINCT_MODIFIER", distinct_on_targets: [] }];
  Object.assign(node, plain, { select_list: [row], modifiers: distinct, having: null, qualify: null });
}

export const selectNode = {
  type: "SELECT_NODE",
  modifiers: [],
  cte_map: { map: [] },
  from_table: {
    type: "BASE_TABLE",
    alias: "",
    sample: null,
    query_location: 0,
    schema_name: "",
    table_name: scopeTable,
    column_name_alias: [],
    catalog_name: "",
    at_clause: null,
  },
  where_clause: null,
  group_expressions: [],
  group_sets: [],
  aggregate_handling: "STANDARD_HANDLING",
  having: null,
  sample: null,
  qualify: null,
};

const anyOf = {
  class: "SUBQUERY",
  type: "SUBQUERY",
  alias: "",
  query_location: 0,
  subquery_type: "ANY",
  comparison_type: "COMPARE_EQUAL",
};

/** Not a row(): of the left one before IN, DuckDB takes the values apart. */
const rowOf = (values: TreeNode[]) =>
  callOf(
    "struct_pack",
    values.map((value, at) => ({ ...value, alias: scopeColumn(at) })),
  );

/** The same in SQL. */
export function rowSql(values: readonly string[]): string {
  return `{${values.map((value, at) => `'${scopeColumn(at)}': ${value}`).join(", ")}}`;
}

/** A call of a function. */
export function callOf(name: string, children: TreeNode[]): TreeNode {
  return {
    class: "FUNCTION",
    type: "FUNCTION",
    alias: "",
    query_location: 0,
    function_name: name,
    schema: "main",
    children,
    filter: null,
    order_bys: { type: "ORDER_MODIFIER", orders: [] },
    distinct: false,
    is_operator: false,
    export_state: false,
    catalog: "",
  };
}

/** Aggregates whose value depends on the order of their rows, also where no row ties with another. */
const inOrder = new Set(
  "first last any_value arbitrary list array_agg string_agg group_concat listagg arg_min arg_max argmin argmax min_by max_by arg_min_null arg_max_null arg_min_nulls_last arg_max_nulls_last".split(
    " ",
  ),
);
/** Of these, those that are one value only where the statement says an order. */
const anyOrder = new Set("first last any_value arbitrary list array_agg string_agg group_concat listagg".split(" "));

/** The first aggregate whose value no order decides. */
export function orderless(node: TreeNode): TreeNode | null {
  const [found] = findAll(node, (one) => anyOrder.has(foldName(textOf(one, "function_name"))) && isUnordered(one));
  return found ?? null;
}

function isUnordered(call: TreeNode): boolean {
  if (call.class === "WINDOW") return nodesOf(call.orders).length === 0 && nodesOf(call.arg_orders).length === 0;
  return isAggregateCall(call) && isNode(call.order_bys) && nodesOf(call.order_bys.orders).length === 0;
}

const tied = new Set(["WINDOW_ROW_NUMBER", "WINDOW_NTILE", "WINDOW_LEAD", "WINDOW_LAG", "WINDOW_FIRST_VALUE"]);

/**
 * Has a SELECT over rows that carry say which event time its rows have, and decides in the order of (event time, offset) what the
 * statement leaves open.
 */
export function carryOut(node: TreeNode): void {
  const shape = shapeOf(node);
  const source = sourceName(node);
  const orders = (type: string) =>
    [carried.eventTime, carried.row].map((name) => ({
      type,
      null_order: "ORDER_DEFAULT",
      expression: { ...carriedColumn(source, name), alias: "" },
    }));
  for (const call of findAll(
    node,
    (one) => isAggregateCall(one) && inOrder.has(foldName(textOf(one, "function_name"))),
  ))
    if (isUnordered(call) && call.distinct !== true)
      call.order_bys = { type: "ORDER_MODIFIER", orders: orders("ASCENDING") };
  leaveOutOfStars(node);
  const time = carriedColumn(source, carried.eventTime);
  const list = nodesOf(node.select_list);
  const timeOf = (name: string) => ({ ...callOf(name, [{ ...time, alias: "" }]), alias: carried.eventTime });
  if (shape.grouped) {
    if (shape.distinct === null) node.select_list = [...list, timeOf("max")];
    return;
  }
  for (const window of shape.windows.filter((one) => tied.has(textOf(one, "type"))))
    addOrders(window, "orders", orders);
  if (shape.distinct?.length === 0) {
    if (shape.windows.length > 0) return;
    // DISTINCT is GROUP BY ALL, which can also say the first time of equal rows.
    node.modifiers = nodesOf(node.modifiers).filter(({ type }) => type !== "DISTINCT_MODIFIER");
    node.aggregate_handling = "FORCE_AGGREGATES";
    node.select_list = [...list, timeOf("min")];
    return;
  }
  if (shape.distinct !== null) {
    const [order = { type: "ORDER_MODIFIER", orders: [] }] = modifiersOf(node, "ORDER_MODIFIER");
    addOrders(order, "orders", orders);
    node.modifiers = [...nodesOf(node.modifiers).filter((one) => one !== order), order];
  }
  node.select_list = [...list, time];
}

/** Behind what is said, and in its direction: the latest of equal rows is the one that came last. */
function addOrders(of: TreeNode, member: string, orders: (type: string) => TreeNode[]): void {
  const said = nodesOf(of[member]);
  const direction = said.at(-1)?.type === "DESCENDING" ? "DESCENDING" : "ASCENDING";
  of[member] = [...said, ...orders(direction)];
}
