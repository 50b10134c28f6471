import type { Instant } from "../base/index.ts";
import { foldName, isNode, nodesOf, type TreeNode, type TreeValue, textOf } from "../compiler/index.ts";

/** What the clock's functions say, by their names; some are called, some stand alone. */
const clockTypes: Readonly<Record<string, "TIMESTAMP WITH TIME ZONE" | "DATE">> = {
  now: "TIMESTAMP WITH TIME ZONE",
  get_current_timestamp: "TIMESTAMP WITH TIME ZONE",
  current_timestamp: "TIMESTAMP WITH TIME ZONE",
  transaction_timestamp: "TIMESTAMP WITH TIME ZONE",
  current_date: "DATE",
  today: "DATE",
};

/**
 * Puts the run's decided clock in the place of the functions that ask one, so that the run makes the same rows whenever it is
 * repeated. In UTC, as all times of the platform. A column that is named as a clock function (`current_date`) is not read.
 * @returns whether any stood there
 */
export function freezeClock(value: TreeValue, clock: Instant): boolean {
  if (Array.isArray(value)) {
    return value.map((item) => freezeClock(item, clock)).includes(true);
  }
  if (!isNode(value)) return false;
  const type = clockTypes[foldName(clockName(value))];
  if (type === undefined) {
    return freezeClock(Object.values(value), clock);
  }
  const said = textOf(value, "alias");
  const alias = said === "" ? clockName(value) : said;
  const time = new Date(clock).toISOString();
  for (const member of Object.keys(value)) delete value[member];
  Object.assign(value, castOf(type === "DATE" ? time.slice(0, 10) : time, type), { alias });
  return true;
}

function clockName(node: TreeNode): string {
  if (node.class === "FUNCTION" && nodesOf(node.children).length === 0) return textOf(node, "function_name");
  const names = Array.isArray(node.column_names) ? node.column_names : [];
  const [name] = names;
  return node.class === "COLUMN_REF" && names.length === 1 && typeof name === "string" ? name : "";
}

/** A text as a value of another type. */
export function castOf(text: string, type: string): TreeNode {
  const value = { type: { id: "VARCHAR", type_info: null }, is_null: false, value: text };
  const child = { class: "CONSTANT", type: "VALUE_CONSTANT", alias: "", query_location: 0, value };
  const cast_type = { id: type, type_info: null };
  return { class: "CAST", type: "OPERATOR_CAST", query_location: 0, child, cast_type, try_cast: false };
}
