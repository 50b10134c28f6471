import type { Logger } from "./telemetry.ts";

/**
 * Something that runs until it is stopped. `start` resolves when it serves; `stop` drains, frees everything, and may be
 * called at any time, also twice, also when `start` failed halfway.
 */
export interface Service {
  readonly name: string;
  start(signal: AbortSignal): Promise<void>;
  stop(): Promise<void>;
}

/** Starts services in order; stops in reverse what was started. A failing start stops the rest and rethrows. */
export class Lifecycle {
  readonly #services: readonly Service[];
  readonly #log: Logger;
  #started: Service[] = [];

  constructor(services: readonly Service[], log: Logger) {
    this.#services = services;
    this.#log = log;
  }

  async start(signal: AbortSignal): Promise<void> {
    for (const service of this.#services) {
      try {
        signal.throwIfAborted();
        this.#started.push(service);
        await service.start(signal);
        this.#log.debug("service started", { service: service.name });
      } catch (error) {
        await this.stop();
        throw error;
      }
    }
  }

  /** One service that fails to stop is logged and does not keep the others running. */
  async stop(): Promise<void> {
    const started = this.#started;
    this.#started = [];
    for (const service of started.reverse()) {
      try {
        await service.stop();
        this.#log.debug("service stopped", { service: service.name });
      } catch (error) {
        this.#log.error("service did not stop cleanly", { service: service.name, error });
      }
    }
  }
}
