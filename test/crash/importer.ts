import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { cleanEnvironment, launcher, type Platform } from "../kit/platform.ts";
import { pause } from "./connection.ts";

/** Imports one file of numbered rows with the command line into dataset after dataset, each until the command says that it is done. */
export class Importer {
  readonly rows: number;
  readonly #file: string;
  readonly #server: () => Platform | null;
  #isEnding = false;
  #isAbandoned = false;
  #child: ChildProcess | null = null;
  done = 0;
  attempts = 0;

  constructor(file: string, rows: number, server: () => Platform | null) {
    this.#file = file;
    this.rows = rows;
    this.#server = server;
  }

  end(): void {
    this.#isEnding = true;
  }

  /** Nothing is wanted of it any more. */
  abandon(): void {
    this.#isAbandoned = true;
    this.kill();
  }

  /** Ends the client that runs now, as its user's machine might. */
  kill(): boolean {
    return this.#child?.kill("SIGKILL") ?? false;
  }

  async run(): Promise<void> {
    const lines = Array.from({ length: this.rows }, (_, number) => `{"number":${number},"text":"row ${number}"}\n`);
    await writeFile(this.#file, lines.join(""));
    while (!this.#isAbandoned && (!this.#isEnding || this.done === 0)) {
      const platform = this.#server();
      if (platform !== null && (await this.#import(platform)) === 0) this.done++;
      else await pause(50);
    }
  }

  async #import({ url, token }: Platform): Promise<number | null> {
    this.attempts++;
    const child = spawn(launcher, ["ingest", `crash.imported${this.done}`, this.#file], {
      stdio: "ignore",
      env: { ...cleanEnvironment(), MILLRACE_URL: url, MILLRACE_TOKEN: token },
    });
    this.#child = child;
    await once(child, "exit");
    this.#child = null;
    return child.exitCode;
  }
}
