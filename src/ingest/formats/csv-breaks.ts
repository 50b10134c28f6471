const lf = 10;
const quote = 34;

/** Tells which line breaks of a CSV end a record: those outside of quoted fields. One byte after the other. */
export class CsvBreaks {
  readonly #delimiter: number;
  #inQuotes = false;
  /** A quote here opens a quoted field, or goes on with one (a doubled quote); elsewhere it is a stray character. */
  #mayOpen = true;
  /** Line breaks inside the record so far. */
  linesInside = 0;

  constructor(delimiter: string) {
    this.#delimiter = delimiter.charCodeAt(0);
  }

  /** True where `byte` ends a record. */
  ends(byte: number): boolean {
    if (this.#inQuotes) {
      if (byte === quote) {
        this.#inQuotes = false;
        this.#mayOpen = true;
      } else if (byte === lf) this.linesInside++;
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
}
