import { type Clock, instant, type Random, type Service, type Telemetry } from "../../base/index.ts";
import { webRequest } from "./web-requests.ts";

export interface GeneratorSettings {
  readonly rowsPerSecond: number;
}

export interface GeneratorOptions {
  readonly settings: GeneratorSettings;
  /** Pushes lines of JSON into the source's dataset, through the ordinary way. */
  readonly push: (ndjson: string) => Promise<void>;
  readonly clock: Clock;
  readonly random: Random;
  readonly telemetry: Telemetry;
}

const tickMs = 1_000;

/** A source that makes web requests up at a steady rate, for examples and trials. */
export class Generator implements Service {
  readonly name = "ingest.generator";
  readonly #options: GeneratorOptions;
  #stopped = false;
  #forget: () => void = () => {};
  #running: Promise<void> = Promise.resolve();
  #owed = 0;

  constructor(options: GeneratorOptions) {
    this.#options = options;
  }

  async start(): Promise<void> {
    this.#schedule();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#forget();
    await this.#running;
  }

  #schedule(): void {
    this.#forget = this.#options.clock.timer(tickMs, () => {
      this.#running = this.#tick().finally(() => {
        if (!this.#stopped) this.#schedule();
      });
    });
  }

  async #tick(): Promise<void> {
    const { settings, push, clock, random, telemetry } = this.#options;
    this.#owed += (settings.rowsPerSecond * tickMs) / 1_000;
    const count = Math.floor(this.#owed);
    this.#owed -= count;
    const now = clock.now();
    const rows = Array.from({ length: count }, (_, i) =>
      JSON.stringify(webRequest(instant(now - tickMs + (i * tickMs) / count), random)),
    );
    if (rows.length === 0) return;
    try {
      await push(`${rows.join("\n")}\n`);
    } catch (error) {
      telemetry.log.warn("the generator could not push its rows", { error });
    }
  }
}
