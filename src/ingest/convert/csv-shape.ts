import { withoutMark } from "../formats/csv-records.ts";
import { chunksOf } from "./lines.ts";
import { Utf8Check } from "./utf8-check.ts";

/** What a strict CSV is made of. */
export interface CsvShape {
  /** Records, the header among them; empty lines are none. */
  readonly records: number;
  /** The first record's own bytes. */
  readonly first: Buffer;
}

/**
 * Looks a CSV over, byte by byte, holding no record: null where it is not strictly RFC 4180, or has anything that readers of
 * CSV see in more than one way (a ragged record, a quote in the middle of a field, line breaks of two kinds, a NUL, text
 * that is no UTF-8). What passes, every reader takes apart alike; DuckDB's own would drop an empty last field too many, and
 * blanks around a quoted one, without a word.
 */
export async function csvShape(
  file: string,
  start: number,
  length: number,
  delimiter: number,
): Promise<CsvShape | null> {
  const walk = new CsvWalk(delimiter);
  const utf8 = new Utf8Check();
  let isFirst = true;
  for await (const chunk of chunksOf(file, start, length)) {
    if (!walk.push(isFirst ? withoutMark(chunk) : chunk) || !utf8.push(chunk)) return null;
    isFirst = false;
  }
  return walk.end() && utf8.end() ? walk.shape : null;
}

/** Kinds of bytes. */
const plain = 0;
const quote = 1;
const separator = 2;
const lineFeed = 3;
const carriageReturn = 4;
const never = 5;

/** Where the walk stands: at a field's first byte, in a bare field, in quotes, behind a quote in quotes, behind a CR. */
const atField = 0;
const inField = 1;
const inQuotes = 2;
const behindQuote = 3;
const behindReturn = 4;

class CsvWalk {
  readonly #kinds: Uint8Array;
  #state = atField;
  /** Fields of the record so far: the one that has not ended counts. */
  #fields = 1;
  #width = 0;
  #records = 0;
  #feeds = 0;
  #returns = 0;
  #first: Buffer | null = null;
  /** Whether the CR that was just passed had nothing of its record before it. */
  #emptyBefore = false;

  constructor(delimiter: number) {
    const kinds = new Uint8Array(256);
    kinds[0] = never;
    kinds[34] = quote;
    kinds[delimiter] = separator;
    kinds[10] = lineFeed;
    kinds[13] = carriageReturn;
    this.#kinds = kinds;
  }

  /** False where the text is not strict. */
  push(chunk: Uint8Array): boolean {
    const kinds = this.#kinds;
    let state = this.#state;
    for (let at = 0; at < chunk.length; at++) {
      const kind = kinds[chunk[at] ?? 0];
      if (kind === plain) {
        if (state === atField) state = inField;
        else if (state >= behindQuote) return false;
      } else if (state === inQuotes) {
        if (kind === quote) state = behindQuote;
        else if (kind === never) return false;
      } else if (kind === quote) {
        if (state !== atField && state !== behindQuote) return false;
        state = inQuotes;
      } else if (kind === lineFeed) {
        const isEmpty = this.#fields === 1 && (state === atField || (state === behindReturn && this.#emptyBefore));
        if (state === behindReturn) this.#returns++;
        this.#feeds++;
        if (!this.#endRecord(isEmpty, chunk.subarray(0, at + 1))) return false;
        state = atField;
      } else if (state === behindReturn || kind === never) {
        return false;
      } else if (kind === separator) {
        this.#fields++;
        state = atField;
      } else {
        this.#emptyBefore = state === atField;
        state = behindReturn;
      }
    }
    this.#state = state;
    // A first record that is longer than a chunk is nothing usual.
    return this.#first !== null;
  }

  end(): boolean {
    if (this.#state === inQuotes || this.#state === behindReturn) return false;
    const isEmpty = this.#fields === 1 && this.#state === atField;
    return isEmpty || this.#endRecord(false, new Uint8Array(0));
  }

  get shape(): CsvShape | null {
    // Line breaks of two kinds are one too many for DuckDB's reader.
    if (this.#first === null || (this.#returns > 0 && this.#returns < this.#feeds)) return null;
    return { records: this.#records, first: this.#first };
  }

  #endRecord(isEmpty: boolean, upToHere: Uint8Array): boolean {
    const fields = this.#fields;
    this.#fields = 1;
    // The reader takes the first line for the header, also when there is nothing on it.
    if (isEmpty) return this.#records > 0;
    this.#records++;
    if (this.#first === null) {
      this.#first = Buffer.from(upToHere);
      this.#width = fields;
    }
    return fields === this.#width;
  }
}
