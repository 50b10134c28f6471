import type { Tone } from "../../design/display.tsx";
import { compact, duration, rowCount } from "../../design/format.ts";

const tones: Readonly<Record<string, Tone>> = {
  paused: "warn",
  idle: "good",
  waiting: "accent",
  running: "accent",
  failing: "bad",
  loading: "accent",
  ready: "good",
  failed: "bad",
};

/** How a state of a transform or a lookup is told; its word always stands beside. */
export const toneOf = (state: string | null): Tone => (state === null ? "plain" : (tones[state] ?? "plain"));

/** "12 rows, 3.2 s behind"; null where it is not. */
export function behindText(behindRows: number | null, behindMs: number | null): string | null {
  if (behindRows === null || behindRows === 0) return null;
  return `${compact(behindRows)} ${behindRows === 1 ? "row" : "rows"}, ${duration(behindMs ?? 0)} behind`;
}

/** So long behind is more than a run that is under way. */
const worthTellingMs = 2_000;

/** Whether what waits is to be told before how much flows. */
export const isBehind = (behindRows: number | null, behindMs: number | null): boolean =>
  (behindRows ?? 0) > 0 && (behindMs ?? 0) >= worthTellingMs;

/** "1 row waits", "12 rows wait". */
export const waitText = (rows: number): string => `${rowCount(rows)} ${rows === 1 ? "waits" : "wait"}`;

/** A length of time in its larger unit: "10 min". */
export const shortly = (ms: number): string => duration(ms).split(" ").slice(0, 2).join(" ");

/** What a node reads, for who cannot see where its lines come from. */
export const readsText = (inputs: readonly string[]): string =>
  inputs.length === 0 ? "" : `, reads ${inputs.join(" and ")}`;
