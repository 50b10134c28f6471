import { MillraceError } from "../../base/index.ts";

/** Those who wait for a worker, in the order they came. Bounded; whoever's signal aborts leaves it. */
export class WaitingLine<Place> {
  readonly #most: number;
  readonly #waiting: ((place: Place) => void)[] = [];

  constructor(most: number) {
    this.#most = most;
  }

  get length(): number {
    return this.#waiting.length;
  }

  /** @throws too_many_requests where the line is full, else what `abortReason` says */
  async wait(signal: AbortSignal): Promise<Place> {
    if (this.#waiting.length >= this.#most) {
      throw new MillraceError("too_many_requests", `Too many jobs wait for a worker (${this.#most}).`, {
        retryAfterS: 1,
      });
    }
    const { promise, resolve, reject } = Promise.withResolvers<Place>();
    const onAbort = () => {
      const at = this.#waiting.indexOf(resolve);
      if (at >= 0) this.#waiting.splice(at, 1);
      reject(abortReason(signal));
    };
    signal.addEventListener("abort", onAbort, { once: true });
    this.#waiting.push(resolve);
    try {
      return await promise;
    } finally {
      signal.removeEventListener("abort", onAbort);
    }
  }

  /** Takes the first out of the line; undefined where nobody waits. */
  next(): ((place: Place) => void) | undefined {
    return this.#waiting.shift();
  }
}

/** Why a caller went away: what its signal says, or query_cancelled. */
export function abortReason(signal: AbortSignal): Error {
  const reason: unknown = signal.reason;
  return reason instanceof MillraceError
    ? reason
    : new MillraceError("query_cancelled", "The statement was cancelled.");
}
