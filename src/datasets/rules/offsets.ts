import type { Rule } from "./rule.ts";

/** Offsets go on where the slice before ended, without a gap; `prevOffset` is the last one so far. */
export const offsets: Rule = (before, { event }) => {
  if (event.kind !== "AddData" && event.kind !== "ExecuteTransform") return null;
  const last = before.nextOffset === 0 ? undefined : before.nextOffset - 1;
  if (event.prevOffset !== last) return `its previous offset is ${event.prevOffset}, not ${last}`;
  const interval = event.newData?.offsetInterval;
  if (interval === undefined) return null;
  if (interval.start !== before.nextOffset) return `its offsets begin at ${interval.start}, not ${before.nextOffset}`;
  return interval.end >= interval.start ? null : "its offsets end before they begin";
};
