import { type DuckDBConnection, DuckDBInstance } from "@duckdb/node-api";
import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { parseLossless } from "../tree/lossless.ts";
import { openStatement, parseStatement, readStatementText } from "./statement.ts";

let connection: DuckDBConnection;
beforeAll(async () => {
  connection = await (await DuckDBInstance.create(":memory:")).connect();
});
afterAll(() => connection.closeSync());

const one = async (sql: string, parameter: string) =>
  String((await connection.runAndReadAll(sql, [parameter])).getRowsJson()[0]?.[0]);
const parser = {
  serialize: (sql: string) => one("SELECT json_serialize_sql($1::VARCHAR)", sql),
  deserialize: (tree: string) => one("SELECT json_deserialize_sql($1::JSON)", tree),
};

test.each([
  ["SELECT 1e400", "sql_unsupported"],
  ["SELECT -1e400", "sql_unsupported"],
  [`SELECT ${"9".repeat(400)}`, "sql_unsupported"],
  ["SELECT 1; SELECT 2", "sql_unsupported"],
  ["DROP TABLE t", "sql_unsupported"],
  ["SELECT (", "sql_syntax"],
])("%s is refused clearly", async (sql, code) => {
  await expect(parseStatement(readStatementText(sql), parser)).rejects.toMatchObject({ code });
});

test.each([
  ["", "sql_syntax"],
  [" ; -- nothing", "sql_syntax"],
  ["SELECT '\0'", "sql_syntax"],
  [`SELECT ${"(".repeat(401)}1`, "sql_unsupported"],
  [`SELECT ${"/**/".repeat(1_001)} 1`, "sql_unsupported"],
  [`SELECT ${"+/**/".repeat(1_001)} 1`, "sql_unsupported"],
  [`SELECT '${"x".repeat(2_000_000)}'`, "too_large"],
  ["EXPLAIN ANALYZE SELECT 1", "sql_unsupported"],
  ["/* a */ explain -- b\n /* c */ Analyze SELECT 1", "sql_unsupported"],
])("%j is refused before a parser sees it", (sql, code) => {
  expect(() => readStatementText(sql)).toThrow(expect.objectContaining({ code }));
});

test.each(["/**/", "/*/**/*/", "--\n", " ", "/* */--x\n\t", "/*", "*/", "--", "/"])(
  "a head of %j, however often, is read in no time",
  (part) => {
    for (const rest of ["SELECT 1", "EXPLAIN SELECT 1", ""]) {
      // A pattern that tried every way to cut these into comments would not come back.
      const sql = part.repeat(100_000) + rest;
      try {
        readStatementText(sql);
      } catch (error) {
        expect(error).toMatchObject({ code: expect.stringMatching(/^sql_(syntax|unsupported)$/) });
      }
    }
  },
);

test.each([
  ["EXPLAIN SELECT 1", "SELECT 1"],
  ["-- a\n/* b /* c */ */ explain/**/SELECT 1", "SELECT 1"],
  ["explain\n--x\n SELECT 1", "SELECT 1"],
  ["EXPLAINED", null],
  ["/* EXPLAIN */ SELECT 1", null],
])("the head of %j", (sql, query) => {
  const text = readStatementText(sql);
  expect(text.query).toBe(query ?? sql);
  expect(text.head).toBe(query === null ? "" : "EXPLAIN ");
  expect(sql.slice(text.headLength)).toBe(text.query);
});

test("many comments are no run of comments", () => {
  for (const part of ["/**/ 1, ", "/* a */\n"]) readStatementText(`SELECT ${part.repeat(5_000)} 1`);
});

const deep = "(".repeat(500);
test.each([
  [`SELECT /* ' */ ${deep}1`, true],
  [`SELECT -- '\n ${deep}1`, true],
  [`SELECT $a$ ' $a$, ${deep}1`, true],
  [`SELECT $$ ' $$, ${deep}1`, true],
  [`SELECT E'\\'', ${deep}1`, true],
  [`SELECT '\\', ${deep}1, '`, true],
  [`SELECT "'", ${deep}1`, true],
  [`SELECT 1 - - ${deep}1`, true],
  [`SELECT 1 / ${deep}1`, true],
  [`SELECT '${deep}'`, false],
  [`SELECT "${deep}"`, false],
  [`SELECT 'it''s ${deep}'`, false],
  [`SELECT /* ${deep} */ 1 -- ${deep}`, false],
  [`SELECT $a$${deep}$a$, E'\\'${deep}'`, false],
])("brackets count outside of texts and comments: %#", (sql, isDeep) => {
  if (isDeep) expect(() => readStatementText(sql)).toThrow(expect.objectContaining({ code: "sql_unsupported" }));
  else expect(readStatementText(sql).sql).toBe(sql);
});

test("the text Infinity is no number", async () => {
  const text = readStatementText("SELECT ':Infinity', 'inf'::DOUBLE");
  expect(openStatement(text, await parseStatement(text, parser)).node.type).toBe("SELECT_NODE");
});

test("a tree that nobody changed says the same again, whatever its numbers", async () => {
  const whole = fc.bigInt({ min: -(2n ** 127n) + 1n, max: 2n ** 127n - 1n }).map(String);
  const number = fc.oneof(whole, fc.double({ noNaN: true, noDefaultInfinity: true }).map(String));
  await fc.assert(
    fc.asyncProperty(fc.array(number, { minLength: 1, maxLength: 5 }), async (numbers) => {
      const text = readStatementText(`SELECT ${numbers.join(", ")}`);
      const tree = await parseStatement(text, parser);
      const again = JSON.stringify(parseLossless(tree));
      expect(await parser.deserialize(again)).toBe(await parser.deserialize(tree));
    }),
    { numRuns: 100 },
  );
});
