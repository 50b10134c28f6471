import { foldName, isNode, nodesOf, type TreeNode, type TreeValue, textOf } from "../compiler/index.ts";
import { carried, carriedColumn, carryInto, sourceName } from "./carry.ts";
import { modifiersOf } from "./classify.ts";
import { bareName, find, groupNamed, isAggregateCall, isAliasOf, normal, shapeOf } from "./plan.ts";
import { callOf, selectNode } from "./scope.ts";

/** How two parts of a state become one: an exported state of DuckDB's is combined; of other values the lesser or the greater holds. */
export type Merge = "combine" | "least" | "greatest";

/** A column of a group's state. */
export interface StateColumn {
  readonly name: string;
  readonly merge: Merge;
}

/** What is kept of a group, each table of it: `mr:g0`... tell groups apart, then come the states. */
export interface StateShape {
  readonly groups: readonly string[];
  readonly states: readonly StateColumn[];
}

/** The end of a group's window. */
export const groupEnd = "mr:end";
/** The table that `finalSelect` reads: a row of each group, its states' values, and what passes through. */
export const finalsTable = "mr:finals";
/** What tells groups of a run apart. */
export const groupNumber = "mr:gid";

interface State extends StateColumn {
  readonly call: TreeNode;
}

/**
 * A SELECT that groups, taken apart: what new rows add to their groups, and what groups come to. Adding up what parts of the rows came to is the
 * same as what all of them come to. (Gray et al., "Data Cube", 1997: distributive and algebraic aggregates.)
 */
export interface Partial {
  readonly groups: readonly TreeNode[];
  readonly states: readonly State[];
  readonly list: readonly TreeNode[];
  readonly having: TreeNode | null;
}

/** Why a SELECT's groups are not kept as states, as a sentence's end. */
export class NoPartial extends Error {}

/** @throws NoPartial */
export function partialOf(node: TreeNode, made: readonly string[], columns: ReadonlySet<string> | null): Partial {
  const shape = shapeOf(node);
  const items = nodesOf(node.select_list);
  const isDedup = !shape.grouped && shape.distinct?.length === 0;
  if (shape.windows.length > 0) throw new NoPartial("a window function looks at other rows than new ones");
  if (!isDedup && (!shape.grouped || shape.distinct !== null)) throw new NoPartial("it does not group");
  if (items.some((item) => find(item, ({ class: of }) => of === "STAR") !== null))
    throw new NoPartial("a star stands for columns that it does not name");
  if (isNode(node.qualify) || (Array.isArray(node.group_sets) && node.group_sets.length > 1))
    throw new NoPartial("its groups overlap");
  if (modifiersOf(node, "LIMIT_MODIFIER", "LIMIT_PERCENT_MODIFIER").length > 0)
    throw new NoPartial("LIMIT looks at all groups");
  const groups = isDedup ? items : groupsOf(node, items, columns);
  const split = new Split(node, items, groups, columns);
  const list = items.map((item, at) => ({ ...split.over(item), alias: made[at] ?? "" }));
  const having = isNode(node.having) ? split.over(node.having) : null;
  // When something was told of first, or last: as of rows of which one holds, and of groups.
  const time = { name: carried.eventTime, merge: isDedup ? ("least" as const) : ("greatest" as const) };
  const call = callOf(isDedup ? "min" : "max", [{ ...carriedColumn(sourceName(node), carried.eventTime), alias: "" }]);
  return { groups, states: [...split.states, { ...time, call }], list, having };
}

/** Columns of the result that are what is grouped by. @throws NoPartial where one is not in it */
export function identifiedBy(node: TreeNode, { groups }: Partial, made: readonly string[]): readonly string[] {
  const items = nodesOf(node.select_list).map(normal);
  return groups.map((group) => {
    const name = made[items.indexOf(normal(group))];
    if (name === undefined) throw new NoPartial("its result does not say of which group its rows are");
    return name;
  });
}

/** Names and merges of what is kept. */
export function stateShape({ groups, states }: Partial, hasEnd: boolean): StateShape {
  return {
    groups: groups.map((_, at) => groupColumn(at)),
    states: [
      ...states.map(({ name, merge }) => ({ name, merge })),
      ...(hasEnd ? [{ name: groupEnd, merge: "greatest" as const }] : []),
    ],
  };
}

/** Turns a SELECT over rows that carry into that of what the rows add to the states of their groups. */
export function selectPartial(node: TreeNode, { groups, states }: Partial, hasEnd: boolean): void {
  const source = sourceName(node);
  carryInto(node);
  const end = { ...callOf("max", [{ ...carriedColumn(source, "window_end"), alias: "" }]), alias: groupEnd };
  const list = [
    ...groups.map((group, at) => ({ ...group, alias: groupColumn(at) })),
    ...states.map(({ name, call }) => ({ ...call, alias: name })),
    ...(hasEnd ? [end] : []),
  ];
  Object.assign(node, {
    select_list: list,
    group_expressions: [],
    group_sets: [],
    // GROUP BY ALL: what is no aggregate is what is grouped by.
    aggregate_handling: groups.length === 0 ? "STANDARD_HANDLING" : "FORCE_AGGREGATES",
    modifiers: [],
    having: null,
    qualify: null,
  });
}

/** Turns a SELECT into that of the result's rows, and which group each is, over the values of groups. */
export function selectFinal(node: TreeNode, { list, having }: Partial): void {
  const passing = [carried.eventTime, groupNumber].map((name) => carriedColumn("", name));
  const from = { ...selectNode.from_table, table_name: finalsTable };
  for (const member of Object.keys(node)) delete node[member];
  Object.assign(node, selectNode, {
    cte_map: { map: [] },
    from_table: from,
    select_list: [...list, ...passing],
    where_clause: having,
  });
}

const groupColumn = (at: number) => `mr:g${at}`;

/** What a SELECT groups by: what GROUP BY names, or with GROUP BY ALL every column that is no aggregate. */
function groupsOf(node: TreeNode, items: readonly TreeNode[], columns: ReadonlySet<string> | null): TreeNode[] {
  const said = nodesOf(node.group_expressions);
  if (said.length > 0) return said.map((one) => groupNamed(one, node, columns));
  if (node.aggregate_handling === "STANDARD_HANDLING") return [];
  return items.filter((item) => find(item, isAggregateCall) === null);
}

/** Takes expressions over groups apart into aggregates of rows, and what is made of those. */
class Split {
  readonly states: State[] = [];
  readonly #source: string;
  readonly #items: readonly TreeNode[];
  readonly #groups: readonly string[];
  readonly #columns: ReadonlySet<string> | null;
  /** Aliases that are being looked through. */
  readonly #through = new Set<TreeNode>();

  constructor(
    node: TreeNode,
    items: readonly TreeNode[],
    groups: readonly TreeNode[],
    columns: ReadonlySet<string> | null,
  ) {
    this.#source = sourceName(node);
    this.#items = items;
    this.#groups = groups.map(normal);
    this.#columns = columns;
  }

  /** The same expression over states' values. @throws NoPartial */
  over(value: TreeNode): TreeNode {
    const at = this.#groups.indexOf(normal(value));
    if (at >= 0) return { ...carriedColumn("", groupColumn(at)), alias: textOf(value, "alias") };
    if (isAggregateCall(value)) return this.#aggregate(value);
    if (value.class === "COLUMN_REF") return this.#alias(value);
    if (value.class === "SUBQUERY" || value.class === "WINDOW" || value.class === "LAMBDA")
      throw new NoPartial("an expression of it is more than one of its groups' values");
    return Object.fromEntries(
      Object.entries(value).map(([member, part]) => [member, part === undefined ? part : this.#within(part)]),
    ) as TreeNode;
  }

  #within(value: TreeValue): TreeValue {
    if (Array.isArray(value)) return value.map((one) => this.#within(one));
    return isNode(value) ? this.over(value) : value;
  }

  /** The name of another column of the result. */
  #alias(value: TreeNode): TreeNode {
    const name = bareName(value);
    const item =
      name === null || this.#columns?.has(name) === true
        ? undefined
        : this.#items.find((one) => isAliasOf(one, name) && one !== value);
    if (item === undefined || this.#through.has(item))
      throw new NoPartial("it names a column that it does not group by");
    this.#through.add(item);
    try {
      return { ...this.over(item), alias: "" };
    } finally {
      this.#through.delete(item);
    }
  }

  #aggregate(call: TreeNode): TreeNode {
    const name = foldName(textOf(call, "function_name"));
    const isOrdered = isNode(call.order_bys) && nodesOf(call.order_bys.orders).length > 0;
    if (call.distinct === true) throw new NoPartial(`${name}(DISTINCT ...) needs all of its rows`);
    if (isOrdered) throw new NoPartial(`${name}(... ORDER BY ...) needs all of its rows`);
    const children = nodesOf(call.children);
    const [value] = children;
    if (exported.has(name)) return this.#state({ ...call, alias: "", export_state: true }, "combine");
    if (least.has(name) && children.length === 1) return this.#state({ ...call, alias: "" }, "least");
    if (greatest.has(name) && children.length === 1) return this.#state({ ...call, alias: "" }, "greatest");
    const order = placed[name];
    if (order === undefined || value === undefined || children.length !== order.children)
      throw new NoPartial(`${name.replace("count_star", "count")}() needs all of its rows`);
    const by = children[1];
    return this.#placed(call, value, by === undefined ? undefined : withNames(by), order);
  }

  /** The value of the row that comes first, or last, in an order: of what is packed together, the first member decides first. */
  #placed(call: TreeNode, value: TreeNode, by: TreeNode | undefined, { merge, isBackwards, skips }: Placed): TreeNode {
    const member = (name: string, of: TreeNode) => ({ ...of, alias: name });
    const back = (of: TreeNode) => (isBackwards ? callOf("-", [{ ...of, alias: "" }]) : of);
    const time = callOf("epoch_us", [this.#carried(carried.eventTime)]);
    const packed = callOf("struct_pack", [
      ...(by === undefined ? [] : [member("by", by)]),
      member("time", back(time)),
      member("row", back(hugeint(this.#carried(carried.row)))),
      member("value", value),
    ]);
    const tests = skips ? [value, ...(by === undefined ? [] : [by])].map(isThere) : [];
    const filter = [...(isNode(call.filter) ? [call.filter] : []), ...tests];
    const aggregate = {
      ...callOf(merge === "least" ? "min" : "max", [packed]),
      filter: filter.length === 0 ? null : all(filter),
    };
    return callOf("struct_extract", [this.#state(aggregate, merge), constantText("value")]);
  }

  #carried(name: string): TreeNode {
    return { ...carriedColumn(this.#source, name), alias: "" };
  }

  #state(call: TreeNode, merge: Merge): TreeNode {
    // A table has no column of such a type.
    if (find(call, isRow) !== null) throw new NoPartial("a row() in it has no names");
    const known = this.states.find((one) => one.merge === merge && normal(one.call) === normal(call));
    const name = known?.name ?? `mr:s${this.states.length}`;
    if (known === undefined) this.states.push({ name, merge, call });
    return { ...carriedColumn("", name), alias: "" };
  }
}

const words = (text: string) => new Set(text.split(/\s+/));

/** Those whose state DuckDB gives out (EXPORT_STATE) and combines. */
const exported = words(`sum avg mean count count_star count_if countif bool_and bool_or bit_and bit_or bit_xor
  var_pop var_samp variance stddev stddev_pop stddev_samp sem skewness kurtosis kurtosis_pop covar_pop covar_samp corr
  regr_avgx regr_avgy regr_count regr_sxx regr_syy regr_sxy regr_slope regr_intercept regr_r2 approx_count_distinct
  fsum kahan_sum sumkahan favg`);
const least = words("min");
const greatest = words("max");

interface Placed {
  readonly children: number;
  readonly merge: "least" | "greatest";
  /** Of rows that are equal but for their place, the earliest holds. */
  readonly isBackwards: boolean;
  /** Whether rows without a value do not count. */
  readonly skips: boolean;
}

/** Those that an order of their rows decides, which is that of (event time, offset) where the statement says none. */
const placed: Readonly<Record<string, Placed>> = {
  first: { children: 1, merge: "least", isBackwards: false, skips: false },
  last: { children: 1, merge: "greatest", isBackwards: false, skips: false },
  any_value: { children: 1, merge: "least", isBackwards: false, skips: true },
  arbitrary: { children: 1, merge: "least", isBackwards: false, skips: false },
  arg_min: { children: 2, merge: "least", isBackwards: false, skips: true },
  argmin: { children: 2, merge: "least", isBackwards: false, skips: true },
  min_by: { children: 2, merge: "least", isBackwards: false, skips: true },
  arg_max: { children: 2, merge: "greatest", isBackwards: true, skips: true },
  argmax: { children: 2, merge: "greatest", isBackwards: true, skips: true },
  max_by: { children: 2, merge: "greatest", isBackwards: true, skips: true },
};

const isRow = (value: TreeNode) => value.class === "FUNCTION" && textOf(value, "function_name") === "row";

/** What rows are ordered by, with names where it is a row() of several values: they compare as those do. */
function withNames(value: TreeNode): TreeNode {
  if (!isRow(value)) return value;
  const members = nodesOf(value.children).map((of, at) => ({ ...of, alias: `v${at}` }));
  return { ...callOf("struct_pack", members), filter: value.filter ?? null };
}

/** What may be taken the negative of. */
function hugeint(child: TreeNode): TreeNode {
  const cast_type = { id: "HUGEINT", type_info: null };
  return { class: "CAST", type: "OPERATOR_CAST", alias: "", query_location: 0, child, cast_type, try_cast: false };
}

function isThere(value: TreeNode): TreeNode {
  return {
    class: "OPERATOR",
    type: "OPERATOR_IS_NOT_NULL",
    alias: "",
    query_location: 0,
    children: [{ ...value, alias: "" }],
  };
}

function all(children: TreeNode[]): TreeNode {
  const [only] = children;
  return children.length === 1 && only !== undefined
    ? only
    : { class: "CONJUNCTION", type: "CONJUNCTION_AND", alias: "", query_location: 0, children };
}

function constantText(value: string): TreeNode {
  return {
    class: "CONSTANT",
    type: "VALUE_CONSTANT",
    alias: "",
    query_location: 0,
    value: { type: { id: "VARCHAR", type_info: null }, is_null: false, value },
  };
}
