import { expect, test } from "vitest";
import { columnsOf, createSql, placeInSelect, selectOf } from "./kept-query.ts";

test("one SELECT is kept; other statements and many are not", () => {
  expect(selectOf("-- all\nSELECT 1 AS a;\n")).toBe("-- all\nSELECT 1 AS a");
  expect(selectOf("WITH a AS (SELECT 1) FROM a")).toBe("WITH a AS (SELECT 1) FROM a");
  expect(["SELECT 1; SELECT 2", "", ";", "PAUSE DATASET a.b", "EXPLAIN SELECT 1"].map(selectOf)).toEqual([
    null,
    null,
    null,
    null,
    null,
  ]);
});

test("names of columns come out of a list as they were written", () => {
  expect(columnsOf('a, b ,"c d","e""f"  g,')).toEqual(["a", "b", "c d", 'e"f', "g"]);
  expect(columnsOf(" , ")).toEqual([]);
});

test("no name reaches the statement but in quotes", () => {
  const kept = { sql: "SELECT 1 AS a", project: "web", dataset: "kept", isLookup: false };
  expect(createSql({ ...kept, key: [] })).toBe('CREATE DATASET "web"."kept" AS\nSELECT 1 AS a');
  expect(createSql({ ...kept, key: ["a"], isLookup: true })).toBe(
    'CREATE LOOKUP "web"."kept" KEY ("a") AS\nSELECT 1 AS a',
  );
  expect(createSql({ ...kept, key: ["a", 'b") AS SELECT 1 --'] })).toBe(
    'CREATE DATASET "web"."kept" KEY ("a", "b"") AS SELECT 1 --") AS\nSELECT 1 AS a',
  );
});

test("the place of an error is that in the SELECT", () => {
  const sql = "EXPLAIN TRANSFORM SELECT random()";
  expect("SELECT random()".slice(placeInSelect(sql.indexOf("random")))).toBe("random()");
});
