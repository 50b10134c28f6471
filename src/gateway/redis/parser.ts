const mostRequestBytes = 8 * 1024 * 1024;
const mostArguments = 65_536;
const mostArgumentBytes = 128 * 1024;
const mostLineBytes = 64 * 1024;
const smallestKept = 16 * 1024;
const [cr, lf, star, dollar] = [13, 10, 42, 36];

/** What came is no request; its sentence is for the client, and the connection ends. */
export class ProtocolError extends Error {}

/**
 * Takes requests of the Redis protocol apart where they lie: an argument is a range of `bytes`, and nothing is made a string. A
 * request that has not come whole is gone on with where it broke off, so that each byte is looked at once.
 */
export class RequestParser {
  bytes: Buffer = Buffer.alloc(0);
  #start = 0;
  #position = 0;
  #end = 0;
  #isOwn = true;
  /** Arguments that are still to come; -1 between requests. */
  #left = -1;
  #count = 0;
  #starts = new Int32Array(16);
  #ends = new Int32Array(16);

  /** Arguments of the request, its command included. Like their ranges, valid until the next `next` or `take`. */
  get count(): number {
    return this.#count;
  }

  start(index: number): number {
    return this.#starts[index] as number;
  }

  end(index: number): number {
    return this.#ends[index] as number;
  }

  text(index: number): string {
    return this.bytes.toString("utf8", this.start(index), this.end(index));
  }

  /** More bytes have come. @throws ProtocolError */
  take(chunk: Buffer): void {
    const rest = this.#end - this.#start;
    if (rest === 0) {
      this.bytes = chunk;
      this.#moveTo(0);
      this.#end = chunk.length;
      this.#isOwn = false;
      return;
    }
    if (rest + chunk.length > mostRequestBytes + mostArgumentBytes) throw new ProtocolError("too big request");
    this.#keep(chunk.length);
    this.#end += chunk.copy(this.bytes, this.#end);
  }

  /** Whether a whole request is there. @throws ProtocolError */
  next(): boolean {
    if (this.#left < 0) {
      this.#start = this.#position;
      this.#count = 0;
    }
    for (;;) {
      if (this.#left === 0) {
        this.#left = -1;
        if (this.#count > 0) return true;
        this.#start = this.#position;
      }
      if (this.#left < 0 ? !this.#head() : !this.#argument()) {
        if (!this.#isOwn && this.#end > this.#start) this.#keep(0);
        return false;
      }
    }
  }

  /** The line that says how many arguments come, or is the request itself. */
  #head(): boolean {
    if (this.#position >= this.#end) return false;
    if (this.bytes[this.#position] !== star) return this.#line();
    const lineEnd = this.#lineEnd("invalid multibulk length");
    if (lineEnd < 0) return false;
    const count = this.#number(this.#position + 1, lineEnd);
    if (count === null || count > mostArguments) throw new ProtocolError("invalid multibulk length");
    this.#position = lineEnd + 2;
    this.#left = Math.max(0, count);
    return true;
  }

  #argument(): boolean {
    if (this.#position >= this.#end) return false;
    if (this.bytes[this.#position] !== dollar) throw new ProtocolError("expected '$'");
    const lineEnd = this.#lineEnd("invalid bulk length");
    if (lineEnd < 0) return false;
    const length = this.#number(this.#position + 1, lineEnd);
    if (length === null || length < 0 || length > mostArgumentBytes) throw new ProtocolError("invalid bulk length");
    const from = lineEnd + 2;
    if (from + length - this.#start > mostRequestBytes) throw new ProtocolError("too big request");
    if (from + length + 2 > this.#end) return false;
    if (this.bytes[from + length] !== cr || this.bytes[from + length + 1] !== lf)
      throw new ProtocolError("an argument does not end where it should");
    this.#add(from, from + length);
    this.#position = from + length + 2;
    this.#left--;
    return true;
  }

  /** Words of a line, as somebody types them. */
  #line(): boolean {
    const at = this.bytes.indexOf(lf, this.#position);
    const isThere = at >= 0 && at < this.#end;
    if ((isThere ? at : this.#end) - this.#position > mostLineBytes) throw new ProtocolError("too big inline request");
    if (!isThere) return false;
    let word = -1;
    for (let i = this.#position; i <= at; i++) {
      const isGap = (this.bytes[i] as number) <= 32;
      if (!isGap && word < 0) word = i;
      if (!isGap || word < 0) continue;
      this.#add(word, i);
      word = -1;
    }
    this.#position = at + 1;
    this.#left = 0;
    return true;
  }

  #lineEnd(problem: string): number {
    const most = Math.min(this.#end - 1, this.#position + 32);
    for (let at = this.#position; at < most; at++) {
      if (this.bytes[at] !== cr) continue;
      if (this.bytes[at + 1] !== lf) throw new ProtocolError(problem);
      return at;
    }
    if (most < this.#end - 1) throw new ProtocolError(problem);
    return -1;
  }

  #number(from: number, end: number): number | null {
    const isNegative = this.bytes[from] === 45;
    let at = isNegative ? from + 1 : from;
    if (at >= end || end - at > 10) return null;
    let value = 0;
    for (; at < end; at++) {
      const digit = (this.bytes[at] as number) - 48;
      if (digit < 0 || digit > 9) return null;
      value = value * 10 + digit;
    }
    return isNegative ? -value : value;
  }

  #add(start: number, end: number): void {
    if (this.#count === this.#starts.length) {
      this.#starts = grown(this.#starts);
      this.#ends = grown(this.#ends);
    }
    this.#starts[this.#count] = start;
    this.#ends[this.#count++] = end;
  }

  /** Keeps the request that has begun in memory of our own, with room for more. */
  #keep(more: number): void {
    const used = this.#end - this.#start;
    const wanted = used + more;
    if (this.#isOwn && this.#start + wanted <= this.bytes.length) return;
    const from = this.bytes.subarray(this.#start, this.#end);
    const kept =
      wanted <= this.bytes.length && this.#isOwn ? this.bytes : Buffer.allocUnsafe(Math.max(smallestKept, wanted * 2));
    from.copy(kept, 0);
    this.bytes = kept;
    this.#moveTo(0);
    this.#end = used;
    this.#isOwn = true;
  }

  /** The request's first byte lies elsewhere now. */
  #moveTo(start: number): void {
    const by = start - this.#start;
    for (let index = 0; index < this.#count; index++) {
      this.#starts[index] = (this.#starts[index] as number) + by;
      this.#ends[index] = (this.#ends[index] as number) + by;
    }
    this.#position += by;
    this.#start = start;
  }
}

function grown(numbers: Int32Array<ArrayBuffer>): Int32Array<ArrayBuffer> {
  const larger = new Int32Array(numbers.length * 2);
  larger.set(numbers);
  return larger;
}
