const lf = 10;
const quote = 34;

/** Tells which line breaks of a CSV end a record: those outside of quoted fields. One byte after the other, or in leaps. */
export class CsvBreaks {
  readonly #delimiter: number;
  #inQuotes = false;
  /** A quote here opens a quoted field, or goes on with one (a doubled quote); elsewhere it is a stray character. */
  #mayOpen = true;

  constructor(delimiter: string) {
    this.#delimiter = delimiter.charCodeAt(0);
  }

  /** True where `byte` ends a record. */
  ends(byte: number): boolean {
    if (this.#inQuotes) {
      if (byte === quote) {
        this.#inQuotes = false;
        this.#mayOpen = true;
      }
      return false;
    }
    if (byte === lf) {
      this.#mayOpen = true;
      return true;
    }
    if (byte === quote) {
      this.#inQuotes = this.#mayOpen;
      this.#mayOpen = false;
    } else this.#mayOpen = byte === this.#delimiter;
    return false;
  }

  /**
   * Index of the first break at or behind `from` that ends a record, or -1. Goes from `at` to behind that break, or to the
   * end of the chunk, by leaps from quote to quote: between two, nothing changes what they mean.
   */
  nextEnd(chunk: Uint8Array, at: number, from: number): number {
    let position = at;
    let feed = -1;
    for (;;) {
      const found = chunk.indexOf(quote, position);
      const end = found < 0 ? chunk.length : found;
      if (!this.#inQuotes) {
        const wanted = Math.max(from, position);
        if (feed < wanted && wanted < end) feed = orEnd(chunk.indexOf(lf, wanted), chunk);
        if (feed >= wanted && feed < end) {
          this.#mayOpen = true;
          return feed;
        }
        if (end > position) this.#mayOpen = chunk[end - 1] === this.#delimiter || chunk[end - 1] === lf;
      }
      if (found < 0) return -1;
      if (this.#inQuotes) {
        this.#inQuotes = false;
        this.#mayOpen = true;
      } else {
        this.#inQuotes = this.#mayOpen;
        this.#mayOpen = false;
      }
      position = found + 1;
    }
  }
}

const orEnd = (index: number, chunk: Uint8Array) => (index < 0 ? chunk.length : index);
