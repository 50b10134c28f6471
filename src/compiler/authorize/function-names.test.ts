import { type DuckDBConnection, DuckDBInstance } from "@duckdb/node-api";
import { afterAll, beforeAll, expect, test } from "vitest";
import { functionNames } from "./function-names.ts";
import { refusedNames } from "./refused-names.ts";

let connection: DuckDBConnection;
beforeAll(async () => {
  connection = await (await DuckDBInstance.create(":memory:")).connect();
});
afterAll(() => connection.closeSync());

const namesIn = (list: string) => new Set(list.trim().split(/\s+/));
const [allowed, refused] = [namesIn(functionNames), namesIn(refusedNames)];

async function functionsOf(condition: string): Promise<string[]> {
  const sql = `SELECT DISTINCT lower(function_name) FROM duckdb_functions() WHERE ${condition} ORDER BY 1`;
  return (await connection.runAndReadAll(sql)).getRowsJson().map(([name]) => String(name));
}

test("somebody has looked at each function that DuckDB has, and at none that it has not", async () => {
  const known = new Set([...allowed, ...refused]);
  const there = await functionsOf("true");
  // Run `node scripts/functions.ts`, and read the difference before you commit it.
  expect(there.filter((name) => !known.has(name))).toEqual([]);
  expect([...known].filter((name) => !there.includes(name))).toEqual([]);
  expect([...allowed].filter((name) => refused.has(name))).toEqual([]);
});

test("what is only a table function, a pragma or DuckDB's own is not among the allowed", async () => {
  const callable = await functionsOf("function_type IN ('scalar', 'aggregate', 'macro')");
  expect([...allowed].filter((name) => !callable.includes(name))).toEqual([]);
  expect([...allowed].filter((name) => /^(__internal|pragma|duckdb_|read_|pg_(?!typeof$))/.test(name))).toEqual([]);
});
