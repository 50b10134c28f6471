import fc from "fast-check";
import { expect, test } from "vitest";
import { CsvBreaks } from "./csv-breaks.ts";

const text = fc.array(fc.constantFrom('"', '"', ",", "\n", "\n", "x", "\r"), { maxLength: 60 });

test("leaps find the breaks that a walk byte by byte finds, wherever chunks end and wherever they begin to look", () => {
  fc.assert(
    fc.property(
      text,
      fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1 }),
      fc.nat({ max: 12 }),
      (pieces, sizes, gap) => {
        const bytes = Buffer.from(pieces.join(""));
        const walk = new CsvBreaks(",");
        const ends = [...bytes].flatMap((byte, at) => (walk.ends(byte) ? [at] : []));
        const wanted: number[] = [];
        for (const end of ends) if (end >= (wanted.at(-1) ?? -1) + 1 + gap) wanted.push(end);
        const leaps = new CsvBreaks(",");
        const found: number[] = [];
        for (let start = 0, turn = 0; start < bytes.length; turn++) {
          const chunk = bytes.subarray(start, start + (sizes[turn % sizes.length] ?? 1));
          for (let at = 0; ; ) {
            const from = Math.max(at, (found.at(-1) ?? -1) + 1 + gap - start);
            const end = leaps.nextEnd(chunk, at, from);
            if (end < 0) break;
            found.push(start + end);
            at = end + 1;
          }
          start += chunk.length;
        }
        expect(found).toEqual(wanted);
      },
    ),
    { numRuns: 3_000 },
  );
});
