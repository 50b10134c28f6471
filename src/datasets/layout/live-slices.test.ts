import fc from "fast-check";
import { expect, test } from "vitest";
import { instant } from "../../base/index.ts";
import { multihash } from "../../slices/index.ts";
import { type LiveSlice, LiveSlices } from "./live-slices.ts";

let made = 0;
function slice(kind: LiveSlice["kind"], firstOffset: number, lastOffset: number): LiveSlice {
  const hash = multihash(`f1620${String(++made).padStart(64, "0")}`);
  const rest = { hash, key: `k/${hash}`, firstSeq: 0, lastSeq: 0, sizeBytes: made, systemTime: instant(0) };
  return { ...rest, kind, firstOffset, lastOffset, statistics: null, schemaVersion: 1 };
}

/** What each row is read from. */
const holders = (slices: readonly LiveSlice[]) =>
  slices.flatMap((one) => Array.from({ length: one.lastOffset - one.firstOffset + 1 }, () => one.hash));

const step = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("append"), rows: fc.integer({ min: 1, max: 5 }) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("fork"), rows: fc.integer({ min: 1, max: 5 }) }) },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant("replace"), from: fc.nat(40), rows: fc.integer({ min: 1, max: 30 }) }),
  },
);

test("append and replace make what a list of rows would be, and leave what was taken before as it was", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      let live = LiveSlices.none;
      let rows: string[] = [];
      const taken: { live: LiveSlices; rows: readonly string[] }[] = [];
      for (const one of steps) {
        taken.push({ live, rows: [...rows] });
        if (one.kind === "replace") {
          const copy = slice("copy", one.from, one.from + one.rows - 1);
          const isAligned =
            one.from + one.rows <= rows.length &&
            rows[one.from] !== rows[one.from - 1] &&
            rows[one.from + one.rows - 1] !== rows[one.from + one.rows];
          live = live.replace([copy]);
          if (isAligned) rows = rows.map((row, at) => (at >= one.from && at < one.from + one.rows ? copy.hash : row));
        } else {
          // A fork leaves its value unused: another one grows from the same.
          if (one.kind === "fork") live.append(slice("data", rows.length, rows.length + one.rows));
          const next = slice("data", rows.length, rows.length + one.rows - 1);
          live = live.append(next);
          rows.push(...holders([next]));
        }
      }
      for (const one of [...taken, { live, rows }]) {
        const { all } = one.live;
        expect(holders(all)).toEqual(one.rows);
        expect(one.live.nextOffset).toBe(one.rows.length);
        expect(one.live.sizeBytes).toBe(all.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0));
        for (let offset = 0; offset <= one.rows.length + 1; offset++) {
          expect(all[one.live.indexOf(offset)]?.hash).toBe(one.rows[offset]);
          expect(one.live.below(offset)).toEqual(all.filter(({ firstOffset }) => firstOffset < offset));
        }
      }
    }),
    { numRuns: 300 },
  );
});
