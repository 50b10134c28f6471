import { abortable } from "../../base/index.ts";

/** Work that several wait for: it goes on while one of them does, is ended when all have left, and its result let go then. */
export class Flight<Result extends Disposable> {
  readonly #controller = new AbortController();
  readonly #work: Promise<Result | null>;
  readonly #left: () => void;
  #waiters = 0;

  /** `left` is called when nobody waits any more, whether the work is done or not. */
  constructor(work: (signal: AbortSignal) => Promise<Result | null>, left: () => void) {
    this.#left = left;
    this.#work = work(this.#controller.signal);
    this.#work.catch(() => {}); // told to those who wait
  }

  /** Waits; `use` runs on the result before this waiter counts as gone. */
  async wait<Used>(use: (result: Result | null) => Used, signal?: AbortSignal): Promise<Used> {
    this.#waiters++;
    try {
      return use(await abortable(this.#work, signal));
    } finally {
      if (--this.#waiters === 0) {
        this.#left();
        this.#controller.abort(new Error("nobody waits for it any more"));
        const result = await this.#work.catch(() => null);
        result?.[Symbol.dispose]();
      }
    }
  }
}
