import { type Clock, MillraceError } from "../base/index.ts";

const freeFailures = 5;
const windowMs = 15 * 60_000;
const mostNames = 10_000;

/** Slows down guessing of passwords: after five failures of a name, each further one doubles the wait. Bounded memory. */
export class Attempts {
  readonly #clock: Clock;
  readonly #failures = new Map<string, { count: number; atMs: number }>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** @throws too_many_requests */
  check(name: string): void {
    const known = this.#failures.get(name);
    if (known === undefined || known.count < freeFailures) return;
    const waitMs = Math.min(windowMs, 1_000 * 2 ** (known.count - freeFailures));
    const leftMs = known.atMs + waitMs - this.#clock.monotonicMs();
    if (leftMs > 0) {
      throw new MillraceError("too_many_requests", "Too many wrong passwords for this user.", {
        retryAfterS: Math.ceil(leftMs / 1000),
      });
    }
  }

  failed(name: string): void {
    const nowMs = this.#clock.monotonicMs();
    const known = this.#failures.get(name);
    const recent = known !== undefined && nowMs - known.atMs < windowMs;
    this.#failures.delete(name);
    this.#failures.set(name, { count: recent ? known.count + 1 : 1, atMs: nowMs });
    if (this.#failures.size > mostNames) {
      const [oldest] = this.#failures.keys();
      if (oldest !== undefined) this.#failures.delete(oldest);
    }
  }

  succeeded(name: string): void {
    this.#failures.delete(name);
  }
}
