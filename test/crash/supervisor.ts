import { once } from "node:events";
import { readFile } from "node:fs/promises";
import path from "node:path";
import { type Platform, spawnPlatform, startPlatform } from "../kit/platform.ts";

/** Keeps a server running on one data folder, as systemd would. */
export class Supervisor implements AsyncDisposable {
  readonly dataDirectory: string;
  readonly #environment: Readonly<Record<string, string>>;
  #platform: Platform | null = null;
  /** Of starts after a kill. */
  readonly startsMs: number[] = [];

  constructor(dataDirectory: string, environment: Readonly<Record<string, string>>) {
    this.dataDirectory = dataDirectory;
    this.#environment = environment;
  }

  /** null while none runs. */
  get platform(): Platform | null {
    return this.#platform;
  }

  async start(): Promise<void> {
    const startedMs = performance.now();
    this.#platform = await startPlatform(this.#options).catch(async (error: unknown) => {
      throw new Error(`${error instanceof Error ? error.message : String(error)}\n${await this.#log()}`);
    });
    this.startsMs.push(performance.now() - startedMs);
  }

  /** Kills the server and what `along` kills, and starts it again. */
  async restart(along: () => void): Promise<void> {
    const victim = this.#platform;
    this.#platform = null;
    along();
    await victim?.end("SIGKILL");
    await this.start();
  }

  /** Kills the server, and the next one while it starts. */
  async restartKilled(afterMs: number): Promise<void> {
    const victim = this.#platform;
    this.#platform = null;
    await victim?.end("SIGKILL");
    const child = spawnPlatform(this.#options);
    const gone = once(child, "exit");
    const timer = setTimeout(() => child.kill("SIGKILL"), afterMs);
    await gone;
    clearTimeout(timer);
    await this.start();
  }

  /** The server's end in order. */
  async stop(): Promise<void> {
    const last = this.#platform;
    this.#platform = null;
    await last?.end("SIGTERM");
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  /** The end of the server's log, which is gone with the folder. */
  async #log(): Promise<string> {
    const text = await readFile(path.join(this.dataDirectory, "log", "server.log"), "utf8").catch(() => "no log");
    return text.slice(-5_000);
  }

  get #options() {
    return {
      dataDirectory: this.dataDirectory,
      flags: ["--ingest.commitInterval", "300"],
      environment: this.#environment,
    };
  }
}
