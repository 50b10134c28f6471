import { createReadStream } from "node:fs";
import { longestRecord } from "../formats/csv-records.ts";

const lineFeed = 10;
const readBytes = 1 << 20;

/** A line, or a piece of one that is too long to hold. */
export interface Line {
  readonly bytes: Buffer;
  /** From 1. */
  readonly number: number;
  readonly tooLong: boolean;
}

/** Lines of a stretch of a file without their breaks, holding one at a time; of one that is too long, pieces of at most 1 MiB. */
export async function* linesOf(path: string, start: number, length: number): AsyncIterable<Line> {
  let held: Buffer[] = [];
  let heldBytes = 0;
  let number = 1;
  let tooLong = false;
  const take = (last: Buffer): Line => {
    const bytes = held.length === 0 ? last : Buffer.concat([...held, last]);
    held = [];
    heldBytes = 0;
    return { bytes, number, tooLong };
  };
  for await (const chunk of chunksOf(path, start, length)) {
    let from = 0;
    for (let at = chunk.indexOf(lineFeed); at >= 0; at = chunk.indexOf(lineFeed, from)) {
      yield take(chunk.subarray(from, at));
      tooLong = false;
      number++;
      from = at + 1;
    }
    if (from === chunk.length) continue;
    held.push(chunk.subarray(from));
    heldBytes += chunk.length - from;
    tooLong ||= heldBytes > longestRecord;
    if (!tooLong) continue;
    const pieces = held;
    held = [];
    heldBytes = 0;
    // Chunks as they came: a piece may end within a character, and is kept as bytes all the same.
    for (const bytes of pieces) yield { bytes, number, tooLong };
  }
  if (heldBytes > 0) yield take(Buffer.alloc(0));
}

/** A stretch of a file in chunks. */
export async function* chunksOf(path: string, start: number, length: number): AsyncIterable<Buffer> {
  if (length === 0) return;
  for await (const data of createReadStream(path, { start, end: start + length - 1, highWaterMark: readBytes })) {
    const chunk: Buffer = data;
    yield chunk;
  }
}

/** True for a line with nothing but blanks, as DuckDB's reader of JSON sees them. */
export function isBlank(line: Uint8Array): boolean {
  for (const byte of line) if (byte !== 32 && (byte < 9 || byte > 13)) return false;
  return true;
}

/** Counts the lines of a stream that are not blank. */
export class LineCounter {
  #lines = 0;
  #blank = true;

  push(chunk: Buffer): void {
    let from = 0;
    for (let at = chunk.indexOf(lineFeed); at >= 0; at = chunk.indexOf(lineFeed, from)) {
      if (this.#blank && from < at) this.#blank = startsBlank(chunk, from) && isBlank(chunk.subarray(from, at));
      if (!this.#blank) this.#lines++;
      this.#blank = true;
      from = at + 1;
    }
    if (from < chunk.length && this.#blank) this.#blank = isBlank(chunk.subarray(from));
  }

  end(): number {
    if (!this.#blank) this.#lines++;
    this.#blank = true;
    return this.#lines;
  }
}

/** Nearly every line begins with a character: told without making a view of it. */
function startsBlank(chunk: Buffer, at: number): boolean {
  const byte = chunk[at] ?? 0;
  return byte === 32 || (byte >= 9 && byte <= 13);
}
