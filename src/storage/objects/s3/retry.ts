import { type Clock, deadlineSignal, delay, MillraceError, type Random } from "../../../base/index.ts";
import { type Failure, failureError, failureOf, isAskedAgain } from "./failure.ts";

/** Tries of one request, the first included. */
const mostTries = 8;
/** A race over one key is over soon; each try of it costs nothing that was lost. */
const mostConflicts = 30;
const pausesMs = {
  conflict: { first: 10, longest: 100 },
  throttled: { first: 250, longest: 5_000 },
  unreachable: { first: 60, longest: 5_000 },
} as const;
/** What retries may cost together: when the store is away, requests soon fail at their first try instead of piling up. */
const budgetTokens = 500;
const retryCostTokens = 5;
const tokensPerSecond = 20;

export interface Limits {
  /** The request with all its tries. */
  readonly totalMs: number;
  /** One try: a hung one is given up and asked again. */
  readonly tryMs: number;
}

/** A try that was answered with what is no failure to its caller, or failed for good. */
export type Answer<Value> =
  | { readonly ok: true; readonly value: Value }
  | { readonly ok: false; readonly failure: Failure };

/** Asks again what may succeed when asked again: with pauses that grow, within a budget that all requests share. */
export class Retries {
  readonly #clock: Clock;
  readonly #random: Random;
  #tokens = budgetTokens;
  #countedMs: number;

  constructor(clock: Clock, random: Random) {
    this.#clock = clock;
    this.#random = random;
    this.#countedMs = clock.monotonicMs();
  }

  /**
   * The answer of the last try.
   * @throws the signal's reason; unavailable at the deadline
   */
  async ask<Value>(
    about: string,
    limits: Limits,
    work: (signal: AbortSignal) => Promise<Value>,
    parent?: AbortSignal,
  ): Promise<Answer<Value>> {
    parent?.throwIfAborted();
    const late = () => failureError({ kind: "unreachable", said: `${limits.totalMs} ms`, cause: undefined }, about);
    using deadline = deadlineSignal(this.#clock, limits.totalMs, late, parent);
    for (let tries = 1, conflicts = 0; ; ) {
      const answer = await this.#try(limits.tryMs, work, deadline.signal);
      deadline.signal.throwIfAborted();
      if (answer.ok) {
        this.#tokens++;
        return answer;
      }
      const { kind } = answer.failure;
      if (!isAskedAgain(kind)) return answer;
      if (kind === "conflict") conflicts++;
      else tries++;
      if (tries > mostTries || conflicts > mostConflicts || (kind !== "conflict" && !this.#spend())) return answer;
      await delay(this.#clock, this.#pauseMs(kind, tries + conflicts), deadline.signal);
    }
  }

  async #try<Value>(
    tryMs: number,
    work: (signal: AbortSignal) => Promise<Value>,
    parent: AbortSignal,
  ): Promise<Answer<Value>> {
    const hung = () => new MillraceError("unavailable", `no answer within ${tryMs} ms`);
    using deadline = deadlineSignal(this.#clock, tryMs, hung, parent);
    try {
      return { ok: true, value: await work(deadline.signal) };
    } catch (error) {
      return { ok: false, failure: failureOf(deadline.signal.aborted ? deadline.signal.reason : error) };
    }
  }

  #spend(): boolean {
    const nowMs = this.#clock.monotonicMs();
    const grown = ((nowMs - this.#countedMs) / 1_000) * tokensPerSecond;
    this.#countedMs = nowMs;
    this.#tokens = Math.min(budgetTokens, this.#tokens + grown);
    if (this.#tokens < retryCostTokens) return false;
    this.#tokens -= retryCostTokens;
    return true;
  }

  /** Grows by doubling, anywhere in its upper half, so that those who failed together do not come back together. */
  #pauseMs(kind: keyof typeof pausesMs, count: number): number {
    const { first, longest } = pausesMs[kind];
    const grown = Math.min(longest, first * 2 ** Math.min(count - 1, 10));
    return grown * (0.5 + this.#random.float() / 2);
  }
}
