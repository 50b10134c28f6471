import { expect, test } from "vitest";
import { columnsNamed, namespaceOf, written } from "./completion.ts";

test("names are written as SQL takes them", () => {
  expect(["plain_1", "US Gross", "order", 'a"b', "Title"].map(written)).toEqual([
    "plain_1",
    '"US Gross"',
    '"order"',
    '"a""b"',
    '"Title"',
  ]);
});

const datasets = [
  { project: "web", dataset: "movies", columns: [{ name: "US Gross", type: "int64" }] },
  { project: "self", dataset: "children", columns: [{ name: "__proto__", type: "string" }] },
];

test("the columns of what a text names are offered, quoted where they must be", () => {
  expect(columnsNamed("select from WEB.Movies", datasets)).toMatchObject([{ label: "US Gross", apply: '"US Gross"' }]);
  expect(columnsNamed("select 1", datasets)).toEqual([]);
});

test("names that mean something to the editor are names, too", () => {
  expect(namespaceOf(datasets)).toMatchObject({
    self: { self: { label: "self" }, children: { children: { self: { label: "children" } } } },
  });
});
