/** Keys of the objects that readers of this process hold open: it deletes none of them meanwhile. */
export class OpenObjects {
  readonly #holders = new Map<string, number>();

  has(key: string): boolean {
    return this.#holders.has(key);
  }

  hold(keys: readonly string[]): Disposable {
    for (const key of keys) this.#holders.set(key, (this.#holders.get(key) ?? 0) + 1);
    let isHeld = true;
    return {
      [Symbol.dispose]: () => {
        if (!isHeld) return;
        isHeld = false;
        for (const key of keys) this.#release(key);
      },
    };
  }

  #release(key: string): void {
    const left = (this.#holders.get(key) ?? 0) - 1;
    if (left > 0) this.#holders.set(key, left);
    else this.#holders.delete(key);
  }
}
