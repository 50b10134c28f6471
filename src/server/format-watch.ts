import { type Clock, delay, type Logger, MillraceError, type Service } from "../base/index.ts";
import type { ObjectStore } from "../storage/index.ts";
import { checkStoreFormat } from "./formats.ts";

const everyMs = 10_000;

export interface FormatWatchOptions {
  readonly store: ObjectStore;
  readonly clock: Clock;
  readonly log: Logger;
}

/**
 * Looks whether a newer version has taken the store while this server runs on it: now and then, and behind each log entry. From
 * then on nothing is acknowledged here that the newer one may not see, and `ended` says that the server has to stop.
 */
export class FormatWatch implements Service {
  readonly name = "store format";
  readonly #options: FormatWatchOptions;
  readonly #ended = new AbortController();
  readonly #stopping = new AbortController();
  #watching: Promise<void> = Promise.resolve();

  constructor(options: FormatWatchOptions) {
    this.#options = options;
  }

  /** Aborts where a newer version has taken the store; its reason says so. */
  get ended(): AbortSignal {
    return this.#ended.signal;
  }

  /** @throws unsupported_version where a newer version has taken the store; the store's errors */
  async check(): Promise<void> {
    try {
      await checkStoreFormat(this.#options.store);
    } catch (error) {
      if (error instanceof MillraceError && error.code === "unsupported_version") this.#end(error);
      throw error;
    }
  }

  async start(): Promise<void> {
    this.#watching = this.#watch(this.#stopping.signal);
  }

  async stop(): Promise<void> {
    this.#stopping.abort(new MillraceError("shutting_down", "The server is stopping."));
    await this.#watching;
  }

  async #watch(signal: AbortSignal): Promise<void> {
    while (!signal.aborted && !this.ended.aborted) {
      await delay(this.#options.clock, everyMs, signal).catch(() => {});
      if (signal.aborted) return;
      try {
        await this.check();
      } catch (error) {
        // A store that is away is told by whoever reads it; the next look asks again.
        this.#options.log.debug("the store's format could not be looked at", { error });
      }
    }
  }

  #end(error: MillraceError): void {
    if (this.ended.aborted) return;
    this.#options.log.error("a newer version has taken the object store; this server stops", { error });
    this.#ended.abort(error);
  }
}
