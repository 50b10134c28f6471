import path from "node:path";
import { type DuckDBConnection, DuckDBInstance } from "@duckdb/node-api";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type TempDirectory, tempDirectory } from "../../../test/kit/index.ts";
import { openStatement, parseStatement, readStatementText } from "../parse/statement.ts";
import { textOf } from "../tree/tree.ts";
import { references } from "./references.ts";

// The oracle is DuckDB with things to find: tables and files whose one row is HIDDEN.
let folder: TempDirectory;
let connection: DuckDBConnection;
const kelvin = "\u212a";
const hidden = ["secret", "secret.parquet", "k.parquet"] as const;

beforeAll(async () => {
  folder = await tempDirectory();
  connection = await (await DuckDBInstance.create(":memory:", { threads: "1" })).connect();
  await connection.run(`SET file_search_path = '${folder.path}'`);
  await connection.run("CREATE TABLE secret AS SELECT 'HIDDEN' AS x");
  for (const file of ["secret.parquet", "k.parquet"])
    await connection.run(`COPY (SELECT 'HIDDEN' AS x) TO '${path.join(folder.path, file)}'`);
});
afterAll(async () => {
  connection.closeSync();
  await folder[Symbol.asyncDispose]();
});

async function outsideNames(sql: string): Promise<string[]> {
  const serialize = async (text: string) => {
    const reader = await connection.runAndReadAll("SELECT json_serialize_sql($1::VARCHAR)", [text]);
    return String(reader.getRowsJson()[0]?.[0]);
  };
  const text = readStatementText(sql);
  const parser = { serialize, deserialize: async () => "" };
  const statement = openStatement(text, await parseStatement(text, parser));
  return references(statement.node).map(({ table }) =>
    [textOf(table, "schema_name"), textOf(table, "table_name")].filter((part) => part !== "").join("."),
  );
}

describe("names that DuckDB does not find among the CTEs are outside names", () => {
  const s = '"secret.parquet"';
  test.each([
    ["a recursive CTE's first half", `WITH RECURSIVE ${s} AS (SELECT x FROM ${s} UNION SELECT x FROM ${s}) FROM ${s}`],
    ["a recursive CTE without a second half", `WITH RECURSIVE ${s} AS (SELECT x FROM ${s}) FROM ${s}`],
    [
      "CTEs of a recursive CTE",
      `WITH RECURSIVE ${s} AS (WITH z AS (SELECT x FROM ${s}) SELECT x FROM z UNION SELECT x FROM ${s}) FROM ${s}`,
    ],
    ["a materialized CTE in itself", `WITH ${s} AS MATERIALIZED (SELECT x FROM ${s}) FROM ${s}`],
    ["a CTE that comes later", `WITH b AS (SELECT x FROM ${s}), ${s} AS (SELECT 1 AS x) FROM b`],
    ["a CTE of a subquery beside", `SELECT u.x FROM (WITH ${s} AS (SELECT 1 AS x) FROM ${s}) t, ${s} u`],
    ["a CTE of the other half of a union", `(WITH ${s} AS (SELECT 'a' AS x) FROM ${s}) UNION ALL SELECT x FROM ${s}`],
    [
      "a first half that is USING KEY",
      `WITH RECURSIVE ${s}(x) USING KEY (x) AS (FROM ${s} UNION SELECT x FROM ${s} WHERE false) FROM ${s}`,
    ],
    [`the Kelvin sign for a k`, `WITH "${kelvin}.parquet" AS (SELECT 'a' AS x) SELECT x FROM "k.parquet"`],
  ])("%s", async (_, sql) => {
    expect((await connection.runAndReadAll(sql)).getRowsJson().flat()).toContain("HIDDEN");
    expect(await outsideNames(sql)).not.toEqual([]);
  });
});

test.each([
  "WITH t AS (SELECT 1 AS x) FROM T",
  "WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t WHERE n < 3) FROM t",
  "WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL (WITH u AS (SELECT n + 1 FROM t WHERE n < 3) FROM u)) FROM t",
  "WITH RECURSIVE t(n, k) USING KEY (k) AS (SELECT 1, 1 UNION SELECT n + 1, k FROM recurring.t WHERE n < 3) FROM t",
  "WITH t AS (SELECT 1 AS x), u AS MATERIALIZED (FROM t) SELECT (SELECT max(x) FROM u) ORDER BY (SELECT x FROM t)",
  "WITH t AS (SELECT 1 AS x) FROM (SUMMARIZE t)",
])("a CTE's own names need nobody else: %s", async (sql) => {
  await connection.run(sql);
  expect(await outsideNames(sql)).toEqual([]);
});

test("what could be a path is never explained by a CTE", async () => {
  expect(await outsideNames(`WITH "/etc/x.csv" AS (SELECT 1) FROM "/etc/x.csv"`)).toEqual(["/etc/x.csv"]);
});

/** Queries of one text column x over few names, so that shadowing, self-reference and late definition meet often. */
const name = fc
  .constantFrom("secret", "secret", ...hidden, "SECRET", "Secret.Parquet", `${kelvin}.parquet`, "t")
  .map((text) => `"${text}"`);
const depth = { maxDepth: 5, depthIdentifier: "query" } as const;
const { query } = fc.letrec<{ query: string; body: string; from: string; cte: string }>((tie) => ({
  from: fc.oneof(
    depth,
    name.map((text) => `${text} f`),
    name.map((text) => `recurring.${text} f`),
    tie("query").map((text) => `(${text}) f`),
    fc.tuple(name, tie("query")).map(([text, query]) => `${text} f, LATERAL (${query}) l(y)`),
  ),
  body: fc.oneof(
    depth,
    fc.constant("SELECT 'v' AS x"),
    tie("from").map((from) => `SELECT f.x FROM ${from}`),
    tie("from").map((from) => `SELECT 'w' || (SELECT max(f.x) FROM ${from}) AS x`),
    tie("from").map((from) => `SELECT 'o' AS x ORDER BY (SELECT max(f.x) FROM ${from})`),
    fc.tuple(tie("body"), tie("query")).map(([left, right]) => `(${left}) UNION (${right})`),
  ),
  cte: fc.oneof(
    depth,
    name.map((cte) => `${cte} AS (SELECT 'c' AS x)`),
    fc
      .tuple(name, fc.constantFrom("", "MATERIALIZED", "NOT MATERIALIZED"), tie("query"))
      .map(([cte, how, query]) => `${cte} AS ${how} (${query})`),
    fc
      .tuple(name, fc.constantFrom("(x)", "(x) USING KEY (x)"), tie("body"), tie("query"))
      .map(
        ([cte, columns, left, right]) =>
          `${cte}${columns} AS (${left} UNION (SELECT x || '.' FROM (${right}) r WHERE NOT contains(x, '.')))`,
      ),
  ),
  query: fc.oneof(
    depth,
    tie("body"),
    fc
      .tuple(fc.constantFrom("", "RECURSIVE "), fc.array(tie("cte"), { minLength: 1, maxLength: 3 }), tie("body"))
      .map(([recursive, ctes, body]) => `WITH ${recursive}${ctes.join(", ")} ${body}`),
  ),
}));

test("a statement in which no outside name is found never answers a hidden row", { timeout: 120_000 }, async () => {
  let answered = 0;
  await fc.assert(
    fc.asyncProperty(query, async (sql) => {
      let outside: readonly string[];
      try {
        outside = await outsideNames(sql);
      } catch {
        return; // no statement
      }
      if (outside.length > 0) return;
      const timer = setTimeout(() => connection.interrupt(), 100);
      try {
        const rows = (await connection.runAndReadAll(sql)).getRowsJson();
        answered++;
        expect(JSON.stringify(rows)).not.toContain("HIDDEN");
      } catch (error) {
        // Whatever DuckDB may not like about it, it must not have looked for a table or file.
        expect(String(error)).not.toMatch(/AssertionError|Table with name|No files found/);
      } finally {
        clearTimeout(timer);
      }
    }),
    { numRuns: 4_000, seed: 20240517 },
  );
  expect(answered).toBeGreaterThan(200);
});
