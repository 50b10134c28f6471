import { Socket } from "node:net";
import pg from "pg";
import { type Clock, delay } from "../../base/index.ts";

export interface ListenerOptions {
  readonly config: pg.ClientConfig;
  readonly channel: string;
  /** Called for each notification, and after each time that some may have been missed. */
  readonly notified: () => void;
  readonly clock: Clock;
}

/** A connection, as far as its end is waited for. */
interface Lost {
  readonly isLost: Promise<void>;
}

const firstWaitMs = 100;
const longestWaitMs = 5_000;

/** A connection of its own that listens, made anew whenever it is lost. */
export class Listener implements AsyncDisposable {
  readonly #options: ListenerOptions;
  readonly #ending = new AbortController();
  #listening: Promise<void> = Promise.resolve();

  constructor(options: ListenerOptions) {
    this.#options = options;
  }

  /** Resolves when notifications come. @throws where the server cannot be reached this first time */
  async start(): Promise<void> {
    const lost = await this.#open();
    this.#listening = this.#keep(lost);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ending.abort();
    await this.#listening;
  }

  async #keep(first: Lost): Promise<void> {
    const { clock, notified } = this.#options;
    const { signal } = this.#ending;
    let waitMs = firstWaitMs;
    for (let connection: Lost | null = first; ; connection = await this.#open().catch(() => null)) {
      if (connection === null) waitMs = Math.min(longestWaitMs, waitMs * 2);
      else {
        if (connection !== first) notified();
        waitMs = firstWaitMs;
        await connection.isLost;
      }
      await delay(clock, waitMs, signal).catch(() => {});
      if (signal.aborted) return;
    }
  }

  async #open(): Promise<Lost> {
    const { config, channel, notified } = this.#options;
    const { signal } = this.#ending;
    const socket = new Socket();
    const client = new pg.Client({ ...config, stream: () => socket });
    const cut = () => socket.destroy();
    signal.addEventListener("abort", cut);
    const isLost = new Promise<void>((resolve) => socket.once("close", () => resolve())).then(() =>
      signal.removeEventListener("abort", cut),
    );
    client.on("error", () => {}); // told by the socket's end too
    client.on("notification", notified);
    try {
      await client.connect();
      await client.query(`LISTEN ${client.escapeIdentifier(channel)}`);
    } catch (error) {
      socket.destroy();
      throw error;
    }
    if (signal.aborted) socket.destroy();
    return { isLost };
  }
}
