import type { ObjectStore } from "../../src/storage/index.ts";

const changing = new Set(["put", "putIfAbsent", "adopt", "delete"]);

/**
 * A process that dies at its n-th change of the store, before or after it: from then on nothing that it does reaches the store, and no
 * answer reaches it. So it is with one that is killed there.
 */
export class Mortal {
  changes = 0;
  hasDied = false;
  readonly #at: number;

  constructor(at: number) {
    this.#at = at;
  }

  store(of: ObjectStore): ObjectStore {
    return new Proxy(of, {
      get: (target, member) => {
        const value: unknown = Reflect.get(target, member, target);
        if (typeof value !== "function") return value;
        return (...given: unknown[]) => {
          if (this.hasDied) throw new Error("the process is dead");
          if (!changing.has(String(member))) return Reflect.apply(value, target, given);
          return this.#change(() => Reflect.apply(value, target, given));
        };
      },
    });
  }

  async #change(change: () => unknown): Promise<unknown> {
    if (++this.changes === this.#at) this.#die();
    const done = await change();
    if (++this.changes === this.#at) this.#die();
    return done;
  }

  #die(): never {
    this.hasDied = true;
    throw new Error("the process dies");
  }
}
