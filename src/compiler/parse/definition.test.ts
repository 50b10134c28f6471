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

/** Whether a text is refused, which is at a place within it. */
function isError(sql: string): boolean {
  try {
    readDefinition(sql);
    return false;
  } catch (error) {
    if (!(error instanceof MillraceError) || error.code !== "sql_syntax") throw error;
    expect(error.position?.offset, sql).toBeLessThanOrEqual(sql.length);
    return true;
  }
}

/** A statement's words, and what is to be read of them. */
interface Said {
  readonly words: readonly string[];
  readonly expected: object;
}

const gap = fc.constantFrom(" ", "  ", "\n", "\t", " /* é ( */ ", " -- '\n", "/**/");
const letters = fc.constantFrom("a", "Web", "top pages", 'q"q', "é", "select", "key");
const nameOf = (name: string) => (/^[a-zA-Zé]+$/.test(name) ? name : `"${name.replaceAll('"', '""')}"`);
const lower = (name: string) => name.replace(/[A-Z]/g, (letter) => letter.toLowerCase());
const path = fc.tuple(letters, letters).map(([project, dataset]) => ({
  words: [nameOf(project), ".", nameOf(dataset)],
  name: { project: lower(project), dataset: lower(dataset) },
}));
const listOf = (items: readonly (readonly string[])[]) => [
  "(",
  ...items.flatMap((item, index) => (index === 0 ? item : [",", ...item])),
  ")",
];
const columns = fc.uniqueArray(letters, { minLength: 1, maxLength: 3 });
const options = fc
  .uniqueArray(fc.tuple(fc.constantFrom("max_rows", "note"), fc.constantFrom("10", "x", "'it''s'")), {
    selector: ([name]) => name,
    minLength: 1,
  })
  .map((all) => listOf(all.map(([name, value]) => [name, "=", value])));
const thing = fc.constantFrom("DATASET", "LOOKUP");
const created = fc
  .record({ thing, path, isNew: fc.boolean(), key: columns, options: fc.option(options), isKeyed: fc.boolean() })
  .map(({ thing: what, path: { words, name }, isNew, key, options: given, isKeyed }): Said => {
    const hasKey = isKeyed || what === "LOOKUP";
    const expected = { name, ifNotExists: isNew, key: hasKey ? key.map((one) => ({ name: one })) : [] };
    const keyed = hasKey ? ["KEY", ...listOf(key.map((one) => [nameOf(one)]))] : [];
    const head = ["CREATE", what, ...(isNew ? ["IF", "NOT", "EXISTS"] : []), ...words, ...keyed];
    return {
      words: [...head, ...(given === null ? [] : ["WITH", ...given]), "AS", "FROM p.d EMIT CHANGES"],
      expected: {
        kind: `create ${what.toLowerCase()}`,
        ...expected,
        query: { sql: expect.stringMatching(/^FROM p.d EMIT/) },
      },
    };
  });
const others = fc
  .record({ thing, path, verb: fc.constantFrom("DROP", "PAUSE", "RESUME"), ifExists: fc.boolean() })
  .map(({ thing: what, path: { words, name }, verb, ifExists }): Said => {
    const isConditional = verb === "DROP" && ifExists;
    return {
      words: [verb, what, ...(isConditional ? ["IF", "EXISTS"] : []), ...words, ";"],
      expected: { kind: `${verb} ${what}`.toLowerCase(), name, ...(verb === "DROP" ? { ifExists } : {}) },
    };
  });
const altered = fc.tuple(path, options, fc.boolean()).map(
  ([{ words, name }, given, isQuery]): Said => ({
    words: ["ALTER", "DATASET", ...words, ...(isQuery ? ["AS", "FROM p.d"] : ["SET", ...given])],
    expected: { kind: isQuery ? "alter transform" : "set options", name },
  }),
);
const said = fc.oneof(created, others, altered);

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
    [
      'CREATE DATASET p.d KEY (a, "B c") AS FROM p.e',
      { kind: "create dataset", key: [{ name: "a" }, { name: "B c" }] },
    ],
    [
      "CREATE LOOKUP p.l KEY (a) WITH (max_rows = 1) AS SELECT a FROM p.e EMIT CHANGES",
      { kind: "create lookup", key: [{ name: "a", at: 23 }], query: { sql: "SELECT a FROM p.e EMIT CHANGES" } },
    ],
    ["DROP LOOKUP IF EXISTS p.l", { kind: "drop lookup", ifExists: true }],
    ["PAUSE LOOKUP p.l", { kind: "pause lookup", name: { project: "p", dataset: "l", at: 13 } }],
    ["RESUME LOOKUP p.l", { kind: "resume lookup" }],
    ["ALTER DATASET p.d SET (max_rows = 7)", { kind: "set options", name: { dataset: "d" } }],
    [
      "ALTER DATASET p.d KEY (a) AS SELECT a FROM p.e EMIT ON CLOSE;",
      { kind: "alter transform", key: [{ name: "a" }], query: { sql: "SELECT a FROM p.e EMIT ON CLOSE;", at: 29 } },
    ],
    ["ALTER DATASET p.d AS FROM p.e", { kind: "alter transform", key: [] }],
    ["BACKFILL DATASET p.d;", { kind: "backfill", name: { project: "p", dataset: "d" } }],
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
    ["CREATE DATASET p.d KEY AS SELECT 1", 23, '( is expected, but "AS" comes'],
    ["CREATE DATASET p.d KEY () AS SELECT 1", 24, "A column of the key is expected"],
    ["CREATE DATASET p.d KEY (a, b, A) AS SELECT 1", 30, "stands twice"],
    ["CREATE LOOKUP p.l AS SELECT 1", 18, "KEY (...) is expected"],
    ["CREATE LOOKUP l KEY (a) AS SELECT 1", 16, "A lookup is named PROJECT.LOOKUP"],
    ["ALTER DATASET p.d", 17, "AS, KEY or SET is expected, but the statement ends"],
    ["ALTER DATASET p.d KEY (a) SET (max_rows = 1)", 26, "AS is expected"],
    ["BACKFILL DATASET p.d AS SELECT 1", 21, "The end of the statement"],
    ["ALTER DATASET p.d SET max_rows = 1", 22, "( is expected"],
    ["DROP DATASET p.d cascade", 17, "The end of the statement"],
    ["PAUSE DATASET 'p'.d", 14, "The name of a dataset"],
  ])("%s is refused at its place", (sql, offset, said) => {
    const { message, offset: at } = failure(sql);
    expect({ message, at }).toEqual({ message: expect.stringContaining(said), at: offset });
  });

  test("is read as it was said, in any case and spacing, and a part of it is none, one, or an error with its place", () => {
    let errors = 0;
    fc.assert(
      fc.property(
        said,
        fc.array(gap, { minLength: 60, maxLength: 60 }),
        fc.infiniteStream(fc.boolean()),
        (one, gaps, cases) => {
          const between = gaps[Symbol.iterator]();
          const words = one.words.map((word) =>
            /^[A-Z]+$/.test(word) && cases.next().value ? word.toLowerCase() : word,
          );
          const sql = words.map((word) => `${word}${between.next().value ?? " "}`).join("");
          expect(readDefinition(sql), sql).toMatchObject(one.expected);
          for (let end = 0; end < sql.length; end++) if (isError(sql.slice(0, end))) errors++;
        },
      ),
      { numRuns: 60 },
    );
    expect(errors).toBeGreaterThan(1_000);
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
      "KEY",
      "WITH",
      "SET",
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
        for (const head of ["CREATE DATASET", "CREATE LOOKUP", "ALTER DATASET", "DROP LOOKUP"])
          isError(`${head} ${pieces.join(" ")}`);
      }),
    );
  });
});
