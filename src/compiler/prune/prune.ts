import { isNode, nodesOf, type TreeNode, type TreeValue, textOf } from "../tree/tree.ts";

/** What is known of a column in one slice, both bounds as numbers in the column's own order; null: not known. */
export interface ColumnBounds {
  readonly min: number;
  readonly max: number;
}
export type BoundsOf = (column: string) => ColumnBounds | null;

/** A condition that every wanted row meets: the column lies in [low, high]. */
export interface Range {
  readonly column: string;
  readonly low: number;
  readonly high: number;
}

/** False where no row of the slice can meet all conditions. */
export function mayMatch(ranges: readonly Range[], bounds: BoundsOf): boolean {
  return ranges.every((range) => {
    const known = bounds(range.column);
    return known === null || (known.max >= range.low && known.min <= range.high);
  });
}

/**
 * Conditions on a table's plain columns that hold for every row of its query's result: conjuncts of WHERE that compare a
 * column with constants. A column counts as the table's when its name says so, or when the table stands alone in FROM.
 * Only tables whose rows WHERE filters directly: alone, or joined by inner and cross joins.
 */
export function rangesOf(select: TreeNode | null, table: TreeNode, columns: readonly string[]): Range[] {
  if (select === null || !isNode(select.where_clause)) return [];
  const from = select.from_table;
  if (!isNode(from) || !filteredByWhere(from, table)) return [];
  const alone = from === table;
  const names = new Set(
    [textOf(table, "alias"), textOf(table, "alias") === "" ? textOf(table, "table_name") : ""]
      .filter((name) => name !== "")
      .map((name) => name.toLowerCase()),
  );
  const aliased = Array.isArray(table.column_name_alias) && table.column_name_alias.length > 0;
  if (aliased) return [];
  const columnOf = (expression: TreeValue | undefined): string | null => {
    if (!isNode(expression) || expression.class !== "COLUMN_REF" || !Array.isArray(expression.column_names))
      return null;
    const parts = expression.column_names.map((part) => String(part).toLowerCase());
    const column = parts.at(-1) ?? "";
    const owned = parts.length === 1 ? alone : parts.length === 2 && names.has(parts[0] ?? "");
    return owned ? (columns.find((known) => known.toLowerCase() === column) ?? null) : null;
  };
  return conjuncts(select.where_clause).flatMap((condition) => rangeOf(condition, columnOf));
}

function filteredByWhere(from: TreeNode, table: TreeNode): boolean {
  if (from === table) return true;
  if (from.type !== "JOIN" || from.join_type !== "INNER") return false;
  return [from.left, from.right].some((side) => isNode(side) && filteredByWhere(side, table));
}

function conjuncts(condition: TreeNode): TreeNode[] {
  if (condition.class === "CONJUNCTION" && condition.type === "CONJUNCTION_AND")
    return nodesOf(condition.children).flatMap(conjuncts);
  return [condition];
}

const comparisons: Readonly<Record<string, { low: boolean; high: boolean }>> = {
  COMPARE_EQUAL: { low: true, high: true },
  COMPARE_LESSTHAN: { low: false, high: true },
  COMPARE_LESSTHANOREQUALTO: { low: false, high: true },
  COMPARE_GREATERTHAN: { low: true, high: false },
  COMPARE_GREATERTHANOREQUALTO: { low: true, high: false },
};

function rangeOf(condition: TreeNode, columnOf: (expression: TreeValue | undefined) => string | null): Range[] {
  const [lowest, highest] = [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY];
  if (condition.class === "COMPARISON") {
    const sides = comparisons[textOf(condition, "type")];
    if (sides === undefined) return [];
    const forward = columnOf(condition.left);
    const column = forward ?? columnOf(condition.right);
    const value = orderOf(forward === null ? condition.left : condition.right);
    if (column === null || value === null) return [];
    const { low, high } = forward === null ? { low: sides.high, high: sides.low } : sides;
    return [{ column, low: low ? value : lowest, high: high ? value : highest }];
  }
  if (condition.class === "BETWEEN") {
    const column = columnOf(condition.input);
    const [low, high] = [orderOf(condition.lower), orderOf(condition.upper)];
    return column === null || low === null || high === null ? [] : [{ column, low, high }];
  }
  if (condition.class === "OPERATOR" && condition.type === "COMPARE_IN") {
    const [input, ...values] = nodesOf(condition.children);
    const column = columnOf(input);
    const orders = values.map(orderOf);
    if (column === null || orders.length === 0 || orders.some((order) => order === null)) return [];
    const known = orders.flatMap((order) => order ?? []);
    return [{ column, low: Math.min(...known), high: Math.max(...known) }];
  }
  return [];
}

/** A constant's place in its type's order: a number, or microseconds for times. null for what is not known to be ordered so. */
function orderOf(expression: TreeValue | undefined): number | null {
  if (!isNode(expression)) return null;
  if (expression.class === "CAST") {
    const type = isNode(expression.cast_type) ? textOf(expression.cast_type, "id") : "";
    const child = expression.child;
    const isText =
      isNode(child) && child.class === "CONSTANT" && isNode(child.value) && typeof child.value.value === "string";
    if (!isText || !/^(DATE|TIMESTAMP|TIMESTAMP WITH TIME ZONE)$/.test(type)) return null;
    return timeOrder(String(isNode(child) && isNode(child.value) ? child.value.value : ""));
  }
  if (expression.class !== "CONSTANT" || !isNode(expression.value)) return null;
  const { value, type, is_null: isNull } = expression.value;
  if (isNull === true || !isNode(type)) return null;
  if (typeof value === "string") return timeOrder(value);
  if (typeof value !== "number") return null;
  if (type.id === "DECIMAL") {
    const scale = isNode(type.type_info) ? Number(type.type_info.scale ?? Number.NaN) : Number.NaN;
    return Number.isInteger(scale) ? value / 10 ** scale : null;
  }
  return /^(U?(TINY|SMALL|BIG)?INT(EGER)?|DOUBLE|FLOAT)$/.test(textOf(type, "id")) ? value : null;
}

const timePattern =
  /^(\d{4})-(\d\d)-(\d\d)(?:[ T](\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,6}))?)?)?(?:\s?(Z|[+-]\d\d(?::?\d\d)?))?$/;

/** Microseconds since the epoch; time without a zone is UTC, as sessions are. */
export function timeOrder(text: string): number | null {
  const match = timePattern.exec(text.trim());
  if (match === null) return null;
  const [, year, month, day, hour = "0", minute = "0", second = "0", fraction = "", zone = "Z"] = match;
  const milliseconds = Date.UTC(
    Number(year),
    Number(month) - 1,
    Number(day),
    Number(hour),
    Number(minute),
    Number(second),
  );
  const offset = /^([+-])(\d\d):?(\d\d)?$/.exec(zone);
  const offsetMinutes =
    offset === null ? 0 : (offset[1] === "-" ? -1 : 1) * (Number(offset[2]) * 60 + Number(offset[3] ?? 0));
  return (milliseconds - offsetMinutes * 60_000) * 1000 + Number(fraction.padEnd(6, "0"));
}
