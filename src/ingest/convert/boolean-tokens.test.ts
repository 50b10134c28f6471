import { writeFile } from "node:fs/promises";
import path from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import { tempDirectory } from "../../../test/kit/index.ts";
import { countBooleans } from "./boolean-tokens.ts";

const piece = fc.oneof(
  fc.constantFrom(
    "true",
    "false",
    "tru",
    "fal",
    "t",
    ":",
    ",",
    "[",
    " ",
    "\n",
    "\t",
    "x",
    '"',
    '{"a":',
    ": true",
    ":false,",
  ),
  fc.integer({ min: 0, max: 70 }).map((length) => " ".repeat(length)),
);

test("every boolean token is counted, wherever the file is cut", async () => {
  await using folder = await tempDirectory();
  const file = path.join(folder.path, "text");
  await fc.assert(
    fc.asyncProperty(
      fc.array(piece, { maxLength: 60 }),
      fc.nat(70),
      fc.constantFrom(0, 0, 0, (1 << 20) - 60, (1 << 20) - 3),
      async (pieces, skipped, before) => {
        const text = `${"x".repeat(before)}${pieces.join("")}`;
        await writeFile(file, `${"true,".repeat(skipped)}${text}`);
        const found = await countBooleans(file, skipped * 5);
        const real = [...text.matchAll(/(?<=[:[,]\s*)(?=tru|fal)/g)].length;
        // More than there are only where more blanks stand before a token than are kept.
        const most = [...text.matchAll(/(?<=[:[,]\s*|\s{20,}|^\s*)(?=tru|fal)/g)].length;
        expect(found).toBeGreaterThanOrEqual(real);
        expect(found).toBeLessThanOrEqual(most);
      },
    ),
    { numRuns: 80 },
  );
});
