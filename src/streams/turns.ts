/**
 * Gives turns fairly: projects one after another, and within one whoever has waited longest. A few at once; who waits costs a
 * line in memory, once, however often it asks.
 */
export class Turns<Key> {
  readonly #atOnce: number;
  readonly #begin: (key: Key) => Promise<void>;
  /** By project, in the order of their next turns. */
  readonly #waiting = new Map<string, Set<Key>>();
  readonly #running = new Set<Key>();
  readonly #turns = new Set<Promise<void>>();
  #stopped = false;

  /** @param begin a turn; it never rejects */
  constructor(atOnce: number, begin: (key: Key) => Promise<void>) {
    this.#atOnce = atOnce;
    this.#begin = begin;
  }

  /** Asks for a turn; one that has a turn gets another one behind it. */
  ask(project: string, key: Key): void {
    if (this.#stopped) return;
    const line = this.#waiting.get(project);
    if (line === undefined) this.#waiting.set(project, new Set([key]));
    else line.add(key);
    this.#give();
  }

  isWaiting(project: string, key: Key): boolean {
    return this.#waiting.get(project)?.has(key) ?? false;
  }

  forget(project: string, key: Key): void {
    const line = this.#waiting.get(project);
    line?.delete(key);
    if (line?.size === 0) this.#waiting.delete(project);
  }

  /** Gives no more turns, and waits for those that run. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#waiting.clear();
    await Promise.all(this.#turns);
  }

  #give(): void {
    while (this.#running.size < this.#atOnce) {
      const next = this.#next();
      if (next === null) return;
      const { key } = next;
      this.#running.add(key);
      const turn = this.#begin(key).finally(() => {
        this.#running.delete(key);
        this.#turns.delete(turn);
        this.#give();
      });
      this.#turns.add(turn);
    }
  }

  /** The first in line of the next project that has one whose turn is not running; that project then comes last. */
  #next(): { readonly key: Key } | null {
    for (const [project, line] of this.#waiting) {
      for (const key of line) {
        if (this.#running.has(key)) continue;
        line.delete(key);
        this.#waiting.delete(project);
        if (line.size > 0) this.#waiting.set(project, line);
        return { key };
      }
    }
    return null;
  }
}
