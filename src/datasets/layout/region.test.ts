import fc from "fast-check";
import { expect, test } from "vitest";
import { pendingRegions, type Region, Regions, regionName } from "./region.ts";

/** Every closed region of every level. */
function closedRegions(regions: Regions, newest: number): Region[] {
  const found: Region[] = [];
  for (let level = 1; regions.closed(level, newest) > 0; level++)
    for (let index = 0; index < regions.closed(level, newest); index++) found.push({ level, index });
  return found;
}

test("what is pending is every closed region that no published one holds, low levels first", () => {
  const sizes = fc.record({ first: fc.integer({ min: 1, max: 5 }), fan: fc.integer({ min: 2, max: 4 }) });
  fc.assert(
    fc.property(sizes, fc.integer({ min: -1, max: 300 }), fc.infiniteStream(fc.boolean()), (size, newest, chance) => {
      const regions = new Regions(size);
      const closed = closedRegions(regions, newest);
      const open = newest < 0 ? [] : regions.above(newest, newest);
      const published = [...closed, ...open].filter(() => chance.next().value === true);
      const names = new Set(published.map(regionName));
      const isHeld = (region: Region) =>
        regions.above(regions.firstSeq(region), newest, region.level).some((above) => names.has(regionName(above)));
      expect(pendingRegions(regions, published, newest)).toEqual(closed.filter((region) => !isHeld(region)));
    }),
  );
});

test("what is published costs nothing, however long the chain", () => {
  const regions = new Regions();
  const newest = 64 * 16 ** 6 + 3 * 64 - 1; // one published region, and three small ones behind it
  const found = pendingRegions(regions, [{ level: 7, index: 0 }], newest);
  expect(found).toEqual([0, 1, 2].map((index) => ({ level: 1, index: 16 ** 6 + index })));
});
