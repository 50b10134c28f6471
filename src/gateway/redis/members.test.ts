import fc from "fast-check";
import { expect, test } from "vitest";
import { plainValue, textOf, visitMembers } from "./members.ts";

test("each member is found, with the value that a parser of JSON finds", () => {
  const value = fc.oneof(fc.jsonValue(), fc.string({ unit: "binary" }));
  fc.assert(
    fc.property(fc.dictionary(fc.string({ unit: "binary", maxLength: 8 }), value), (object) => {
      const known: Record<string, unknown> = JSON.parse(JSON.stringify(object));
      const text = `..${JSON.stringify(known)}`;
      const row = Buffer.from(text).subarray(2);
      const found: [string, string | null][] = [];
      visitMembers(row, (member) => {
        const plain = plainValue(row, member);
        const name = Buffer.from(textOf(row, member.nameStart, member.nameEnd)).toString();
        found.push([name, plain === null ? null : Buffer.from(plain).toString()]);
      });
      expect(found).toEqual(
        Object.entries(known).map(([name, one]) => [
          Buffer.from(name).toString(),
          one === null ? null : typeof one === "string" ? Buffer.from(one).toString() : JSON.stringify(one),
        ]),
      );
    }),
    { numRuns: 500 },
  );
});

test("what is no row is refused, not read past its end", () => {
  for (const text of ['{"a', '{"a"', '{"a"1}', '{"a":[1', '{"a":"1}'])
    expect(() => visitMembers(Buffer.from(text), () => {})).toThrow();
});
