import fc from "fast-check";
import { expect, test } from "vitest";
import { HashList } from "./hash-list.ts";

const hash = (n: number) => `f1620${n.toString(16).padStart(64, "0")}`;

test("what was pushed newest first comes oldest first, window by window, over pages", () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 9_000 }), fc.integer({ min: 1, max: 5_000 }), (count, window) => {
      const list = new HashList();
      const pushed = Array.from({ length: count }, (_, n) => hash(n * 7 + 1));
      for (const one of pushed) list.push(one);
      const read: string[] = [];
      for (let at = 0; at < list.length; at += window) read.push(...list.fromOldest(at, window));
      expect(read).toEqual(pushed.toReversed());
      expect(list.fromOldest(count, 1)).toEqual([]);
    }),
    { numRuns: 30 },
  );
});

test("what names no block is not taken", () => {
  for (const wrong of ["", "f1620", `f9680c00120${"0".repeat(64)}`, hash(1).toUpperCase(), `${hash(1)}0`])
    expect(() => new HashList().push(wrong)).toThrow(RangeError);
});
