import type { Clock, Logger } from "../../base/index.ts";
import { isAlive, stopPostmaster } from "./postmaster.ts";

export interface KeeperOptions {
  readonly pid: number;
  /** Starts the server again where it was; the new pid, or why not. */
  readonly launch: () => Promise<number | string>;
  readonly clock: Clock;
  readonly log: Logger;
}

const lookMs = 500;
const longestWaitMs = 30_000;

/**
 * Keeps our PostgreSQL server running until it is disposed: whoever ends its process (the kernel short of memory, a person)
 * ends no platform.
 *
 *   running ──its process is gone──▶ gone ──launched──▶ running
 *                                     └──failed──▶ gone, and again after a longer wait
 */
export class Keeper implements AsyncDisposable {
  readonly #options: KeeperOptions;
  #pid: number;
  #forget: () => void = () => {};
  #launching: Promise<void> = Promise.resolve();
  #ended = false;

  constructor(options: KeeperOptions) {
    this.#options = options;
    this.#pid = options.pid;
    this.#look(lookMs);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ended = true;
    this.#forget();
    await this.#launching;
    await stopPostmaster(this.#pid, this.#options.clock);
  }

  #look(waitMs: number): void {
    if (this.#ended) return;
    this.#forget = this.#options.clock.timer(waitMs, () => {
      if (isAlive(this.#pid)) this.#look(lookMs);
      else this.#launching = this.#again(waitMs);
    });
  }

  async #again(waitedMs: number): Promise<void> {
    const { launch, log } = this.#options;
    log.error("PostgreSQL has ended, and is started again", { pid: this.#pid });
    const outcome = await launch().catch((error: unknown) => (error instanceof Error ? error.message : String(error)));
    if (typeof outcome === "number") {
      this.#pid = outcome;
      log.info("PostgreSQL runs again", { pid: outcome });
      this.#look(lookMs);
    } else {
      log.error("PostgreSQL did not start", { reason: outcome });
      this.#look(Math.min(longestWaitMs, waitedMs * 2));
    }
  }
}
