/** Bytes that grow at their end. */
export class Growing {
  #bytes: Uint8Array<ArrayBuffer>;
  #length = 0;

  constructor(capacity: number) {
    this.#bytes = new Uint8Array(capacity);
  }

  get length(): number {
    return this.#length;
  }

  /** Lengthens by `count` and gives all bytes: the new ones are the last. Valid until the next call. */
  reserve(count: number): Uint8Array<ArrayBuffer> {
    const wanted = this.#length + count;
    if (wanted > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(wanted, this.#bytes.length * 2));
      grown.set(this.#bytes.subarray(0, this.#length));
      this.#bytes = grown;
    }
    this.#length = wanted;
    return this.#bytes;
  }

  append(bytes: Uint8Array): void {
    const at = this.#length;
    this.reserve(bytes.length).set(bytes, at);
  }

  /** A copy of all of it; the next bytes begin anew. */
  take(): Uint8Array<ArrayBuffer> {
    const taken = this.#bytes.slice(0, this.#length);
    this.#length = 0;
    return taken;
  }
}
