import type { Clock, Instant, Logger } from "../base/index.ts";
import type { Resources } from "../resources/index.ts";
import { tokenKind } from "./kinds.ts";

const everyMs = 60_000;

/** When tokens were used last: noted in memory at each request, written now and then. A crash forgets a minute. */
export class LastUsed {
  readonly #resources: Resources;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #at = new Map<string, Instant>();
  #unwritten = new Set<string>();
  #forget: (() => void) | null = null;

  constructor(options: { resources: Resources; clock: Clock; log: Logger }) {
    this.#resources = options.resources;
    this.#clock = options.clock;
    this.#log = options.log;
  }

  note(token: string): void {
    this.#at.set(token, this.#clock.now());
    this.#unwritten.add(token);
    this.#forget ??= this.#clock.timer(everyMs, () => void this.write());
  }

  of(token: string): Instant | null {
    return this.#at.get(token) ?? null;
  }

  /** Never rejects: a lost note is no reason to fail. */
  async write(): Promise<void> {
    this.#forget?.();
    this.#forget = null;
    const tokens = this.#unwritten;
    this.#unwritten = new Set();
    for (const name of tokens) {
      const at = this.#at.get(name);
      if (at === undefined) continue;
      const ref = { kind: tokenKind.kind, project: null, name };
      try {
        await this.#resources.setStatus(ref, { lastUsedMs: at });
      } catch (error) {
        this.#at.delete(name); // revoked meanwhile, or the database is away
        this.#log.debug("the last use of a token was not noted", { token: name, error });
      }
    }
  }
}
