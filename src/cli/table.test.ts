import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { printable, renderRows, renderTable } from "./table.ts";

const left = (name: string) => ({ name, align: "left" as const });

describe("printed tables", () => {
  test("numbers stand right, text left, wide characters take two cells", () => {
    const table = renderTable(
      [left("name"), { name: "n", align: "right" }],
      [
        ["水", "5"],
        ["ab", "1234"],
      ],
    );
    expect(table).toBe("name     n\n────  ────\n水       5\nab    1234\n");
  });

  test("a cell is cut on a terminal and whole elsewhere", () => {
    const long = "x".repeat(200);
    expect(renderTable([left("a")], [[long]], 80)).toContain(`${"x".repeat(59)}…`);
    expect(renderTable([left("a")], [[long]])).toContain(long);
  });

  test("no data drives the terminal", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => {
        // biome-ignore lint/suspicious/noControlCharactersInRegex: the property is that none is left
        expect(printable(text)).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/);
      }),
    );
  });
});

test("rows that are wider than the terminal stand by themselves, a line a value; narrower ones in a table", () => {
  const columns = [left("id"), left("a long name")];
  const rows = [
    ["1", "x".repeat(30)],
    ["2", "a\u0007b"],
  ];
  expect(renderRows(columns, rows, 40)).toBe(renderTable(columns, rows, 40));
  expect(renderRows(columns, rows)).toBe(renderTable(columns, rows));
  expect(renderRows(columns, rows, 20)).toBe(`── row 1 ──
id           1
a long name  ${"x".repeat(30)}
── row 2 ──
id           2
a long name  a\\u0007b
`);
});
