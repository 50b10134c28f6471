import type { BodyLimits } from "./body.ts";

export interface EdgeLimits {
  readonly maxConnections: number;
  /** Time for the head of a request. */
  readonly headersMs: number;
  readonly maxHeaderBytes: number;
  readonly body: BodyLimits;
  /** A client that takes nothing of its answer for so long is cut off. */
  readonly stallMs: number;
  /** Longest wait for running requests when the server stops. */
  readonly drainMs: number;
  /** Password checks at once: each costs memory and a core by design. */
  readonly passwordChecks: number;
}

export const defaultLimits: EdgeLimits = {
  maxConnections: 1024,
  headersMs: 15_000,
  maxHeaderBytes: 16 * 1024,
  body: { idleMs: 60_000, minBytesPerS: 256, graceMs: 30_000 },
  stallMs: 60_000,
  drainMs: 10_000,
  passwordChecks: 4,
};
