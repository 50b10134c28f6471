import { isUtf8 } from "node:buffer";

/** Tells whether a stream is UTF-8, however it is cut. */
export class Utf8Check {
  /** The beginning of a character whose end has not come. */
  #open: Uint8Array = new Uint8Array(0);

  push(chunk: Uint8Array): boolean {
    const bytes = this.#open.length === 0 ? chunk : Buffer.concat([this.#open, chunk]);
    const whole = wholeLength(bytes);
    this.#open = bytes.slice(whole);
    return isUtf8(bytes.subarray(0, whole));
  }

  end(): boolean {
    return this.#open.length === 0;
  }
}

/** Bytes before a character at the end that may be cut: at most three are behind. */
function wholeLength(bytes: Uint8Array): number {
  for (let back = 1; back <= Math.min(3, bytes.length); back++) {
    const byte = bytes[bytes.length - back] ?? 0;
    if (byte < 0x80) return bytes.length;
    if (byte < 0xc0) continue; // goes on with a character
    const length = byte < 0xe0 ? 2 : byte < 0xf0 ? 3 : 4;
    return length > back ? bytes.length - back : bytes.length;
  }
  return bytes.length;
}
