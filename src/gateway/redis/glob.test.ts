import fc from "fast-check";
import { expect, test } from "vitest";
import { literalPrefix, matches } from "./glob.ts";

const one = fc.oneof(
  fc.constantFrom("a", "b", "c").map((text) => ({ glob: text, regex: text })),
  fc.constant({ glob: "*", regex: ".*" }),
  fc.constant({ glob: "?", regex: "." }),
  fc.constant({ glob: "[ab]", regex: "[ab]" }),
  fc.constant({ glob: "[^a]", regex: "[^a]" }),
  fc.constant({ glob: "[b-c]", regex: "[b-c]" }),
  fc.constant({ glob: "\\*", regex: "\\*" }),
);

test("patterns mean what the like regular expression means", () => {
  fc.assert(
    fc.property(
      fc.array(one, { maxLength: 8 }),
      fc.string({ unit: fc.constantFrom("a", "b", "c", "*"), maxLength: 10 }),
      (parts, text) => {
        const pattern = Buffer.from(parts.map(({ glob }) => glob).join(""));
        const isMatch = new RegExp(`^${parts.map(({ regex }) => regex).join("")}$`).test(text);
        expect(matches(pattern, Buffer.from(text))).toBe(isMatch);
        if (isMatch) expect(text.startsWith(Buffer.from(literalPrefix(pattern)).toString())).toBe(true);
      },
    ),
    { numRuns: 2_000 },
  );
});

test("a hostile pattern takes no longer than its length times the text's", () => {
  expect(matches(Buffer.from(`${"*a".repeat(400)}b`), Buffer.from("a".repeat(20_000)))).toBe(false);
});
