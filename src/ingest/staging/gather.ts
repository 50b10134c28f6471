/** Collects chunks of any size into blocks, so that a million chunks of one byte cost no more than their bytes. */
export class Gather {
  readonly #blockBytes: number;
  #blocks: Buffer[] = [];
  #block: Buffer | null = null;
  #filled = 0;
  sizeBytes = 0;

  constructor(blockBytes: number) {
    this.#blockBytes = blockBytes;
  }

  add(bytes: Uint8Array): void {
    this.sizeBytes += bytes.length;
    if (bytes.length >= this.#blockBytes) {
      this.#close();
      this.#blocks.push(Buffer.from(bytes));
      return;
    }
    for (let from = 0; from < bytes.length; ) {
      this.#block ??= Buffer.allocUnsafe(this.#blockBytes);
      const piece = bytes.subarray(from, from + this.#blockBytes - this.#filled);
      this.#block.set(piece, this.#filled);
      this.#filled += piece.length;
      from += piece.length;
      if (this.#filled === this.#blockBytes) this.#close();
    }
  }

  /** Everything so far, which it forgets. */
  take(): Buffer {
    this.#close();
    const [only] = this.#blocks;
    const bytes = this.#blocks.length === 1 && only !== undefined ? only : Buffer.concat(this.#blocks);
    this.#blocks = [];
    this.sizeBytes = 0;
    return bytes;
  }

  #close(): void {
    if (this.#block !== null) this.#blocks.push(this.#block.subarray(0, this.#filled));
    this.#block = null;
    this.#filled = 0;
  }
}
