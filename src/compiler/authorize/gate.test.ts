import { type DuckDBConnection, DuckDBInstance } from "@duckdb/node-api";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openStatement, parseStatement, readStatementText } from "../parse/statement.ts";
import { functionNames } from "./function-names.ts";
import { checkStatement } from "./gate.ts";
import { refusedNames } from "./refused-names.ts";

let connection: DuckDBConnection;
beforeAll(async () => {
  connection = await (await DuckDBInstance.create(":memory:")).connect();
});
afterAll(() => connection.closeSync());

async function check(sql: string): Promise<string> {
  const text = readStatementText(sql);
  const serialize = async (query: string) => {
    const reader = await connection.runAndReadAll("SELECT json_serialize_sql($1::VARCHAR)", [query]);
    return String(reader.getRowsJson()[0]?.[0]);
  };
  const tree = await parseStatement(text, { serialize, deserialize: async () => "" });
  try {
    checkStatement(openStatement(text, tree));
    return "open";
  } catch (error) {
    expect(error).toMatchObject({ code: "sql_refused" });
    return "refused";
  }
}
const namesIn = (list: string) => list.trim().split(/\s+/);
const isWord = (name: string) => /^[a-z_]\w*$/.test(name);

/** Table functions that work on their arguments alone: refused as scalars or not, they may stand in FROM. */
const inFrom = ["generate_series", "json_each", "json_tree", "range", "repeat", "repeat_row", "unnest"];

test("what is refused is refused in every place and spelling", async () => {
  for (const name of namesIn(refusedNames).filter((one) => !inFrom.includes(one))) {
    for (const call of [`"${name}"()`, `"${name.toUpperCase()}"(1)`, `main."${name}"(1)`, `"${name}"(1) OVER ()`])
      expect(await check(`SELECT ${call}`), call).toBe("refused");
    expect(await check(`SELECT 1 FROM "${name}"()`), name).toBe("refused");
    expect(await check(`SELECT list_transform([1], lambda x: "${name}"(x))`), name).toBe("refused");
  }
});

test("what is allowed is allowed as DuckDB's own only, and in FROM only where it is a table function", async () => {
  for (const name of namesIn(functionNames).filter(isWord)) {
    expect(await check(`SELECT "${name}"(1)`), name).toBe("open");
    expect(await check(`SELECT other."${name}"(1)`), name).toBe("refused");
    expect(await check(`SELECT 1 FROM "${name}"(1)`), name).toBe(inFrom.includes(name) ? "open" : "refused");
  }
});

test("a name that only looks like an allowed one is refused", async () => {
  for (const name of ["ran\u212a", "\u0130nstr", "upper ", "made_up"])
    expect(await check(`SELECT "${name}"(1)`), name).toBe("refused");
});
