import type { Actor, Chance, Scheduler } from "./scheduler.ts";

/** What goes wrong between a server and something that it calls; whoever runs the world turns it. */
export interface LinkTrouble {
  down: boolean;
  /** How often a call fails, in one of the ways that calls fail. */
  failures: number;
  slowness: number;
}

export const goodLink = (): LinkTrouble => ({ down: false, failures: 0, slowness: 1 });

/** How a call may fail. In all of them the caller is told the same: that it does not know. */
const ways = [
  /** It never arrives. */
  "lost",
  /** It happens, and its answer is lost. */
  "answer lost",
  /** It happens after the caller has given up. */
  "late",
  /** It happens, and happens once more later; the caller hears of the first. */
  "twice",
] as const;

export interface LinkOptions {
  readonly scheduler: Scheduler;
  readonly owner: Actor;
  readonly chance: Chance;
  readonly trouble: LinkTrouble;
  /** What the caller is told when it does not know. */
  readonly unknown: (what: string) => Error;
  /** The other end is away. */
  readonly isAway: () => boolean;
  /** Longest way of a call in good times. */
  readonly mostMs: number;
  /** How late a late call may be. */
  readonly latestMs: number;
}

export interface Call<Result> {
  readonly what: string;
  /** What happens at the other end, at one moment. */
  readonly effect: () => Result;
  /** Calls that change nothing are neither late nor doubled. */
  readonly changes: boolean;
}

/** A way over which calls go and answers come back, each in its own time. */
export class Link {
  readonly #options: LinkOptions;

  constructor(options: LinkOptions) {
    this.#options = options;
  }

  get isDown(): boolean {
    return this.#options.trouble.down || this.#options.isAway();
  }

  unknown(what: string): Error {
    return this.#options.unknown(what);
  }

  wayMs(): number {
    const { chance, mostMs, trouble } = this.#options;
    return chance.skewed(0.1, mostMs) * trouble.slowness;
  }

  call<Result>({ what, effect, changes }: Call<Result>): Promise<Result> {
    const { scheduler, owner, chance, trouble, unknown, latestMs } = this.#options;
    if (owner.state === "dead") return new Promise(() => {}); // what still runs of it, nobody hears
    const fails = trouble.failures > 0 && chance.happens(trouble.failures);
    const way = fails ? chance.pick(changes ? ways : ways.slice(0, 2)) : null;
    return new Promise((resolve, reject) => {
      const answer = (tell: () => void) => scheduler.after(this.wayMs(), owner, tell);
      const giveUp = () => scheduler.after(chance.skewed(50, 10_000), owner, () => reject(unknown(what)));
      scheduler.after(this.wayMs(), null, () => {
        // What had left a process before it died arrives, or does not.
        if (owner.state === "dead" && chance.happens(0.5)) return;
        if (way === "lost" || this.isDown) return void giveUp();
        if (way === "late") {
          giveUp();
          return void scheduler.after(chance.skewed(100, latestMs), null, () => this.#unheard(effect));
        }
        try {
          const result = effect();
          if (way === "answer lost") return void giveUp();
          if (way === "twice") scheduler.after(chance.skewed(100, latestMs), null, () => this.#unheard(effect));
          answer(() => resolve(result));
        } catch (error) {
          answer(() => reject(error));
        }
      });
    });
  }

  #unheard(effect: () => unknown): void {
    if (this.#options.isAway()) return;
    try {
      effect();
    } catch {
      // Nobody hears it.
    }
  }
}
