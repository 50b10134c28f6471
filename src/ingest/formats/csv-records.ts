import { CsvBreaks } from "./csv-breaks.ts";

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
/** A record that does not end is given in pieces, each with a problem. */
export const longestRecord = 32 << 20;
const pieceBytes = 1 << 20;

/**
 * Cuts a byte stream into CSV records by RFC 4180: a field in quotes may hold delimiters, line breaks and doubled quotes.
 * What the RFC has no meaning for (a quote inside a bare field, text after a closing quote, an open quote at the end) is a
 * record with a problem. Empty lines are no records. Holds one record at a time.
 */
export class CsvRecords {
  readonly #delimiter: string;
  readonly #breaks: CsvBreaks;
  #held: Uint8Array = new Uint8Array(0);
  #line = 1;
  #first = true;

  constructor(delimiter: string) {
    this.#delimiter = delimiter;
    this.#breaks = new CsvBreaks(delimiter);
  }

  push(chunk: Uint8Array, take: (record: CsvRecord) => void): void {
    const fresh = this.#first ? withoutMark(chunk) : chunk;
    this.#first = false;
    const scanned = this.#held.length;
    const bytes = scanned === 0 ? fresh : Buffer.concat([this.#held, fresh]);
    let start = 0;
    let at = scanned;
    for (let end = this.#breaks.nextEnd(bytes, at, at); end >= 0; end = this.#breaks.nextEnd(bytes, at, at)) {
      this.#take(bytes.subarray(start, end), take);
      start = end + 1;
      at = start;
    }
    this.#held = bytes.slice(start);
    if (this.#held.length <= longestRecord) return;
    for (let from = 0; from < this.#held.length; from += pieceBytes) {
      const raw = this.#held.subarray(from, from + pieceBytes);
      take({ fields: null, problem: "the record is longer than 32 MiB", raw, line: this.#line });
      this.#line += breaksIn(raw);
    }
    this.#held = new Uint8Array(0);
  }

  end(take: (record: CsvRecord) => void): void {
    if (this.#held.length > 0) this.#take(this.#held, take);
    this.#held = new Uint8Array(0);
  }

  #take(raw: Uint8Array, take: (record: CsvRecord) => void): void {
    const bytes = raw[raw.length - 1] === cr ? raw.subarray(0, -1) : raw;
    const line = this.#line;
    this.#line += 1 + breaksIn(raw);
    if (bytes.length === 0) return;
    take({ ...readFields(bytes, this.#delimiter), raw: bytes, line });
  }
}

function breaksIn(bytes: Uint8Array): number {
  let count = 0;
  for (let at = bytes.indexOf(lf); at >= 0; at = bytes.indexOf(lf, at + 1)) count++;
  return count;
}

/** A record beside which no other stands: used where records are already apart. */
function readFields(bytes: Uint8Array, separator: string): { fields: string[] | null; problem: string | null } {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  if (text.indexOf(quote) < 0) return { fields: text.toString("utf8").split(separator), problem: null };
  const delimiter = separator.charCodeAt(0);
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

/** Without the byte order mark that some programs begin a file with. */
export function withoutMark(bytes: Uint8Array): Uint8Array {
  return bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? bytes.subarray(3) : bytes;
}
