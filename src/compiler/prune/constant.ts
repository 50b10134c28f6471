import { isNode, type TreeNode, type TreeValue, textOf } from "../tree/tree.ts";

/** A constant of a comparison, as it stands in the statement. */
export type Constant =
  /** `width` and `scale` of a DECIMAL; null for whole numbers and doubles. */
  | { readonly kind: "number"; readonly value: number; readonly decimal: Digits | null }
  /** A text, alone or cast to a type of time: what it says depends on the column's type. */
  | { readonly kind: "text"; readonly text: string; readonly cast: TimeType | null };

export interface Digits {
  readonly width: number;
  readonly scale: number;
}

/** In the order in which columns are widened. */
export const timeTypes = ["DATE", "TIMESTAMP", "TIMESTAMP WITH TIME ZONE"] as const;
export type TimeType = (typeof timeTypes)[number];

export function timeType(name: string): TimeType | null {
  return timeTypes.find((one) => one === name) ?? null;
}

/** null for what is no constant, or one whose order is not known here. */
export function constantOf(expression: TreeValue | undefined): Constant | null {
  if (!isNode(expression)) return null;
  if (expression.class === "CAST") return castOf(expression);
  if (expression.class !== "CONSTANT" || !isNode(expression.value)) return null;
  const { value, type, is_null: isNull } = expression.value;
  if (isNull === true || !isNode(type)) return null;
  const id = textOf(type, "id");
  if (typeof value === "string") return id === "VARCHAR" ? { kind: "text", text: value, cast: null } : null;
  // Beyond 2^53 it is no JavaScript number: see lossless.ts.
  if (typeof value !== "number") return null;
  if (id === "DECIMAL") return decimalOf(type, value);
  return /^(U?(TINY|SMALL|BIG)?INT(EGER)?|DOUBLE)$/.test(id) ? { kind: "number", value, decimal: null } : null;
}

function decimalOf(type: TreeNode, value: number): Constant | null {
  const { width, scale } = isNode(type.type_info) ? type.type_info : {};
  if (typeof width !== "number" || typeof scale !== "number") return null;
  return { kind: "number", value: value / 10 ** scale, decimal: { width, scale } };
}

function castOf({ child, cast_type: type, try_cast: mayFail }: TreeNode): Constant | null {
  const cast = isNode(type) ? timeType(textOf(type, "id")) : null;
  const inner = isNode(child) && child.class === "CONSTANT" ? constantOf(child) : null;
  return cast !== null && inner?.kind === "text" && mayFail !== true ? { ...inner, cast } : null;
}
