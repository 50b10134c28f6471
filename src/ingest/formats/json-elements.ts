import { MillraceError } from "../../base/index.ts";

const char = {
  quote: 34,
  backslash: 92,
  open: 123,
  close: 125,
  openList: 91,
  closeList: 93,
  comma: 44,
  lf: 10,
  cr: 13,
};

/**
 * Turns a JSON array of objects, or objects one after another, into one line an object, in constant memory. It does not
 * judge the elements: a broken one is a broken line, which conversion puts aside with its reason.
 *
 *   before --"["--> array --"]"--> after          before --"{"--> objects
 */
export class JsonElements {
  #state: "before" | "array" | "objects" | "after" = "before";
  #depth = 0;
  #inString = false;
  #escaped = false;

  /** The lines that `chunk` completes or continues. @throws bad_input where the text is neither array nor object */
  push(chunk: Uint8Array): Uint8Array {
    const out = Buffer.from(chunk);
    for (let at = 0; at < out.length; at++) {
      const byte = out[at] ?? 0;
      if (this.#inString) {
        if (this.#escaped) this.#escaped = false;
        else if (byte === char.backslash) this.#escaped = true;
        else if (byte === char.quote) this.#inString = false;
        // A bare line break in a string is no JSON; another control character keeps it wrong, on one line.
        else if (byte === char.lf || byte === char.cr) out[at] = 0x1f;
        continue;
      }
      if (byte <= 32) {
        if (byte === char.lf || byte === char.cr) out[at] = 32;
        continue;
      }
      out[at] = this.#structure(byte);
      // Objects one after another end where their bracket closes; the blank that follows, or nothing, parts them.
      if (this.#state === "objects" && byte === char.close && this.#depth === 0) this.#pendingBreaks.push(at + 1);
    }
    return this.#withBreaks(out);
  }

  /** @throws bad_input where the text ended inside its array */
  end(): Uint8Array {
    if (this.#state === "array") {
      throw new MillraceError("bad_input", "The JSON array ends before its closing bracket.", {
        hint: "Was the file cut off? Nothing of it was taken.",
      });
    }
    return Buffer.from("\n");
  }

  readonly #pendingBreaks: number[] = [];

  #withBreaks(out: Buffer): Uint8Array {
    if (this.#pendingBreaks.length === 0) return out;
    const pieces: Buffer[] = [];
    let from = 0;
    for (const at of this.#pendingBreaks) {
      pieces.push(out.subarray(from, at), Buffer.from("\n"));
      from = at;
    }
    this.#pendingBreaks.length = 0;
    pieces.push(out.subarray(from));
    return Buffer.concat(pieces);
  }

  /** What to write for a byte outside strings. */
  #structure(byte: number): number {
    switch (this.#state) {
      case "before":
        if (byte === 0xef || byte === 0xbb || byte === 0xbf) return 32;
        if (byte === char.openList) {
          this.#state = "array";
          return 32;
        }
        if (byte !== char.open)
          throw new MillraceError("bad_input", "The body is neither a JSON array nor JSON objects.");
        this.#state = "objects";
        this.#depth = 1;
        return byte;
      case "array":
      case "objects":
        if (byte === char.quote) this.#inString = true;
        else if (byte === char.open || byte === char.openList) this.#depth++;
        else if (byte === char.close || byte === char.closeList) {
          if (this.#depth === 0 && this.#state === "array" && byte === char.closeList) {
            this.#state = "after";
            return char.lf;
          }
          this.#depth = Math.max(0, this.#depth - 1);
        } else if (byte === char.comma && this.#depth === 0) return char.lf;
        return byte;
      case "after":
        return byte;
    }
  }
}
