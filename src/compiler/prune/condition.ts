import { foldName, isNode, nodesOf, type TreeNode, type TreeValue, textOf } from "../tree/tree.ts";
import { type Constant, constantOf } from "./constant.ts";

/**
 * What a row must meet to be in its query's result, as far as slices can be judged by it. `compare`: the column lies
 * between the constants; one that is null says nothing. NULL meets no comparison.
 */
export type Condition =
  | { readonly kind: "all" | "any"; readonly of: readonly Condition[] }
  | {
      readonly kind: "compare";
      readonly column: string;
      readonly low: Constant | null;
      readonly high: Constant | null;
      /** Every constant of the expression: DuckDB brings them and the column to one type. */
      readonly beside: readonly Constant[];
    }
  | { readonly kind: "null" | "notNull"; readonly column: string };

type ColumnOf = (expression: TreeValue | undefined) => string | null;

/**
 * The condition that WHERE puts on each row of a table, or null where it says nothing. A column counts as the table's when
 * its name says so, or when the table stands alone in FROM. Only for tables whose rows WHERE filters and nothing else looks
 * at before: alone, or in joins that pair rows by their own values; never beside a sample, which counts all rows.
 */
export function conditionOf(select: TreeNode | null, table: TreeNode, columns: readonly string[]): Condition | null {
  if (select === null || !isNode(select.where_clause) || isNode(select.sample)) return null;
  const from = select.from_table;
  if (!isNode(from) || !isFilteredByWhere(from, table)) return null;
  if (Array.isArray(table.column_name_alias) && table.column_name_alias.length > 0) return null;
  const columnOf = columnsOf(table, from === table, columns);
  return read(select.where_clause, columnOf);
}

function isFilteredByWhere(from: TreeNode, table: TreeNode): boolean {
  if (isNode(from.sample)) return false;
  if (from === table) return true;
  // An ASOF or positional join is INNER too, but pairs a row by the rows around it.
  const pairsByValue = ["REGULAR", "CROSS", "NATURAL"].includes(textOf(from, "ref_type"));
  if (from.type !== "JOIN" || from.join_type !== "INNER" || !pairsByValue) return false;
  return [from.left, from.right].some((side) => isNode(side) && isFilteredByWhere(side, table));
}

function columnsOf(table: TreeNode, isAlone: boolean, columns: readonly string[]): ColumnOf {
  const alias = textOf(table, "alias");
  const name = foldName(alias === "" ? textOf(table, "table_name") : alias);
  const known = new Map(columns.map((column) => [foldName(column), column]));
  return (expression) => {
    if (!isNode(expression) || expression.class !== "COLUMN_REF" || !Array.isArray(expression.column_names))
      return null;
    const parts = expression.column_names.map((part) => foldName(String(part)));
    const column = parts.at(-1) ?? "";
    // `t.x` may be a member of a struct t.
    const isOwn = parts.length === 1 ? isAlone : parts.length === 2 && parts[0] === name && !known.has(name);
    return isOwn ? (known.get(column) ?? null) : null;
  };
}

function read(expression: TreeNode, columnOf: ColumnOf): Condition | null {
  switch (expression.class) {
    case "CONJUNCTION":
      return readConjunction(expression, columnOf);
    case "COMPARISON":
      return readComparison(expression, columnOf);
    case "BETWEEN":
      return readBetween(expression, columnOf);
    case "OPERATOR":
      return readOperator(expression, columnOf);
    default:
      return null;
  }
}

function readConjunction(expression: TreeNode, columnOf: ColumnOf): Condition | null {
  const parts = nodesOf(expression.children).map((child) => read(child, columnOf));
  const known = parts.filter((part) => part !== null);
  switch (expression.type) {
    case "CONJUNCTION_AND":
      return known.length === 0 ? null : { kind: "all", of: known };
    case "CONJUNCTION_OR":
      return known.length < parts.length ? null : { kind: "any", of: known };
    default:
      return null;
  }
}

/** Which ends of the column a comparison binds, with the column at its left. */
const comparisons: Readonly<Record<string, { readonly low: boolean; readonly high: boolean }>> = {
  COMPARE_EQUAL: { low: true, high: true },
  COMPARE_LESSTHAN: { low: false, high: true },
  COMPARE_LESSTHANOREQUALTO: { low: false, high: true },
  COMPARE_GREATERTHAN: { low: true, high: false },
  COMPARE_GREATERTHANOREQUALTO: { low: true, high: false },
};

function readComparison(expression: TreeNode, columnOf: ColumnOf): Condition | null {
  const binds = comparisons[textOf(expression, "type")];
  if (binds === undefined) return null;
  const atLeft = columnOf(expression.left);
  const column = atLeft ?? columnOf(expression.right);
  const constant = constantOf(atLeft === null ? expression.left : expression.right);
  if (column === null || constant === null) return null;
  const { low, high } = atLeft === null ? { low: binds.high, high: binds.low } : binds;
  return { kind: "compare", column, low: low ? constant : null, high: high ? constant : null, beside: [constant] };
}

function readBetween(expression: TreeNode, columnOf: ColumnOf): Condition | null {
  const column = columnOf(expression.input);
  const [low, high] = [constantOf(expression.lower), constantOf(expression.upper)];
  if (expression.type !== "COMPARE_BETWEEN" || column === null || low === null || high === null) return null;
  return { kind: "compare", column, low, high, beside: [low, high] };
}

function readOperator(expression: TreeNode, columnOf: ColumnOf): Condition | null {
  const [first, ...rest] = nodesOf(expression.children);
  const column = columnOf(first);
  switch (expression.type) {
    case "OPERATOR_IS_NULL":
      return column === null ? null : { kind: "null", column };
    case "OPERATOR_IS_NOT_NULL":
      return column === null ? null : { kind: "notNull", column };
    case "COMPARE_IN": {
      const constants = rest.map(constantOf).filter((constant) => constant !== null);
      if (column === null || constants.length < rest.length) return null;
      const of = constants.map(
        (one): Condition => ({ kind: "compare", column, low: one, high: one, beside: constants }),
      );
      return { kind: "any", of };
    }
    default:
      return null;
  }
}
