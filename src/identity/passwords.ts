import { createHmac, timingSafeEqual } from "node:crypto";
import { hash as argonHash, verify as argonVerify } from "@node-rs/argon2";
import { type Clock, MillraceError, type Random, Semaphore } from "../base/index.ts";
import { Attempts } from "./attempts.ts";

/** OWASP's recommendation for argon2id (the library's default algorithm): 19 MiB, two passes, one lane. */
const options = { memoryCost: 19_456, timeCost: 2, parallelism: 1 };
const leastLength = 10;
const mostLength = 1_000;
/** Each takes its 19 MiB and a thread of the pool that files are read with. */
const checkedAtOnce = 2;
const mostWaiting = 64;
const rememberedMs = 60_000;
const mostRemembered = 1_000;

/** @throws bad_request */
export async function hashPassword(password: string): Promise<string> {
  if (password.length >= leastLength && password.length <= mostLength) return await argonHash(password, options);
  throw new MillraceError("bad_request", `A password has ${leastLength} to ${mostLength} characters.`);
}

/**
 * Checks passwords: few at once, slower for who guesses, as slow for a user that is not there. One that was right is
 * remembered for a minute, as a keyed hash, so that a client which sends it with each request does not pay each time.
 */
export class Passwords {
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #attempts: Attempts;
  readonly #turns = new Semaphore(checkedAtOnce);
  readonly #key: Uint8Array;
  readonly #right = new Map<string, { proof: Buffer; hash: string; atMs: number }>();
  #decoy: Promise<string> | null = null;

  constructor(options: { clock: Clock; random: Random }) {
    this.#clock = options.clock;
    this.#random = options.random;
    this.#attempts = new Attempts(options.clock);
    this.#key = options.random.bytes(32);
  }

  /**
   * @param hash of the user's password; null where there is no such user, or no password
   * @param address of who asks; empty where it is not known
   * @throws unauthenticated, too_many_requests
   */
  async check(given: { user: string; password: string; address: string }, hash: string | null): Promise<void> {
    const { user, password, address } = given;
    if (this.#turns.waiting >= mostWaiting) {
      throw new MillraceError("too_many_requests", "Too many passwords are being checked.", { retryAfterS: 2 });
    }
    using _turn = await this.#turns.acquire();
    this.#attempts.check(user, address); // in its turn: guesses sent at once are counted one after the other
    const proof = createHmac("sha256", this.#key).update(`${user}\0${password}`).digest();
    if (!this.#remembers(user, proof, hash)) {
      this.#decoy ??= argonHash(Buffer.from(this.#random.bytes(16)), options);
      const decoy = await this.#decoy; // made for whoever comes first: the time tells nothing of the user
      const right = password.length <= mostLength && (await argonVerify(hash ?? decoy, password));
      if (!right || hash === null) {
        this.#attempts.failed(user, address);
        throw new MillraceError("unauthenticated", "The user or the password is not right.");
      }
      this.#remember(user, proof, hash);
    }
    this.#attempts.succeeded(user, address);
  }

  #remembers(user: string, proof: Buffer, hash: string | null): boolean {
    const known = this.#right.get(user);
    if (known === undefined || known.hash !== hash || this.#clock.monotonicMs() - known.atMs > rememberedMs)
      return false;
    return timingSafeEqual(known.proof, proof);
  }

  #remember(user: string, proof: Buffer, hash: string): void {
    this.#right.delete(user);
    this.#right.set(user, { proof, hash, atMs: this.#clock.monotonicMs() });
    const [oldest] = this.#right.keys();
    if (this.#right.size > mostRemembered && oldest !== undefined) this.#right.delete(oldest);
  }
}
