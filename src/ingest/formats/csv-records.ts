export interface CsvRecord {
  /** null: the record cannot be read, `problem` says why. */
  fields: string[] | null;
  problem: string | null;
  /** The record's own text without its line break. */
  raw: Uint8Array;
  /** Line of its first character, from 1. */
  line: number;
}

const lf = 10;
const cr = 13;
const quote = 34;

/**
 * Cuts a byte stream into CSV records by RFC 4180: a field in quotes may hold delimiters, line breaks and doubled quotes.
 * What the RFC has no meaning for (a quote inside a bare field, text after a closing quote, an open quote at the end) is a
 * record with a problem. Empty lines are no records. Holds one record at a time.
 */
export class CsvRecords {
  readonly #delimiter: number;
  #held: Uint8Array = new Uint8Array(0);
  #scanned = 0;
  #inQuotes = false;
  /** A quote here opens a quoted field, or goes on with one (a doubled quote); elsewhere it is a stray character. */
  #mayOpen = true;
  #line = 1;
  #linesInside = 0;
  #first = true;

  constructor(delimiter: string) {
    this.#delimiter = delimiter.charCodeAt(0);
  }

  push(chunk: Uint8Array, take: (record: CsvRecord) => void): void {
    const bytes = this.#held.length === 0 ? chunk : Buffer.concat([this.#held, chunk]);
    let start = 0;
    let inQuotes = this.#inQuotes;
    let mayOpen = this.#mayOpen;
    for (let at = this.#scanned; at < bytes.length; at++) {
      const byte = bytes[at];
      if (inQuotes) {
        if (byte === quote) {
          inQuotes = false;
          mayOpen = true;
        } else if (byte === lf) this.#linesInside++;
      } else if (byte === quote) {
        inQuotes = mayOpen;
        mayOpen = false;
      } else if (byte === lf) {
        this.#take(bytes.subarray(start, at), take);
        start = at + 1;
        mayOpen = true;
      } else mayOpen = byte === this.#delimiter;
    }
    this.#inQuotes = inQuotes;
    this.#mayOpen = mayOpen;
    this.#held = bytes.slice(start);
    this.#scanned = this.#held.length;
  }

  end(take: (record: CsvRecord) => void): void {
    if (this.#held.length > 0) this.#take(this.#held, take);
    this.#held = new Uint8Array(0);
    this.#scanned = 0;
  }

  #take(raw: Uint8Array, take: (record: CsvRecord) => void): void {
    let bytes = raw;
    if (this.#first && bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf) bytes = bytes.subarray(3);
    this.#first = false;
    if (bytes[bytes.length - 1] === cr) bytes = bytes.subarray(0, -1);
    const line = this.#line;
    this.#line += 1 + this.#linesInside;
    this.#linesInside = 0;
    if (bytes.length === 0) return;
    take({ ...readFields(bytes, this.#delimiter), raw: bytes, line });
  }
}

/** A record beside which no other stands: used where records are already apart. */
function readFields(bytes: Uint8Array, delimiter: number): { fields: string[] | null; problem: string | null } {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const fields: string[] = [];
  let at = 0;
  for (;;) {
    if (bytes[at] === quote) {
      let end = at + 1;
      let doubled = false;
      for (;;) {
        end = text.indexOf(quote, end);
        if (end < 0) return { fields: null, problem: "a quote is not closed" };
        if (bytes[end + 1] !== quote) break;
        doubled = true;
        end += 2;
      }
      const inner = text.toString("utf8", at + 1, end);
      fields.push(doubled ? inner.replaceAll('""', '"') : inner);
      at = end + 1;
      if (at === bytes.length) return { fields, problem: null };
      if (bytes[at] !== delimiter) return { fields: null, problem: "text after a closing quote" };
    } else {
      let end = text.indexOf(delimiter, at);
      if (end < 0) end = bytes.length;
      const field = text.toString("utf8", at, end);
      if (field.includes('"')) return { fields: null, problem: "a quote inside a field without quotes" };
      fields.push(field);
      at = end;
      if (at === bytes.length) return { fields, problem: null };
    }
    at++;
    if (at === bytes.length) {
      fields.push("");
      return { fields, problem: null };
    }
  }
}
