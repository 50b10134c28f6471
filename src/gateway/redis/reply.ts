import type { LookupRows } from "../http/index.ts";

const blockBytes = 64 * 1024;
const mostSpare = 4;
const [cr, lf] = [13, 10];

/** Answers of the Redis protocol, gathered into few writes. Blocks that the socket is done with are used again. */
export class ReplyWriter {
  /** 3: maps and nulls have forms of their own. */
  protocol: 2 | 3 = 2;
  #block: Buffer = Buffer.allocUnsafe(blockBytes);
  #at = 0;
  #full: Buffer[] = [];
  #fullBytes = 0;
  readonly #spare: Buffer[] = [];

  /** Bytes that wait for `flush`. */
  get waiting(): number {
    return this.#fullBytes + this.#at;
  }

  simple(text: string): void {
    this.#line(`+${text}`);
  }

  error(text: string): void {
    this.#line(`-${text.replaceAll(/[\r\n]+/g, " ")}`);
  }

  integer(value: number): void {
    this.#line(`:${value}`);
  }

  nil(): void {
    this.#line(this.protocol === 3 ? "_" : "$-1");
  }

  array(length: number): void {
    this.#line(`*${length}`);
  }

  /** Names and values follow by turns. */
  map(members: number): void {
    this.#line(this.protocol === 3 ? `%${members}` : `*${members * 2}`);
  }

  text(text: string): void {
    this.bytes(Buffer.from(text), 0, Buffer.byteLength(text));
  }

  bytes(source: Uint8Array, start: number, end: number): void {
    const length = end - start;
    this.#room(length + 16);
    this.#length(length);
    this.#block.set(source.subarray(start, end), this.#at);
    this.#at += length;
    this.#lineEnd();
  }

  row(rows: LookupRows, address: number): void {
    const length = rows.rowBytes(address);
    this.#room(length + 16);
    this.#length(length);
    this.#at = rows.copyRow(address, this.#block, this.#at);
    this.#lineEnd();
  }

  /** Hands over what waits; `write` calls back when its bytes are sent. */
  flush(write: (bytes: Buffer, sent: () => void) => void): void {
    for (const full of this.#full.splice(0)) write(full, () => {});
    this.#fullBytes = 0;
    if (this.#at === 0) return;
    const block = this.#block;
    const bytes = block.subarray(0, this.#at);
    this.#at = 0;
    this.#block = this.#spare.pop() ?? Buffer.allocUnsafe(blockBytes);
    write(bytes, () => {
      if (block.length === blockBytes && this.#spare.length < mostSpare) this.#spare.push(block);
    });
  }

  #line(text: string): void {
    this.#room(text.length * 3 + 2);
    this.#at += this.#block.write(text, this.#at);
    this.#lineEnd();
  }

  /** `$length\r\n`. */
  #length(length: number): void {
    const block = this.#block;
    block[this.#at++] = 36;
    let digits = 1;
    for (let power = 10; power <= length; power *= 10) digits++;
    for (let at = this.#at + digits - 1, left = length; at >= this.#at; at--) {
      block[at] = 48 + (left % 10);
      left = Math.floor(left / 10);
    }
    this.#at += digits;
    this.#lineEnd();
  }

  #lineEnd(): void {
    this.#block[this.#at++] = cr;
    this.#block[this.#at++] = lf;
  }

  #room(bytes: number): void {
    if (this.#at + bytes <= this.#block.length) return;
    if (this.#at > 0) this.#full.push(this.#block.subarray(0, this.#at));
    this.#fullBytes += this.#at;
    this.#block = Buffer.allocUnsafe(Math.max(blockBytes, bytes));
    this.#at = 0;
  }
}
