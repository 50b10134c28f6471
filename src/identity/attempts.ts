import { type Clock, MillraceError } from "../base/index.ts";

interface Rule {
  /** Failures before waiting begins; each further one doubles the wait. */
  readonly free: number;
  readonly mostWaitMs: number;
}

const windowMs = 15 * 60_000;
/** One who guesses at one name. */
const pairRule: Rule = { free: 5, mostWaitMs: windowMs };
/** One who guesses at many names. */
const addressRule: Rule = { free: 30, mostWaitMs: windowMs };
/** Many who guess at one name: slowed only, so that nobody can lock a user out from elsewhere for long. */
const userRule: Rule = { free: 30, mostWaitMs: 30_000 };
const mostKeys = 10_000;

/** Slows down the guessing of passwords, by user, by address, and by both. Bounded memory: the longest quiet goes first. */
export class Attempts {
  readonly #clock: Clock;
  readonly #failures = new Map<string, { count: number; atMs: number }>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** @throws too_many_requests */
  check(user: string, address: string): void {
    const nowMs = this.#clock.monotonicMs();
    let leftMs = 0;
    for (const [key, rule] of keysOf(user, address)) {
      const known = this.#failures.get(key);
      if (known === undefined || known.count < rule.free || nowMs - known.atMs >= windowMs) continue;
      const waitMs = Math.min(rule.mostWaitMs, 1_000 * 2 ** (known.count - rule.free));
      leftMs = Math.max(leftMs, known.atMs + waitMs - nowMs);
    }
    if (leftMs <= 0) return;
    throw new MillraceError("too_many_requests", "Too many wrong passwords.", {
      retryAfterS: Math.ceil(leftMs / 1000),
    });
  }

  failed(user: string, address: string): void {
    const nowMs = this.#clock.monotonicMs();
    for (const [key] of keysOf(user, address)) {
      const known = this.#failures.get(key);
      const recent = known !== undefined && nowMs - known.atMs < windowMs;
      this.#failures.delete(key);
      this.#failures.set(key, { count: recent ? known.count + 1 : 1, atMs: nowMs });
    }
    for (const key of this.#failures.keys()) {
      if (this.#failures.size <= mostKeys) break;
      this.#failures.delete(key);
    }
  }

  /** Forgives the pair; what others did to the user or from the address stays. */
  succeeded(user: string, address: string): void {
    this.#failures.delete(pairKey(user, address));
  }

  get size(): number {
    return this.#failures.size;
  }
}

const pairKey = (user: string, address: string) => `pair ${address} ${user.slice(0, 100)}`;

function keysOf(user: string, address: string): [string, Rule][] {
  const pair: [string, Rule] = [pairKey(user, address), pairRule];
  if (address === "") return [pair]; // not told: everybody would be one
  return [pair, [`address ${address}`, addressRule], [`user ${user.slice(0, 100)}`, userRule]];
}
