import { expect, test } from "vitest";
import { withType } from "./declared.ts";

test("a column's type is declared, changed and taken back, and nothing else of the definition changes", () => {
  const spec = { description: "birds", columns: [{ name: "n", type: "INTEGER" }] };
  expect(withType(spec, "m", "VARCHAR")).toEqual({
    ...spec,
    columns: [...spec.columns, { name: "m", type: "VARCHAR" }],
  });
  expect(withType(spec, "N", "VARCHAR")).toEqual({ ...spec, columns: [{ name: "N", type: "VARCHAR" }] });
  expect(withType(spec, "n", null)).toEqual({ description: "birds" });
  expect(withType(null, "n", "DATE")).toEqual({ columns: [{ name: "n", type: "DATE" }] });
});
