import { DuckDBInstance } from "@duckdb/node-api";
import fc from "fast-check";
import { expect, test } from "vitest";
import { quoteName, tableName } from "./sql.ts";

test("a quoted name is that name to the engine, whatever is in it", async () => {
  const instance = await DuckDBInstance.create(":memory:");
  const connection = await instance.connect();
  // An empty name is none, and U+0000 ends a statement: columns have neither.
  const name = fc.string({ unit: "grapheme", minLength: 1, maxLength: 30 }).filter((text) => !text.includes("\0"));
  await fc.assert(
    fc.asyncProperty(
      fc.oneof(name, fc.constantFrom('"', '""', `"; DROP TABLE x; --`, "a.b", "$1", "?")),
      async (one) => {
        const result = await connection.run(`SELECT 1 AS ${quoteName(one)}`);
        expect(result.columnNames()).toEqual([one]);
      },
    ),
    { numRuns: 100 },
  );
  connection.closeSync();
  instance.closeSync();
});

test("a dataset is named now, or as of a block", () => {
  expect(tableName("web", "access")).toBe('"web"."access"');
  expect(tableName("web", 'a"b', 7)).toBe('"web"."a""b" AT (VERSION => 7)');
});
