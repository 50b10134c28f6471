import fc from "fast-check";
import { expect, test } from "vitest";
import { joinKey, splitKey } from "./keys.ts";

test("a key's texts come back as they were joined, whatever is in them", () => {
  fc.assert(
    fc.property(
      fc.array(fc.string({ unit: fc.constantFrom("a", ":", "\\", "é") }), { minLength: 1, maxLength: 4 }),
      (parts) => {
        expect(splitKey(joinKey(parts), parts.length)).toEqual(parts);
      },
    ),
  );
});

test("they are joined as the server joins them", () => {
  expect(joinKey(["x:y", "3"])).toBe("x\\:y:3");
  expect(joinKey(["b:1"])).toBe("b:1");
});
