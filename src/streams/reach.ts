import { type Instant, instant } from "../base/index.ts";
import type { LiveSlice } from "../datasets/index.ts";
import { timestampLiteral } from "../slices/index.ts";
import type { Closing } from "./closing.ts";
import type { SeenInput } from "./open-inputs.ts";
import type { Plan } from "./plan.ts";

/** Event times, both ends in. */
export interface TimeRange {
  readonly from: Instant;
  readonly to: Instant;
}

/**
 * The event times of all rows that share a value of the scope with a new one, by what is known of the slices that the new ones stand in; null
 * where they may have any.
 */
export function reachOfRun(
  { reachMs }: Plan,
  seen: readonly SeenInput[],
  { closedBy, closedBefore }: Pick<Closing, "closedBy" | "closedBefore">,
): TimeRange | null {
  if (reachMs === null || (closedBy !== null && closedBefore === null)) return null;
  const times = seen.flatMap(({ decided, snapshot }) =>
    snapshot.slices
      .filter(({ firstOffset, lastOffset }) => lastOffset >= decided.fromOffset && firstOffset < decided.belowOffset)
      .map(timesOf),
  );
  const known = times.filter((one) => one !== null);
  // Where nothing is new, windows close alone.
  if (known.length < times.length || (known.length === 0 && closedBy === null)) return null;
  // Statistics are in microseconds, and read in milliseconds here.
  const from = Math.min(...known.map((one) => one.from), closedBefore ?? Number.POSITIVE_INFINITY) - reachMs - 1;
  const to = Math.max(...known.map((one) => one.to), closedBy ?? Number.NEGATIVE_INFINITY) + reachMs + 1;
  return { from: instant(from), to: instant(to) };
}

/**
 * Whether a slice may have rows of these times. In a changelog, a row that takes another back has its event time: what is left out takes
 * back nothing of what is not.
 */
export function mayHold(range: TimeRange): (slice: LiveSlice) => boolean {
  return (slice) => {
    const times = timesOf(slice);
    return times === null || (times.to >= range.from - 1 && times.from <= range.to + 1);
  };
}

/** A relation's rows of these times. */
export function rowsWithin(relation: string, { from, to }: TimeRange): string {
  return `SELECT * FROM (${relation}) WHERE "event_time" BETWEEN ${timestampLiteral(from)} AND ${timestampLiteral(to)}`;
}

/** The event times of a slice's rows; null where they are not known. */
export function timesOf({ statistics }: LiveSlice): TimeRange | null {
  const time = statistics?.find(({ column }) => column === "event_time");
  if (time === undefined || time.min === null || time.max === null) return null;
  const [from, to] = [parse(time.min), parse(time.max)];
  return Number.isNaN(from) || Number.isNaN(to) ? null : { from: instant(from), to: instant(to) };
}

/** As DuckDB writes a time with a zone. */
const parse = (text: string) => Math.floor(Date.parse(text.replace(" ", "T").replace(/([+-]\d\d)$/, "$1:00")));
