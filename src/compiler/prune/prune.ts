import type { Condition } from "./condition.ts";
import type { Constant } from "./constant.ts";
import { keepsOrder, orderOfType, type Span, spanOfBound, spanOfConstant } from "./order.ts";

/** What is known of a column's values in one slice. */
export interface StoredColumn {
  /** The column's type in the statement. */
  readonly type: string;
  /** The type that it was written with, in which the bounds are said. */
  readonly storedType: string;
  /** As DuckDB writes the value; null where it is not known. */
  readonly min: string | null;
  readonly max: string | null;
  readonly nulls: "none" | "some" | "all" | "unknown";
}

/** null: nothing is known of the column. */
export type StoredColumns = (column: string) => StoredColumn | null;

/** False where no row of the slice can meet the condition. What is not known may. */
export function mayMatch(condition: Condition, columns: StoredColumns): boolean {
  switch (condition.kind) {
    case "all":
      return condition.of.every((part) => mayMatch(part, columns));
    case "any":
      return condition.of.some((part) => mayMatch(part, columns));
    case "null":
      return columns(condition.column)?.nulls !== "none";
    case "notNull":
      return columns(condition.column)?.nulls !== "all";
    case "compare":
      return mayCompare(condition, columns(condition.column));
  }
}

function mayCompare(condition: Condition & { kind: "compare" }, column: StoredColumn | null): boolean {
  if (column === null) return true;
  if (column.nulls === "all") return false;
  const order = orderOfType(column.type);
  const stored = orderOfType(column.storedType);
  if (order === null || stored === null || !keepsOrder(stored, order) || column.min === null || column.max === null)
    return true;
  const [min, max] = [spanOfBound(column.min, stored, order), spanOfBound(column.max, stored, order)];
  if (min === null || max === null) return true;
  const span = (constant: Constant | null): Span | null =>
    constant === null ? null : spanOfConstant(constant, order, condition.beside);
  const [low, high] = [span(condition.low), span(condition.high)];
  return (low === null || max.most >= low.least) && (high === null || min.least <= high.most);
}
