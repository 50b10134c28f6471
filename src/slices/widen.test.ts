import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type DataSchema, evolutionProblem, fieldFromDuckdb, parseDuckdbType, schemaWith, widen } from "./index.ts";

const leafNames = [
  ...["TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT"],
  ...["UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "UHUGEINT"],
  ...["FLOAT", "DOUBLE", "DECIMAL(4,2)", "DECIMAL(18,3)", "DECIMAL(38,10)", "DECIMAL(38,0)", "DECIMAL(1,0)"],
  ...["DATE", "TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS", "TIMESTAMP WITH TIME ZONE", "TIME"],
  ...["VARCHAR", "JSON", "ENUM('a', 'b')", "ENUM('c')", "BLOB", "BOOLEAN", "UUID", "INTERVAL", '"NULL"'],
];
const type = fc.letrec<{ type: string }>((tie) => ({
  type: fc.oneof(
    { maxDepth: 2, withCrossShrink: true },
    { weight: 5, arbitrary: fc.constantFrom(...leafNames) },
    { weight: 1, arbitrary: tie("type").map((item) => `${item}[]`) },
    { weight: 1, arbitrary: fc.tuple(tie("type"), fc.nat({ max: 3 })).map(([item, n]) => `${item}[${n + 1}]`) },
    {
      weight: 1,
      arbitrary: fc.dictionary(fc.constantFrom("a", "b", "c d", 'q"'), tie("type"), { minKeys: 1 }).map(
        (members) =>
          `STRUCT(${Object.entries(members)
            .map(([name, one]) => `"${name.replaceAll('"', '""')}" ${one}`)
            .join(", ")})`,
      ),
    },
    { weight: 1, arbitrary: fc.tuple(tie("type"), tie("type")).map(([key, value]) => `MAP(${key}, ${value})`) },
  ),
})).type;

/** Without the order of structs' members. */
function sorted(text: string | null): unknown {
  if (text === null) return null;
  const walk = (one: ReturnType<typeof parseDuckdbType>): unknown => {
    switch (one.kind) {
      case "leaf":
        return one.name;
      case "list":
        return ["list", walk(one.item), one.length];
      case "map":
        return ["map", walk(one.key), walk(one.value)];
      case "struct":
        return one.fields
          .map((field) => [field.name, walk(field.type)])
          .toSorted(([a], [b]) => (`${a}` < `${b}` ? -1 : 1));
    }
  };
  return walk(parseDuckdbType(text));
}

const both = (a: string | null, b: string | null) => (a === null || b === null ? null : widen(a, b));

describe("widening", () => {
  test("does not mind the order of rows: commutative, associative, idempotent", () => {
    fc.assert(
      fc.property(type, type, type, (a, b, c) => {
        expect(sorted(widen(a, b))).toEqual(sorted(widen(b, a)));
        expect(sorted(both(widen(a, b), c))).toEqual(sorted(both(a, widen(b, c))));
        expect(sorted(widen(a, a))).toEqual(sorted(a));
      }),
      { numRuns: 3_000 },
    );
  });

  test("the same for every three plain types", () => {
    for (const a of leafNames)
      for (const b of leafNames) {
        expect(widen(a, b)).toBe(widen(b, a));
        for (const c of leafNames) expect([a, b, c, both(widen(a, b), c)]).toEqual([a, b, c, both(a, widen(b, c))]);
      }
  });

  test.each([
    ["BIGINT", "INTEGER", "BIGINT"],
    ["UINTEGER", "INTEGER", "BIGINT"],
    ["UBIGINT", "BIGINT", "DECIMAL(20,0)"],
    ["UHUGEINT", "TINYINT", "DECIMAL(38,0)"],
    ["HUGEINT", "HUGEINT", "HUGEINT"],
    ["BIGINT", "DOUBLE", "DOUBLE"],
    ["DECIMAL(4,2)", "INTEGER", "DECIMAL(12,2)"],
    ["DATE", "TIMESTAMP", "TIMESTAMP"],
    ["VARCHAR", "BIGINT", null],
    ["JSON", "VARCHAR", "VARCHAR"],
    ['"NULL"', "BLOB", "BLOB"],
    ["INTEGER[3]", "BIGINT[]", "BIGINT[]"],
    ["STRUCT(a INTEGER)", "STRUCT(A BIGINT, b VARCHAR)", 'STRUCT("a" BIGINT, "b" VARCHAR)'],
  ])("%s and %s give %s", (a, b, wide) => {
    expect(widen(a, b)).toBe(wide);
  });
});

describe("evolution of a schema", () => {
  const before = schemaWith([fieldFromDuckdb("a", "INTEGER")]);
  const problemOf = (...columns: DataSchema["fields"]) => evolutionProblem(before, schemaWith(columns));

  test("columns may be added and widened", () => {
    expect(problemOf(fieldFromDuckdb("a", "INTEGER"))).toBeNull();
    expect(problemOf(fieldFromDuckdb("a", "BIGINT"), fieldFromDuckdb("b", "VARCHAR"))).toBeNull();
  });

  test("a column of single values may become text", () => {
    for (const type of ["INTEGER", "DOUBLE", "DECIMAL(10,2)", "BOOLEAN", "DATE", "TIMESTAMP WITH TIME ZONE", "UUID"])
      expect(
        evolutionProblem(schemaWith([fieldFromDuckdb("a", type)]), schemaWith([fieldFromDuckdb("a", "VARCHAR")])),
      ).toBeNull();
    for (const type of ["BLOB", "INTEGER[]", 'STRUCT("x" INTEGER)'])
      expect(
        evolutionProblem(schemaWith([fieldFromDuckdb("a", type)]), schemaWith([fieldFromDuckdb("a", "VARCHAR")])),
      ).toMatch(/to VARCHAR/);
  });

  test("nothing else", () => {
    expect(problemOf()).toMatch(/gone/);
    expect(problemOf(fieldFromDuckdb("b", "INTEGER"))).toMatch(/gone or moved/);
    expect(problemOf(fieldFromDuckdb("a", "SMALLINT"))).toMatch(/from INTEGER to SMALLINT/);
    expect(problemOf(fieldFromDuckdb("a", "DATE"))).toMatch(/from INTEGER to DATE/);
    const text = schemaWith([fieldFromDuckdb("a", "VARCHAR")]);
    expect(evolutionProblem(text, before)).toMatch(/from VARCHAR to INTEGER/);
    expect(problemOf({ name: "a", type: { kind: "Int32" } })).toMatch(/stops being nullable/);
    expect(problemOf(fieldFromDuckdb("a", "INTEGER"), { name: "b", type: { kind: "Int32" } })).toMatch(/not nullable/);
  });
});
