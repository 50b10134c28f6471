import { delay, MillraceError, systemClock } from "../../base/index.ts";

const attempts = 6;
const passing = ["unavailable", "too_many_requests", "worker_lost", "shutting_down", "request_timeout"];

/** Whether another try may succeed: nothing was refused, somebody was away or busy. */
export function isPassing(error: unknown): error is MillraceError {
  return error instanceof MillraceError && passing.includes(error.code);
}

/** Tries again what failed in passing, waiting longer each time, some eight seconds in all. */
export async function patiently<Result>(signal: AbortSignal, work: () => Promise<Result>): Promise<Result> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await work();
    } catch (error) {
      if (signal.aborted || attempt === attempts || !isPassing(error)) throw error;
      const waitMs = Math.min(10_000, Math.max(250 * 2 ** (attempt - 1), (error.retryAfterS ?? 0) * 1_000));
      await delay(systemClock, waitMs, signal);
    }
  }
}
