import type { Brand } from "./brand.ts";

/** A point in time: whole milliseconds since 1970-01-01T00:00:00Z. */
export type Instant = Brand<number, "Instant">;

/** Marks milliseconds since the epoch as an instant; fractions are floored. Throws RangeError on NaN or infinity. */
export function instant(epochMilliseconds: number): Instant {
  if (!Number.isFinite(epochMilliseconds)) throw new RangeError(`not an instant: ${epochMilliseconds}`);
  return Math.floor(epochMilliseconds) as Instant;
}

/** ISO 8601 in UTC with milliseconds, as in `2026-01-31T09:30:00.000Z`. */
export function formatInstant(at: Instant): string {
  return new Date(at).toISOString();
}
