import {
  constantIntervalMs,
  foldName,
  isAggregate,
  isNode,
  nodesOf,
  type TreeNode,
  type TreeValue,
  textOf,
  type WindowCall,
} from "../compiler/index.ts";
import { bringing } from "./carry.ts";
import { fromObstacle, type Mode, modifiersOf, type Obstacle, statelessObstacle } from "./classify.ts";
import { type RowJoin, rowJoinOf } from "./join.ts";
import { isLookup } from "./lookup-join.ts";

/** A column of the result that says which of its rows new input rows may change. */
export interface ScopeColumn {
  /** Its name in the result. */
  readonly name: string;
  /** What it is of an input row. */
  readonly expression: TreeNode;
}

type Session = Extract<WindowCall["shape"], { kind: "session" }>;

/** How a SELECT is kept right. */
export interface Plan {
  readonly mode: Mode;
  /** Why this mode, as a sentence's end. */
  readonly why: string;
  /**
   * Rows of the result change only with input rows of equal values here. Empty: any row may change with any. Null: rows of the result
   * come of one input row each.
   */
  readonly scope: readonly ScopeColumn[] | null;
  /** Whether each row that the SELECT itself reads is one input row's, and carries what that carries. */
  readonly carries: boolean;
  /** How many tables' rows a row of the result joins: new rows of each make new ones, and change none. 1 where it joins none. */
  readonly joins: number;
  /** The windows of event time that its FROM puts rows into, and the result says; null where there are none. */
  readonly window: WindowCall["shape"] | null;
  /** Rows whose event times are farther apart than this never change the same rows of the result; null: any may. */
  readonly reachMs: number | null;
}

/** What is known of a SELECT's columns beside its text. */
export interface KnownColumns {
  /** Names of the columns of a table in FROM; null where they are not known. */
  readonly of: (table: TreeNode) => ReadonlySet<string> | null;
  /** Names of the result's columns, in order; null where they are not known. */
  readonly made: readonly string[] | null;
  /** Windows of time in its FROM. */
  readonly windows: readonly WindowCall[];
  /** Whether it asks when a run was decided. */
  readonly asksClock: boolean;
}

/** Plans a SELECT that is deterministic. */
export function planOf(node: TreeNode, key: readonly string[], known: KnownColumns): Plan {
  const obstacle = statelessObstacle(node);
  if (obstacle === null && key.length === 0)
    return {
      ...rowByRow(node),
      scope: null,
      carries: true,
      joins: 1,
      window: null,
      reachMs: null,
    };
  if (obstacle === null) return keyedPlan(key);
  if (node.type !== "SELECT_NODE") return fullRefresh(obstacle.why, false);
  const join = known.asksClock || key.length > 0 ? null : rowJoinOf(node);
  if (join !== null) return joinPlan(join);
  const session = sessionOf(node, known.windows);
  const hindrance = scopeHindrance(node, session, known);
  if (hindrance !== null) return fullRefresh(hindrance.why, false);
  if (known.asksClock) return fullRefresh("it asks the clock, and its result changes with that too", true);
  const shape = shapeOf(node);
  const scope = scopeOf(node, shape, known).filter((column) => session === null || isOfPartition(column, session));
  const within =
    key.length === 0 ? scope : scope.filter(({ name }) => key.some((one) => foldName(one) === foldName(name)));
  if (within.length > 0) {
    const window = windowOf(node, shape, within, known.windows);
    return {
      ...labelOf(node, shape, within),
      scope: within,
      carries: true,
      joins: 1,
      window,
      reachMs: reachOf(window, within),
    };
  }
  const why =
    scope.length > 0
      ? "its KEY has none of the columns that it groups by"
      : `${obstacle.why}, and no column of the result says of which`;
  return fullRefresh(why, true);
}

function rowByRow(node: TreeNode): Pick<Plan, "mode" | "why"> {
  const lookups = new Set(
    findAll(node, isLookup).map((table) => `${textOf(table, "schema_name")}.${textOf(table, "table_name")}`),
  );
  return lookups.size === 0
    ? { mode: "stateless", why: "each row of the result comes of one row of one input" }
    : {
        mode: "lookup join",
        why: `each new row is joined once, with what ${[...lookups].join(", ")} had when its run was decided`,
      };
}

function fullRefresh(why: string, carries: boolean): Plan {
  return { mode: "full refresh with diff", why, scope: [], carries, joins: 1, window: null, reachMs: null };
}

function joinPlan({ leaves, reachMs }: RowJoin): Plan {
  const mode = reachMs === null ? "join" : "interval join";
  const why = "new rows of each input make new rows with those of the others, and change none";
  return { mode, why, scope: null, carries: true, joins: leaves.length, window: null, reachMs };
}

function keyedPlan(key: readonly string[]): Plan {
  const scope = key.map((name) => ({ name, expression: columnRef(name) }));
  return {
    mode: "latest by key",
    why: `the latest row of each ${key.join(", ")} holds`,
    scope,
    carries: true,
    joins: 1,
    window: null,
    reachMs: null,
  };
}

function columnRef(name: string): TreeNode {
  return { class: "COLUMN_REF", type: "COLUMN_REF", alias: "", query_location: 0, column_names: [name] };
}

/** What a SELECT does with the rows of its FROM. */
export interface Shape {
  readonly grouped: boolean;
  readonly windows: readonly TreeNode[];
  /** What DISTINCT ON is of; empty for DISTINCT; null where there is none. */
  readonly distinct: readonly TreeNode[] | null;
  readonly ordered: boolean;
}

/** Looks at what stands around a SELECT's FROM. */
export function shapeOf(node: TreeNode): Shape {
  const values = [...nodesOf(node.select_list), node.having ?? null, node.qualify ?? null];
  const [distinct] = modifiersOf(node, "DISTINCT_MODIFIER");
  return {
    grouped:
      nodesOf(node.group_expressions).length > 0 ||
      node.aggregate_handling !== "STANDARD_HANDLING" ||
      values.some((value) => find(value, isAggregateCall) !== null),
    windows: values.flatMap((value) => findAll(value, (one) => one.class === "WINDOW")),
    distinct: distinct === undefined ? null : nodesOf(distinct.distinct_on_targets),
    ordered: modifiersOf(node, "ORDER_MODIFIER").length > 0,
  };
}

/** The sessions that a SELECT reads: which session a row is in is decided by the other rows of its partition. */
function sessionOf(node: TreeNode, windows: readonly WindowCall[]): Session | null {
  const call = windows.find(({ subquery }) => subquery === node.from_table);
  return call?.shape.kind === "session" ? call.shape : null;
}

/** The windows that a SELECT groups by: the end of each is the end of all that its groups may be of. */
function windowOf(
  node: TreeNode,
  { grouped }: Shape,
  scope: readonly ScopeColumn[],
  windows: readonly WindowCall[],
): WindowCall["shape"] | null {
  const call = windows.find(({ subquery }) => subquery === node.from_table);
  if (call === undefined || !grouped || foldName(call.timeColumn) !== "event_time") return null;
  const isSaid = ({ expression }: ScopeColumn) => ["window_start", "window_end"].includes(lastName(expression));
  return call.shape.kind === "session" || scope.some(isSaid) ? call.shape : null;
}

function isOfPartition({ expression }: ScopeColumn, { partition }: Session): boolean {
  return partition.some((name) => foldName(name) === lastName(expression));
}

/** Why a SELECT over single rows cannot be made anew for some of them alone. */
function scopeHindrance(node: TreeNode, session: Session | null, known: KnownColumns): Obstacle | null {
  if (modifiersOf(node, "LIMIT_MODIFIER", "LIMIT_PERCENT_MODIFIER").length > 0)
    return { why: "LIMIT looks at all rows", location: null };
  const from = isNode(node.from_table) ? fromObstacle(node.from_table) : { why: "it reads no dataset", location: null };
  if (from !== null && session === null) return from;
  if (Array.isArray(node.group_sets) && node.group_sets.length > 1)
    return { why: "its grouping sets overlap", location: null };
  const values = [...nodesOf(node.select_list), node.where_clause ?? null, node.having ?? null, node.qualify ?? null];
  if (values.some((value) => find(value, (one) => one.class === "SUBQUERY") !== null))
    return { why: "a subquery in an expression reads more than the row", location: null };
  if (values.some((value) => find(value, (one) => one.class === "STAR" && one.columns === true) !== null))
    return { why: "COLUMNS(...) takes columns of the platform along", location: null };
  const columns = isNode(node.from_table) ? known.of(bringing(node.from_table)) : null;
  if (find(node.where_clause ?? null, (one) => namesAlias(one, node, columns)) !== null)
    return { why: "its WHERE names columns of the result", location: null };
  return null;
}

/** The name of a column of the input goes before one of the result. */
function namesAlias(value: TreeNode, node: TreeNode, columns: ReadonlySet<string> | null): boolean {
  const name = bareName(value);
  if (name === null || columns?.has(name) === true) return false;
  return nodesOf(node.select_list).some((item) => isAliasOf(item, name) && bareName(item) !== name);
}

export const isAliasOf = (item: TreeNode, name: string) => foldName(textOf(item, "alias")) === name;

/** The columns of the result that are functions of what groups, partitions or tells apart. */
function scopeOf(node: TreeNode, shape: Shape, known: KnownColumns): ScopeColumn[] {
  const columns = isNode(node.from_table) ? known.of(bringing(node.from_table)) : null;
  const all = candidates(node, columns, known.made);
  const partitions = shape.windows.map((window) => nodesOf(window.partitions));
  return all.filter((candidate) => {
    if (!partitions.every((partition) => partition.some((one) => isSame(one, candidate, columns)))) return false;
    // DISTINCT tells rows apart by all columns; DISTINCT ON by what it names.
    const distinct = shape.distinct ?? [];
    if (distinct.length > 0 && !distinct.some((one) => isSame(named(one, node), candidate, columns))) return false;
    return shape.grouped || shape.distinct !== null || partitions.length > 0;
  });
}

/** `1` in DISTINCT ON and GROUP BY is the first column of the result. */
function named(target: TreeNode, node: TreeNode): TreeNode {
  const value = isNode(target.value) ? target.value.value : null;
  const item =
    target.class === "CONSTANT" && typeof value === "number" ? nodesOf(node.select_list)[value - 1] : undefined;
  return item ?? target;
}

/** What GROUP BY names: a column of the result by its number or, where no column of the input has it, its name. */
export function groupNamed(target: TreeNode, node: TreeNode, columns: ReadonlySet<string> | null): TreeNode {
  const name = bareName(target);
  // The name of a column of the input goes before one of the result.
  if (name === null || columns === null || columns.has(name)) return named(target, node);
  return nodesOf(node.select_list).find((item) => isAliasOf(item, name)) ?? target;
}

/**
 * Columns of the result that are functions of one input row. In a SELECT that groups, each is a function of what it groups by, for SQL
 * allows no other beside aggregates.
 */
function candidates(
  node: TreeNode,
  columns: ReadonlySet<string> | null,
  made: readonly string[] | null,
): ScopeColumn[] {
  const items = nodesOf(node.select_list);
  const hasStar = items.some((item) => item.class === "STAR");
  return items.flatMap((item, at): ScopeColumn[] => {
    if (item.class === "STAR") return starColumns(item, columns);
    const isOfRow =
      find(item, (one) => bareName(one) !== null || one.class === "COLUMN_REF") !== null &&
      find(item, (one) => isManyRows(one) || namesOther(one, item, items, columns)) === null;
    const name = textOf(item, "alias") || lastName(item) || (hasStar ? "" : (made?.[at] ?? ""));
    return isOfRow && name !== "" ? [{ name, expression: item }] : [];
  });
}

function isManyRows(value: TreeNode): boolean {
  return value.class === "WINDOW" || isAggregateCall(value) || textOf(value, "function_name") === "unnest";
}

/** A name that is another column of the result, and none of the input: its value is not in a row of the input. */
function namesOther(
  value: TreeNode,
  item: TreeNode,
  items: readonly TreeNode[],
  columns: ReadonlySet<string> | null,
): boolean {
  const name = bareName(value);
  if (name === null || columns?.has(name) === true) return false;
  return items.some((other) => other !== item && isAliasOf(other, name));
}

function starColumns(star: TreeNode, columns: ReadonlySet<string> | null): ScopeColumn[] {
  const isPlain =
    columns !== null &&
    star.columns !== true &&
    !isFilled(star.replace_list) &&
    !isFilled(star.rename_list) &&
    !isFilled(star.expr);
  if (!isPlain || columns === null) return [];
  const lists = [star.exclude_list, star.qualified_exclude_list].flatMap((list) => (Array.isArray(list) ? list : []));
  const excluded = new Set(lists.map(excludedName));
  return [...columns].filter((name) => !excluded.has(name)).map((name) => ({ name, expression: columnRef(name) }));
}

const isFilled = (value: TreeValue | undefined) => (Array.isArray(value) ? value.length > 0 : (value ?? null) !== null);

/** DuckDB writes an excluded column as its name, or as the parts of one that is qualified. */
function excludedName(value: TreeValue): string {
  if (typeof value === "string") return foldName(value);
  return isNode(value) ? foldName(textOf(value, "column")) : "";
}

/** Whether an expression of the SELECT is what a column of the result is. */
function isSame(
  expression: TreeNode,
  { name, expression: own }: ScopeColumn,
  columns: ReadonlySet<string> | null,
): boolean {
  if (normal(expression) === normal(own)) return true;
  const bare = bareName(expression);
  // The name of a column of the input goes before one of the result.
  return bare !== null && bare === foldName(name) && columns !== null && !columns.has(bare);
}

/** Text that equal expressions share: without where they stand, what they are called, and of which table a column is. */
export function normal(value: TreeValue): string {
  return JSON.stringify(value, (member: string, part: TreeValue) => {
    if (member === "query_location" || member === "alias") return undefined;
    if (isNode(part) && part.class === "COLUMN_REF") return { column: lastName(part) };
    return part;
  });
}

/** The name of a column, without that of its table; empty for what is no column. */
function lastName(value: TreeNode): string {
  const names = value.class === "COLUMN_REF" && Array.isArray(value.column_names) ? value.column_names : [];
  return foldName(String(names.at(-1) ?? ""));
}

export function bareName(value: TreeNode): string | null {
  return value.class === "COLUMN_REF" && Array.isArray(value.column_names) && value.column_names.length === 1
    ? lastName(value)
    : null;
}

export function isAggregateCall(value: TreeNode): boolean {
  return value.class === "FUNCTION" && isAggregate(textOf(value, "function_name"));
}

/** How far apart the event times of rows can be that share a value of the scope. */
function reachOf(window: Plan["window"], scope: readonly ScopeColumn[]): number | null {
  const of = window === null || window.kind === "session" ? [] : [window.sizeMs];
  const known = [...of, ...scope.map(({ expression }) => bucketMs(expression)).filter((ms) => ms !== null)];
  return known.length === 0 ? null : Math.min(...known);
}

const dayMs = 86_400_000;
const unitMs: Readonly<Record<string, number>> = {
  second: 1_000,
  minute: 60_000,
  hour: 3_600_000,
  day: dayMs,
  week: 7 * dayMs,
  month: 31 * dayMs,
  quarter: 92 * dayMs,
  year: 366 * dayMs,
};

/** The longest time between rows of one bucket of event time: `time_bucket(INTERVAL, event_time)`, `date_trunc('unit', event_time)`. */
function bucketMs(expression: TreeNode): number | null {
  const name = textOf(expression, "function_name");
  const [size, time, ...more] = nodesOf(expression.children);
  if (expression.class !== "FUNCTION" || more.length > 0 || time === undefined || lastName(time) !== "event_time")
    return null;
  if (name === "time_bucket") return constantIntervalMs(size);
  const unit = isNode(size?.value) ? size.value.value : null;
  return bucketing.has(name) && typeof unit === "string" ? (unitMs[unit.toLowerCase()] ?? null) : null;
}

const bucketing = new Set(["time_bucket", "date_trunc", "datetrunc"]);

function labelOf(node: TreeNode, shape: Shape, scope: readonly ScopeColumn[]): Pick<Plan, "mode" | "why"> {
  const names = scope.map(({ name }) => name).join(", ");
  const groups = [...nodesOf(node.group_expressions), ...nodesOf(node.select_list)];
  if (shape.grouped && groups.some(isOfWindow))
    return { mode: "windowed aggregate", why: `new rows change the windows and groups of their ${names} alone` };
  if (shape.grouped) return { mode: "keyed aggregate", why: `new rows change the groups of their ${names} alone` };
  if (shape.windows.some(({ type }) => type === "WINDOW_ROW_NUMBER") && isNode(node.qualify))
    return { mode: "latest by key", why: `new rows change what holds of their ${names} alone` };
  if (shape.windows.length > 0)
    return { mode: "window functions by key", why: `new rows change the rows of their ${names} alone` };
  if (shape.ordered) return { mode: "latest by key", why: `new rows change what holds of their ${names} alone` };
  return { mode: "dedup", why: `of rows with equal ${names}, one holds` };
}

function isOfWindow(expression: TreeNode): boolean {
  const isWindow = (one: TreeNode) =>
    bucketing.has(textOf(one, "function_name")) || ["window_start", "window_end"].includes(lastName(one));
  return find(expression, isWindow) !== null;
}

/** The first node of a tree that is so. */
export function find(value: TreeValue, isSo: (node: TreeNode) => boolean): TreeNode | null {
  return findAll(value, isSo)[0] ?? null;
}

export function findAll(value: TreeValue, isSo: (node: TreeNode) => boolean): TreeNode[] {
  if (Array.isArray(value)) return value.flatMap((one) => findAll(one, isSo));
  if (!isNode(value)) return [];
  const inner = Object.values(value).flatMap((one) => findAll(one, isSo));
  return isSo(value) ? [value, ...inner] : inner;
}
