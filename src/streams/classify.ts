import {
  isAggregate,
  isNode,
  isVolatile,
  locationOf,
  nodesOf,
  type TreeNode,
  type TreeValue,
  textOf,
} from "../compiler/index.ts";
import { isLookup, isLookupJoin } from "./lookup-join.ts";

/** How a transform is kept right as rows arrive. */
export const modes = [
  "stateless",
  "windowed aggregate",
  "keyed aggregate",
  "dedup",
  "latest by key",
  "window functions by key",
  "interval join",
  "join",
  "lookup join",
  "full refresh with diff",
] as const;
export type Mode = (typeof modes)[number];

/** Why a SELECT has no mode, and where in its text, in bytes. */
export interface Obstacle {
  readonly why: string;
  readonly location: number | null;
}

/**
 * Whether each row of the result comes of one row of one input, so that a run over new rows alone makes the new rows of the
 * result: a projection, a filter, UNNEST, and UNION ALL of such, through subqueries and CTEs. Null: it is.
 */
export function statelessObstacle(node: TreeNode): Obstacle | null {
  switch (node.type) {
    case "SELECT_NODE":
      return selectObstacle(node);
    case "SET_OPERATION_NODE":
      return unionObstacle(node);
    default:
      return at(node, "it is a recursive query");
  }
}

function unionObstacle(node: TreeNode): Obstacle | null {
  const type = textOf(node, "setop_type").replaceAll("_", " ");
  if (!type.startsWith("UNION") || node.setop_all !== true) return at(node, `${type} compares rows with each other`);
  const parts = [node.left, node.right].filter(isNode);
  return modifierObstacle(node) ?? first(parts, statelessObstacle);
}

function selectObstacle(node: TreeNode): Obstacle | null {
  return (
    selfObstacle(node) ??
    first(ctesOf(node), statelessObstacle) ??
    (isNode(node.from_table) ? fromObstacle(node.from_table) : at(node, "it reads no dataset"))
  );
}

/** What a SELECT does itself that looks at more than one row of its FROM. */
export function selfObstacle(node: TreeNode): Obstacle | null {
  if (nodesOf(node.group_expressions).length > 0 || node.aggregate_handling !== "STANDARD_HANDLING")
    return at(node, "GROUP BY makes one row of many");
  if (node.having !== null) return at(node, "HAVING looks at groups of rows");
  if (node.qualify !== null) return at(node, "QUALIFY looks at a window of rows");
  if (node.sample !== null) return at(node, "a sample is another one each time");
  const values = [...nodesOf(node.select_list), ...(isNode(node.where_clause) ? [node.where_clause] : [])];
  return modifierObstacle(node) ?? first(values, valueObstacle);
}

/** What stands behind a SELECT, of some kinds. */
export function modifiersOf(node: TreeNode, ...types: readonly string[]): TreeNode[] {
  return nodesOf(node.modifiers).filter((modifier) => types.includes(textOf(modifier, "type")));
}

/** ORDER BY, LIMIT and DISTINCT look at more than one row. */
function modifierObstacle(node: TreeNode): Obstacle | null {
  const [modifier] = nodesOf(node.modifiers);
  if (modifier === undefined) return null;
  const name = textOf(modifier, "type")
    .replace(/_MODIFIER$/, "")
    .replace("_", " ");
  return at(node, `${name === "ORDER" ? "ORDER BY" : name} looks at more than one row`);
}

export function ctesOf(node: TreeNode): TreeNode[] {
  const map = isNode(node.cte_map) ? nodesOf(node.cte_map.map) : [];
  return map.flatMap(({ value }) => {
    const query = isNode(value) ? value.query : undefined;
    const inner = isNode(query) ? query.node : undefined;
    return isNode(inner) ? [inner] : [];
  });
}

/** One table, maybe with its own lists taken apart beside it, or rows of others looked up. */
export function fromObstacle(table: TreeNode): Obstacle | null {
  if (isNode(table.sample)) return at(table, "a sample is another one each time");
  switch (table.type) {
    case "BASE_TABLE":
      if (isLookup(table)) return at(table, "it stands elsewhere than behind a JOIN");
      return table.at_clause === null ? null : at(table, "AT reads a past that no new rows change");
    case "SUBQUERY": {
      const inner = isNode(table.subquery) ? table.subquery.node : undefined;
      return isNode(inner) ? statelessObstacle(inner) : at(table, "its subquery cannot be read");
    }
    case "JOIN": {
      const { left, right } = table;
      if (isLookupJoin(table) && isNode(left)) return fromObstacle(left) ?? valueObstacle(table.condition ?? null);
      const isLateral = isNode(right) && right.type === "TABLE_FUNCTION" && table.condition === null;
      if (!isLateral || !isNode(left) || table.join_type !== "INNER")
        return at(table, "a join looks at more than one row");
      return fromObstacle(left) ?? valueObstacle(right);
    }
    case "EMPTY":
      return at(table, "it reads no dataset");
    default:
      return at(table, "it reads something else than a dataset");
  }
}

/** What an expression may not be: it looks at more than its row. */
function valueObstacle(value: TreeValue): Obstacle | null {
  if (Array.isArray(value)) return first(value, valueObstacle);
  if (!isNode(value)) return null;
  const name = textOf(value, "function_name");
  if (value.class === "WINDOW") return at(value, "a window function looks at more than one row");
  if (value.class === "SUBQUERY") return at(value, "a subquery in an expression reads more than the row");
  if (value.class === "STAR" && value.columns === true)
    return at(value, "COLUMNS(...) takes columns of the platform along");
  if (value.class === "FUNCTION" && isAggregate(name))
    return at(value, `${name.replace("count_star", "count")}() makes one value of many rows`);
  return first(Object.values(value), valueObstacle);
}

/** What picks rows by chance, or by the past: no order of the inputs' rows decides it. */
export function pickedObstacle(value: TreeValue): Obstacle | null {
  if (Array.isArray(value)) return first(value, pickedObstacle);
  if (!isNode(value)) return null;
  if (isNode(value.sample)) return at(value, "a sample is another one each time");
  if (isNode(value.at_clause) && !isLookup(value)) return at(value, "AT reads a past that no new rows change");
  const picks = modifiersOf(value, "LIMIT_MODIFIER", "LIMIT_PERCENT_MODIFIER").length > 0;
  if (picks && modifiersOf(value, "ORDER_MODIFIER").length === 0)
    return at(value, "LIMIT takes any rows where ORDER BY does not say which");
  return first(Object.values(value), pickedObstacle);
}

/** Columns that every dataset has of its own: a SELECT may say the event time, and cannot say the others. */
const taken = new Set(["offset", "op", "system_time", "retracts"]);

/** A column of the result that would be dropped: its name is the platform's. One that a star brings along is its input's. */
export function takenNameObstacle(node: TreeNode): Obstacle | null {
  if (node.type === "SET_OPERATION_NODE") return isNode(node.left) ? takenNameObstacle(node.left) : null;
  const named = nodesOf(node.select_list).find((one) => taken.has(outputName(one).toLowerCase()));
  return named === undefined
    ? null
    : at(named, `the column "${outputName(named)}" is one that every dataset has already`);
}

function outputName(value: TreeNode): string {
  const alias = textOf(value, "alias");
  if (alias !== "" || value.class !== "COLUMN_REF" || !Array.isArray(value.column_names)) return alias;
  return String(value.column_names.at(-1) ?? "");
}

/**
 * The first call whose value its arguments do not decide: a run that is repeated would make other rows.
 * Functions of the clock are frozen before this looks.
 */
export function chanceOf(value: TreeValue): Obstacle | null {
  if (Array.isArray(value)) return first(value, chanceOf);
  if (!isNode(value)) return null;
  const name = textOf(value, "function_name");
  if (value.class === "FUNCTION" && (isVolatile(name) || (name === "age" && nodesOf(value.children).length === 1)))
    return at(value, `${name}() is another value each time`);
  const bare = bareName(value);
  if (bareClocks.has(bare)) return at(value, `${bare} is another value each time`);
  return first(Object.values(value), chanceOf);
}

/** What asks the clock without brackets, and is not frozen: DuckDB takes such a name for a function where no column has it. */
const bareClocks = new Set(["current_time", "localtime", "localtimestamp"]);

function bareName(value: TreeNode): string {
  const names = value.class === "COLUMN_REF" && Array.isArray(value.column_names) ? value.column_names : [];
  return names.length === 1 ? String(names[0]).toLowerCase() : "";
}

function first<Value>(values: readonly Value[], obstacleOf: (value: Value) => Obstacle | null): Obstacle | null {
  for (const value of values) {
    const obstacle = obstacleOf(value);
    if (obstacle !== null) return obstacle;
  }
  return null;
}

const at = (node: TreeNode, why: string): Obstacle => ({ why, location: locationOf(node) });
