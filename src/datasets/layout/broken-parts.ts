import { MillraceError } from "../../base/index.ts";

/** A stored object that is not what it should be. */
export interface Broken {
  readonly object: string;
  readonly reason: string;
}

/** Objects that are told; a store that has lost more than these has lost too much to list. */
const mostTold = 100;

/** What of a layout was found to be broken, while the rest of the work went on. */
export class BrokenParts {
  readonly #found = new Map<string, string>();

  /** Does a part of the work; null where an object that it stands on is broken. @throws what says nothing of an object */
  async attempt<Result>(work: () => Promise<Result>): Promise<Result | null> {
    try {
      return await work();
    } catch (error) {
      const object = error instanceof MillraceError && error.code === "chain_broken" ? error.data?.object : null;
      if (!(error instanceof MillraceError) || typeof object !== "string") throw error;
      const reason = typeof error.data?.reason === "string" ? error.data.reason : error.message;
      if (this.#found.size < mostTold) this.#found.set(object, reason);
      return null;
    }
  }

  get all(): readonly Broken[] {
    return [...this.#found].map(([object, reason]) => ({ object, reason }));
  }
}
