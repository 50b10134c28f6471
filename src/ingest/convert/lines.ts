import { createReadStream } from "node:fs";

const lineFeed = 10;

/** Lines of a file without their breaks, holding one at a time. */
export async function* linesOf(path: string): AsyncIterable<Buffer> {
  let held: Buffer | null = null;
  for await (const data of createReadStream(path, { highWaterMark: 1 << 20 })) {
    const piece: Buffer = data;
    const chunk: Buffer = held === null ? piece : Buffer.concat([held, piece]);
    let from = 0;
    for (let at = chunk.indexOf(lineFeed); at >= 0; at = chunk.indexOf(lineFeed, from)) {
      yield chunk.subarray(from, at);
      from = at + 1;
    }
    held = from < chunk.length ? chunk.subarray(from) : null;
  }
  if (held !== null) yield held;
}

/** True for a line with nothing but blanks. */
export function isBlank(line: Uint8Array): boolean {
  for (const byte of line) if (byte !== 32 && byte !== 9 && byte !== 13) return false;
  return true;
}

/** How many lines of a chunk are not blank, and whether it ends inside one. Long lines are told by their first byte. */
export class LineCounter {
  lines = 0;
  #blank = true;

  push(chunk: Buffer): void {
    let from = 0;
    for (let at = chunk.indexOf(lineFeed); at >= 0; at = chunk.indexOf(lineFeed, from)) {
      if (this.#blank && from < at)
        this.#blank = isBlank(chunk.subarray(from, Math.min(at, from + 64))) && isBlank(chunk.subarray(from, at));
      if (!this.#blank) this.lines++;
      this.#blank = true;
      from = at + 1;
    }
    if (from < chunk.length && this.#blank) this.#blank = isBlank(chunk.subarray(from));
  }

  end(): number {
    if (!this.#blank) this.lines++;
    this.#blank = true;
    return this.lines;
  }
}
