const prefix = "f1620";
const digestBytes = 32;
const pageHashes = 4_096;

/** Names of blocks, newest first as they come, at 32 bytes each; read from the oldest on. */
export class HashList {
  readonly #pages: Buffer[] = [];
  #length = 0;

  get length(): number {
    return this.#length;
  }

  /** @throws RangeError on what is not the name of a block */
  push(hash: string): void {
    if (!/^f1620[0-9a-f]{64}$/.test(hash)) throw new RangeError("that names no block");
    const at = this.#length % pageHashes;
    if (at === 0) this.#pages.push(Buffer.alloc(pageHashes * digestBytes));
    this.#pages.at(-1)?.write(hash.slice(prefix.length), at * digestBytes, "hex");
    this.#length++;
  }

  /** Up to `count` names, oldest first, behind the oldest `from`. */
  fromOldest(from: number, count: number): string[] {
    const names: string[] = [];
    for (let at = this.#length - 1 - from; at >= 0 && names.length < count; at--) {
      const page = this.#pages[Math.floor(at / pageHashes)];
      const start = (at % pageHashes) * digestBytes;
      names.push(prefix + (page?.toString("hex", start, start + digestBytes) ?? ""));
    }
    return names;
  }
}
