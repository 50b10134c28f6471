const bufferBytes = 1 << 20;
/** More than the parts under way hold are given back to the system. */
const mostFree = 256;

/**
 * Buffers that a file is read into, used again when every byte of them has been sent: the collector has nothing to do,
 * and no page of memory is made twice. What is never released is left to the collector.
 */
export class ReadBuffers {
  readonly #free: Buffer[] = [];
  /** Bytes of a filled buffer that are not released yet. */
  readonly #left = new WeakMap<ArrayBufferLike, { bytes: number }>();

  take(): Buffer {
    return this.#free.pop() ?? Buffer.allocUnsafeSlow(bufferBytes);
  }

  /** The buffer's first bytes, which are to be released piece by piece. */
  filled(buffer: Buffer, bytes: number): Uint8Array {
    this.#left.set(buffer.buffer, { bytes });
    return buffer.subarray(0, bytes);
  }

  /** These pieces of filled buffers are no longer needed by anyone; others are passed over. */
  release(pieces: readonly Uint8Array[]): void {
    for (const { buffer, length } of pieces) {
      const left = this.#left.get(buffer);
      if (left === undefined) continue;
      left.bytes -= length;
      if (left.bytes > 0) continue;
      this.#left.delete(buffer);
      if (this.#free.length < mostFree) this.#free.push(Buffer.from(buffer));
    }
  }
}
