import { DuckDBInstance } from "@duckdb/node-api";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { tempDirectory } from "../../test/kit/index.ts";
import { dataSchema, duckdbType, duckdbTypeName, fieldFromDuckdb, parseDuckdbType, sliceType } from "./index.ts";

/** A value of each type that DuckDB's Parquet writer could spoil. */
const values: Readonly<Record<string, string>> = {
  BOOLEAN: "true",
  TINYINT: "-128",
  SMALLINT: "-32768",
  INTEGER: "-2147483648",
  BIGINT: "9223372036854775807",
  HUGEINT: "-99999999999999999999999999999999999999",
  UTINYINT: "255",
  USMALLINT: "65535",
  UINTEGER: "4294967295",
  UBIGINT: "18446744073709551615",
  UHUGEINT: "99999999999999999999999999999999999999",
  FLOAT: "1.5",
  DOUBLE: "0.1",
  "DECIMAL(4,2)": "1.25",
  "DECIMAL(38,10)": "1.25",
  VARCHAR: "'x'",
  BLOB: "'\\xAA\\x00'::BLOB",
  DATE: "DATE '2020-01-01'",
  TIME: "TIME '12:00:00.123456'",
  TIME_NS: "'12:00:00.123456789'",
  "TIME WITH TIME ZONE": "'12:00:00.123+02'",
  TIMESTAMP: "'2020-01-01 00:00:00.123456'",
  TIMESTAMP_S: "'2020-01-01 00:00:00'",
  TIMESTAMP_MS: "'2020-01-01 00:00:00.123'",
  TIMESTAMP_NS: "'2020-01-01 00:00:00.123456789'",
  "TIMESTAMP WITH TIME ZONE": "'2020-01-01 00:00:00.123456+00'",
  INTERVAL: "INTERVAL '1 month 2 days 3.000456 seconds'",
  UUID: "'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'",
  BIT: "'101'",
  JSON: `'{"a": 1}'`,
  "ENUM('a', 'b')": "'a'",
  "INTEGER[]": "[1, NULL]",
  "INTEGER[3]": "[1, 2, 3]",
  'STRUCT("a" INTEGER, "b c" HUGEINT)': "{'a': 1, 'b c': 2}",
  "MAP(VARCHAR, INTERVAL)": "MAP {'a': INTERVAL '3.000456 seconds'}",
  'STRUCT("a" TIMESTAMP_S)[]': "[{'a': '2020-01-01 00:00:00'}]",
};

describe("columns of every DuckDB type", () => {
  let instance: DuckDBInstance;
  beforeAll(async () => {
    instance = await DuckDBInstance.create(":memory:");
  });
  afterAll(() => instance.closeSync());

  test.each(Object.entries(values))("%s is what DuckDB calls it, and is told by its field", async (type, value) => {
    const connection = await instance.connect();
    const read = await connection.runAndReadAll(`DESCRIBE SELECT CAST(${value} AS ${type}) AS x`);
    const said = String(read.getRowsJson()[0]?.[1]);
    connection.closeSync();
    expect(duckdbTypeName(parseDuckdbType(said))).toBe(duckdbTypeName(parseDuckdbType(type)));
    const field = fieldFromDuckdb("x", said);
    expect(duckdbType(field)).toBe(type.startsWith("ENUM") ? "VARCHAR" : duckdbTypeName(parseDuckdbType(type)));
    expect(dataSchema.parse(JSON.parse(JSON.stringify({ fields: [field] })))).toEqual({ fields: [field] });
  });

  test.each(Object.entries(values))("%s goes through a slice's file unchanged", async (type, value) => {
    await using directory = await tempDirectory();
    const connection = await instance.connect();
    const file = `'${directory.path}/slice.parquet'`;
    const stored = sliceType(type);
    await connection.run(`COPY (SELECT CAST(CAST(${value} AS ${type}) AS ${stored}) AS x) TO ${file} (FORMAT parquet)`);
    const read = await connection.runAndReadAll(
      `SELECT typeof(x), CAST(x AS ${type})::VARCHAR, CAST(${value} AS ${type})::VARCHAR FROM ${file}`,
    );
    connection.closeSync();
    const [held, back, told] = read.getRowsJson()[0] ?? [];
    expect(duckdbTypeName(parseDuckdbType(String(held)))).toBe(stored);
    expect(back).toBe(told);
  });

  test("reads the names that people write", () => {
    const names = {
      int: "INTEGER",
      "numeric(10, 2)": "DECIMAL(10,2)",
      decimal: "DECIMAL(18,3)",
      "varchar(20)": "VARCHAR",
    };
    for (const [name, type] of Object.entries(names)) expect(duckdbTypeName(parseDuckdbType(name))).toBe(type);
  });
});
