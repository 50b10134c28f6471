import { foldName, isNode, nodesOf, type TreeNode, type TreeValue, textOf } from "../tree/tree.ts";

const millisecond = 1;
const second = 1000 * millisecond;
const minute = 60 * second;
const hour = 60 * minute;
const day = 24 * hour;

/** Units whose length is always the same, in UTC, by the first letters and whole names that DuckDB knows them by. */
const units: ReadonlyMap<string, number> = new Map(
  [
    { names: ["ms", "msec", "msecs", "millisecond", "milliseconds"], ms: millisecond },
    { names: ["s", "sec", "secs", "second", "seconds"], ms: second },
    { names: ["m", "min", "mins", "minute", "minutes"], ms: minute },
    { names: ["h", "hr", "hrs", "hour", "hours"], ms: hour },
    { names: ["d", "day", "days"], ms: day },
    { names: ["w", "week", "weeks"], ms: 7 * day },
  ].flatMap(({ names, ms }) => names.map((name) => [name, ms] as const)),
);

/** What `INTERVAL 5 MINUTE` is parsed to: the calls DuckDB makes of its units. */
const calls = /^to_(milliseconds|seconds|minutes|hours|days|weeks)$/;

/**
 * A constant interval in milliseconds: `INTERVAL '1 minute'`, `INTERVAL '1 day 6 hours'`, `INTERVAL 5 MINUTE`. Null for what is
 * none, or has parts that are not told in whole milliseconds: months differ.
 */
export function constantIntervalMs(expression: TreeValue | undefined): number | null {
  if (!isNode(expression)) return null;
  if (expression.class === "CAST" && isNode(expression.cast_type) && expression.cast_type.id === "INTERVAL") {
    const text = constantOf(expression.child);
    return typeof text === "string" ? intervalMs(text) : null;
  }
  const unit = calls.exec(foldName(textOf(expression, "function_name")))?.[1];
  const [count, ...others] = nodesOf(expression.children);
  if (expression.class !== "FUNCTION" || unit === undefined || others.length > 0) return null;
  return product(Number(wholeIn(count)), units.get(unit));
}

/** As `INTERVAL '...'` and `LATENESS '...'` say it: numbers and units in a row. Null for what is none, or is longer than can be counted. */
export function intervalMs(text: string): number | null {
  const parts = [...text.toLowerCase().matchAll(/\s*(\d{1,15})\s*([a-z]+)\s*/gy)];
  if (parts.length === 0 || parts.map(([whole]) => whole).join("").length !== text.length) return null;
  let sum = 0;
  for (const [, count, unit = ""] of parts) {
    const ms = product(Number(count), units.get(unit));
    if (ms === null) return null;
    sum += ms;
  }
  return Number.isSafeInteger(sum) ? sum : null;
}

function product(count: number, unitMs: number | undefined): number | null {
  const ms = unitMs === undefined ? Number.NaN : count * unitMs;
  return Number.isSafeInteger(ms) ? ms : null;
}

/** DuckDB wraps the number of `INTERVAL 5 MINUTE` into casts and trunc(): one that is whole stays as it is. */
function wholeIn(expression: TreeNode | undefined): number | string {
  if (expression === undefined) return Number.NaN;
  if (expression.class === "CAST" && isNode(expression.child)) return wholeIn(expression.child);
  const [child] = nodesOf(expression.children);
  if (expression.class === "FUNCTION" && expression.function_name === "trunc") return wholeIn(child);
  const constant = constantOf(expression);
  return typeof constant === "number" || (typeof constant === "string" && /^\d{1,15}$/.test(constant))
    ? constant
    : Number.NaN;
}

function constantOf(expression: TreeValue | undefined): number | string | null {
  if (!isNode(expression) || expression.class !== "CONSTANT" || !isNode(expression.value)) return null;
  const { value, type } = expression.value;
  const id = isNode(type) ? textOf(type, "id") : "";
  if (typeof value === "string") return id === "VARCHAR" ? value : null;
  // A DECIMAL's value lacks its point.
  return typeof value === "number" && /^U?(TINY|SMALL|BIG)?INT(EGER)?$/.test(id) ? value : null;
}
