import { DuckDBInstance } from "@duckdb/node-api";
import { expect, test } from "vitest";
import { isColumnType } from "./column-type.ts";
import { datasetKind } from "./kinds.ts";

const types = [
  ..."BOOLEAN TINYINT int8 INT bigint HUGEINT UBIGINT UHUGEINT REAL double TEXT BYTEA BIT DATE TIME DATETIME".split(
    " ",
  ),
  ..."TIMESTAMP_S TIMESTAMP_MS TIMESTAMP_NS TIMESTAMPTZ TIMETZ INTERVAL UUID JSON NUMERIC".split(" "),
  ...["DECIMAL(18,2)", "DECIMAL(38, 38)", "VARCHAR(20)", "VARCHAR[]", "INTEGER[3]", "STRUCT(x INTEGER, y VARCHAR[])"],
  ...["MAP(VARCHAR, STRUCT(a DATE))", "ENUM('a', 'b')", "TIMESTAMP WITH TIME ZONE"],
  ...[
    "NONSENSE",
    "DECIMAL(99,2)",
    "DECIMAL(0,0)",
    "DECIMAL(3,4)",
    "INTEGER; DROP",
    "STRUCT(x NOPE)",
    "NOPE[]",
    "BIGINT)",
  ],
  ...["MAP(VARCHAR)", "STRUCT()", "VARCHAR[][", "SELECT 1", "(INTEGER)"],
];

test("a type is one exactly where DuckDB takes it", async () => {
  const connection = await (await DuckDBInstance.create()).connect();
  const taken = async (type: string) => {
    try {
      await connection.run(`CREATE OR REPLACE TABLE t (a ${type})`);
      return true;
    } catch {
      return false;
    }
  };
  for (const type of types) expect({ type, taken: isColumnType(type) }).toEqual({ type, taken: await taken(type) });
  expect(types.filter(isColumnType).length).toBeGreaterThan(25);
});

test("a column takes no name that every dataset has already", () => {
  const parsed = (name: string) => datasetKind.schema.safeParse({ columns: [{ name, type: "BIGINT" }] }).success;
  expect(["offset", "OP", "system_time", "event_time", "offsets", "time"].map(parsed)).toEqual([
    false,
    false,
    false,
    false,
    true,
    true,
  ]);
});
