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
      let committed = 0; // files may hold more than that already
      const taken: { live: LiveSlices; rows: readonly string[] }[] = [];
      for (const one of steps) {
        taken.push({ live, rows: [...rows] });
        if (one.kind === "replace") {
          const copy = slice("copy", one.from, one.from + one.rows - 1);
          const end = one.from + one.rows;
          const isAligned =
            one.from <= rows.length &&
            (one.from === rows.length || rows[one.from] !== rows[one.from - 1]) &&
            (end >= rows.length || rows[end - 1] !== rows[end]);
          live = live.replace([copy]);
          if (isAligned) rows = [...rows.slice(0, one.from), ...holders([copy]), ...rows.slice(end)];
        } else {
          // A fork leaves its value unused: another one grows from the same.
          if (one.kind === "fork") live.append(slice("data", rows.length, rows.length + one.rows));
          const held = rows.length - committed;
          const next = slice("data", committed, committed + (held > 0 ? Math.min(held, one.rows) : one.rows) - 1);
          live = live.append(next);
          if (held === 0) rows.push(...holders([next]));
          committed = next.lastOffset + 1;
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

test("behind expired rows, files begin where the first kept row is, and nowhere else", () => {
  const later = slice("copy", 10, 19);
  expect(LiveSlices.none.replace([later]).all).toEqual([]); // rows before are not known
  expect(LiveSlices.none.replace([later], 10).all).toEqual([later]);
  const across = slice("copy", 5, 19);
  expect(LiveSlices.none.replace([across], 10).all).toEqual([across]);
  expect(LiveSlices.none.replace([slice("copy", 0, 9)], 10).all).toEqual([]);
  expect(LiveSlices.of([later]).replace([slice("copy", 25, 30)], 10).all).toEqual([later]);
});
