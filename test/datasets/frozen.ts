import type { ObjectStore } from "../../src/storage/index.ts";

/** A server that stops for a while at one operation of its store, as a machine that sleeps. */
export class Freezer {
  #at = Number.POSITIVE_INFINITY;
  #moment: "before" | "after" = "before";
  #count = 0;
  #frozen = Promise.withResolvers<void>();
  #thawed = Promise.withResolvers<void>();

  /** From now on the operation of this number, from 0, waits until `thaw`: before it is done, or before it answers. */
  arm(at: number, moment: "before" | "after"): void {
    this.#at = at;
    this.#moment = moment;
    this.#count = 0;
    this.#frozen = Promise.withResolvers();
    this.#thawed = Promise.withResolvers();
  }

  /** Operations since it was armed. */
  get count(): number {
    return this.#count;
  }

  /** Resolves when it is frozen. */
  get frozen(): Promise<void> {
    return this.#frozen.promise;
  }

  thaw(): void {
    this.#thawed.resolve();
  }

  readonly between = (store: ObjectStore): ObjectStore => ({
    put: (...args) => this.#step(() => store.put(...args)),
    putIfAbsent: (...args) => this.#step(() => store.putIfAbsent(...args)),
    adopt: (...args) => this.#step(() => store.adopt(...args)),
    get: (...args) => this.#step(() => store.get(...args)),
    stat: (...args) => this.#step(() => store.stat(...args)),
    settle: (...args) => this.#step(() => store.settle(...args)),
    delete: (...args) => this.#step(() => store.delete(...args)),
    local: (...args) => store.local(...args),
    list: (...args) => store.list(...args),
  });

  async #step<Result>(work: () => Promise<Result>): Promise<Result> {
    const isHere = this.#count++ === this.#at;
    if (isHere && this.#moment === "before") await this.#wait();
    const result = await work();
    if (isHere && this.#moment === "after") await this.#wait();
    return result;
  }

  async #wait(): Promise<void> {
    this.#frozen.resolve();
    await this.#thawed.promise;
  }
}
