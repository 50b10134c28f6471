import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { MillraceError } from "../../base/index.ts";
import { readDefinition } from "./definition.ts";

function failure(sql: string): { message: string; offset: number | undefined } {
  try {
    readDefinition(sql);
  } catch (error) {
    if (error instanceof MillraceError) return { message: error.message, offset: error.position?.offset };
    throw error;
  }
  throw new Error(`${sql} was read`);
}

describe("a definition", () => {
  test("is read with its names, options and SELECT, whatever stands between the words", () => {
    const sql = `-- why\n create /* a */ Dataset  Web."Top Pages" with (max_rows = 10, Note='it''s') as\n SELECT 1;`;
    const definition = readDefinition(sql);
    expect(definition).toMatchObject({
      kind: "create dataset",
      ifNotExists: false,
      name: { project: "web", dataset: "top pages", at: sql.indexOf("Web") },
      query: { sql: "SELECT 1;", at: sql.indexOf("SELECT") },
    });
    if (definition?.kind !== "create dataset") throw new Error("another kind");
    expect([...definition.options].map(([name, { value }]) => [name, value])).toEqual([
      ["max_rows", "10"],
      ["note", "it's"],
    ]);
  });

  test.each([
    ["DROP DATASET IF EXISTS p.d", { kind: "drop dataset", ifExists: true }],
    ["drop dataset p.d;", { kind: "drop dataset", ifExists: false }],
    ["PAUSE DATASET p.d", { kind: "pause dataset" }],
    ["RESUME DATASET p.d", { kind: "resume dataset" }],
    ["CREATE DATASET IF NOT EXISTS p.d AS FROM p.e", { kind: "create dataset", ifNotExists: true }],
    ["EXPLAIN TRANSFORM p.d", { kind: "explain transform", of: { project: "p", dataset: "d" } }],
    ["EXPLAIN TRANSFORM SELECT a FROM p.d", { kind: "explain transform", of: { sql: "SELECT a FROM p.d" } }],
    ["EXPLAIN TRANSFORM (SELECT a FROM p.d)", { kind: "explain transform", of: { sql: "(SELECT a FROM p.d)" } }],
  ])("%s", (sql, expected) => {
    expect(readDefinition(sql)).toMatchObject(expected);
  });

  test.each([
    "SELECT 1",
    "EXPLAIN SELECT 1",
    "FROM p.d",
    "",
    "CREATE TABLE x (a INT)",
    "createdataset p.d",
    "WITH a AS (SELECT 1) FROM a",
  ])("%s is DuckDB's to read", (sql) => {
    expect(readDefinition(sql)).toBeNull();
  });

  test.each([
    ["CREATE DATASET", "CREATE DATASET".length, "the statement ends"],
    ["CREATE DATASET d AS SELECT 1", 17, '"AS" comes'],
    ["CREATE DATASET p.d SELECT 1", 19, "AS is expected"],
    ["CREATE DATASET p.d AS  ", 23, "A SELECT is expected"],
    ["CREATE DATASET p.d WITH (a = ) AS SELECT 1", 29, '")" comes'],
    ["CREATE DATASET p.d WITH (a = 1, A = 2) AS SELECT 1", 32, "said twice"],
    ["DROP DATASET p.d cascade", 17, "The end of the statement"],
    ["PAUSE DATASET 'p'.d", 14, "The name of a dataset"],
  ])("%s is refused at its place", (sql, offset, said) => {
    const { message, offset: at } = failure(sql);
    expect({ message, at }).toEqual({ message: expect.stringContaining(said), at: offset });
  });

  test("of any text is one, none, or an error with its place", () => {
    const piece = fc.constantFrom(
      "CREATE",
      "DATASET",
      "p",
      ".",
      '"',
      "'",
      "AS",
      "(",
      ")",
      "=",
      ",",
      " ",
      "--",
      "/*",
      "\n",
      ";",
      "1",
      "é",
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 14 }), (pieces) => {
        const sql = `CREATE DATASET ${pieces.join(" ")}`;
        try {
          readDefinition(sql);
        } catch (error) {
          if (!(error instanceof MillraceError) || error.code !== "sql_syntax") throw error;
          expect(error.position?.offset).toBeLessThanOrEqual(sql.length);
        }
      }),
    );
  });
});
