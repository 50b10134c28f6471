import fc from "fast-check";
import { expect, test } from "vitest";
import { ReadBuffers } from "./read-buffers.ts";

test("a buffer is used again when all of it was released, in whatever pieces and order, and never before", () => {
  const cuts = fc.uniqueArray(fc.integer({ min: 1, max: 999 }), { maxLength: 6 });
  fc.assert(
    fc.property(cuts, fc.infiniteStream(fc.nat()), (at, order) => {
      const buffers = new ReadBuffers();
      const buffer = buffers.take();
      const bytes = buffers.filled(buffer, 1_000);
      const ends = [...at.sort((a, b) => a - b), 1_000];
      const pieces = ends.map((end, index) => bytes.subarray(ends[index - 1] ?? 0, end));
      while (pieces.length > 0) {
        const [piece] = pieces.splice((order.next().value ?? 0) % pieces.length, 1);
        buffers.release([piece ?? bytes, Buffer.from("of no buffer")]);
        const next = buffers.take();
        expect(next.buffer === buffer.buffer).toBe(pieces.length === 0);
      }
    }),
  );
});
