import { type Instant, instant } from "../base/index.ts";
import type { Emit } from "../compiler/index.ts";
import type { SeenInput } from "./open-inputs.ts";
import type { Plan } from "./plan.ts";

/** What a run does with windows of event time. */
export interface Closing {
  /** Windows that end behind this time are not told of yet; null: all are. */
  readonly closedBy: Instant | null;
  /** Windows that ended at this time or before were closed by an earlier run; null: none was. */
  readonly closedBefore: Instant | null;
  /** Rows of windows that ended at this time or before come too late; null: none does. */
  readonly lateBy: Instant | null;
}

/** Before every time that a row can have. */
export const never = instant(-62_135_596_800_000);

/**
 * No earlier event time is expected than this: the earliest of the inputs' greatest, less the lateness that is allowed for. It never goes
 * back; null where one input has none, for it may bring any time. (Akidau et al., "The Dataflow Model", VLDB 2015.)
 */
export function watermarkOf(
  seen: readonly SeenInput[],
  emit: Emit | null,
  { watermark: before }: { readonly watermark: Instant | null },
): Instant | null {
  const known = seen.map(({ snapshot }) => snapshot.watermark).filter((one) => one !== null);
  if (known.length < seen.length || known.length === 0) return before;
  return instant(Math.max(Math.min(...known) - (emit?.latenessMs ?? 0), before ?? never));
}

/**
 * @param before the watermark of the runs before; null where this run looks at everything anew: nothing is late then
 */
export function closingOf(
  { window }: Pick<Plan, "window">,
  emit: Emit | null,
  watermark: Instant | null,
  before: Instant | null,
): Closing {
  if (window === null || emit === null) return { closedBy: null, closedBefore: null, lateBy: null };
  const closes = emit.when === "close";
  // Which session a row is in is decided by rows that may be there already: it is taken in however late it comes.
  const isLimited = emit.allowedMs !== null && window.kind !== "session";
  return {
    closedBy: closes ? (watermark ?? never) : null,
    closedBefore: closes ? before : null,
    lateBy: isLimited && before !== null ? instant(before - (emit.allowedMs ?? 0)) : null,
  };
}
