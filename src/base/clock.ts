import { type Instant, instant } from "./time.ts";

/**
 * Where time comes from. Every room takes a clock as an argument, so that whole servers can run under a simulated one.
 * `now` may jump (it is the wall clock); durations are measured with `monotonicMs`, which never goes back.
 */
export interface Clock {
  now(): Instant;
  /** Milliseconds with fractions since an arbitrary start. */
  monotonicMs(): number;
  /** Calls back once after `delayMs`. The returned function forgets the timer; calling it late does nothing. */
  timer(delayMs: number, callback: () => void): () => void;
}

/** The machine's clock and timers. Timers do not keep the process alive. */
export const systemClock: Clock = {
  now: () => instant(Date.now()),
  monotonicMs: () => performance.now(),
  timer(delayMs, callback) {
    const handle = setTimeout(callback, delayMs);
    handle.unref();
    return () => clearTimeout(handle);
  },
};

/** Waits `delayMs`; rejects with the signal's reason as soon as it aborts. */
export function delay(clock: Clock, delayMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const forget = clock.timer(delayMs, () => {
      signal?.removeEventListener("abort", onAbort);
      resolve();
    });
    const onAbort = () => {
      forget();
      reject(signal?.reason);
    };
    signal?.addEventListener("abort", onAbort, { once: true });
  });
}

/** A signal that aborts with `reason` after `delayMs`, or with its parent. Dispose it to free the timer. */
export interface DeadlineSignal extends Disposable {
  readonly signal: AbortSignal;
}

export function deadlineSignal(
  clock: Clock,
  delayMs: number,
  reason: () => Error,
  parent?: AbortSignal,
): DeadlineSignal {
  const controller = new AbortController();
  const forget = clock.timer(delayMs, () => controller.abort(reason()));
  const onParent = () => controller.abort(parent?.reason);
  if (parent?.aborted) controller.abort(parent.reason);
  else parent?.addEventListener("abort", onParent, { once: true });
  return {
    signal: controller.signal,
    [Symbol.dispose]() {
      forget();
      parent?.removeEventListener("abort", onParent);
    },
  };
}
