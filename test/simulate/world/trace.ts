import { createHash } from "node:crypto";

interface Entry {
  readonly atMs: number;
  readonly who: string;
  readonly what: string;
  readonly outcome: string;
}

/** What has happened in a world, in order. */
export class Trace {
  readonly #now: () => number;
  readonly #entries: Entry[] = [];

  constructor(now: () => number) {
    this.#now = now;
  }

  note(who: string, what: string, outcome = ""): void {
    this.#entries.push({ atMs: this.#now(), who, what, outcome });
  }

  get length(): number {
    return this.#entries.length;
  }

  /** The same for two runs that went the same way. */
  hash(): string {
    const hash = createHash("sha256");
    for (const { atMs, who, what, outcome } of this.#entries) hash.update(`${atMs} ${who} ${what} ${outcome}\n`);
    return hash.digest("hex").slice(0, 16);
  }

  /** The last entries, one a line: seconds, who, what, outcome. */
  text(most = 400): string {
    const lines = this.#entries
      .slice(-most)
      .map(
        ({ atMs, who, what, outcome }) =>
          `${(atMs / 1000).toFixed(4).padStart(10)}  ${who.padEnd(12)} ${what}${outcome === "" ? "" : ` -> ${outcome}`}`,
      );
    const cut = this.#entries.length > most ? [`... ${this.#entries.length - most} events before`] : [];
    return [...cut, ...lines].join("\n");
  }
}
