import { foldName } from "../tree/tree.ts";
import { aggregateNames } from "./aggregate-names.ts";
import { volatileNames } from "./volatile-names.ts";

const aggregates = namesOf(aggregateNames);
const volatile = namesOf(volatileNames);

/** Whether a function makes one value of many rows. */
export function isAggregate(name: string): boolean {
  return aggregates.has(foldName(name));
}

/** Whether a function's value is not decided by its arguments: it asks a clock, or chance. */
export function isVolatile(name: string): boolean {
  return volatile.has(foldName(name));
}

function namesOf(text: string): ReadonlySet<string> {
  return new Set(text.trim().split(/\s+/));
}
