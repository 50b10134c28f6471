import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { type DuckDBConnection, DuckDBInstance } from "@duckdb/node-api";
import { afterAll, beforeAll, expect, test } from "vitest";
import { fieldFromDuckdb } from "../slices/index.ts";
import { differingRows, hasFloats } from "./rounding.ts";

const fields = [fieldFromDuckdb("s", "DOUBLE"), fieldFromDuckdb("b", "VARCHAR")];
let connection: DuckDBConnection;
let folder: string;
beforeAll(async () => {
  connection = await (await DuckDBInstance.create(":memory:", { threads: "1" })).connect();
  folder = mkdtempSync(path.join(tmpdir(), "millrace-rounding-"));
});
afterAll(() => {
  connection.closeSync();
  rmSync(folder, { recursive: true });
});

const rows = (...values: string[]) =>
  values
    .map(
      (value, at) =>
        `SELECT ${at}::UBIGINT AS "offset", 0::UTINYINT AS op, make_timestamptz(1) AS event_time, ${value} AS s, 'x' AS b`,
    )
    .join(" UNION ALL ");

const differing = async (made: string, there: string) => {
  const file = path.join(folder, "made.parquet");
  await connection.run(`COPY (${made}) TO '${file}' (FORMAT parquet)`);
  return (await connection.runAndReadAll(differingRows(file, there, fields))).getRowsJson()[0]?.[0];
};

test("sums that were added in another order are the same rows", async () => {
  expect(hasFloats(fields)).toBe(true);
  expect(hasFloats(fields.slice(1))).toBe(false);
  const sums = ["0.1::DOUBLE + 0.5", "'nan'::DOUBLE", "NULL::DOUBLE", "'inf'::DOUBLE", "0::DOUBLE"];
  const [, ...others] = sums;
  expect(await differing(rows(...sums), rows("(0.1::DOUBLE + 0.2) + 0.3", ...others))).toBe(0);
});

test("what differs by more than rounding, or is not there, is told", async () => {
  expect(await differing(rows("0.6::DOUBLE"), rows("0.600001::DOUBLE"))).toBe(1);
  expect(await differing(rows("0.6::DOUBLE"), rows("NULL::DOUBLE"))).toBe(1);
  expect(await differing(rows("'inf'::DOUBLE"), rows("1::DOUBLE"))).toBe(1);
  expect(await differing(rows("1::DOUBLE", "2::DOUBLE"), rows("1::DOUBLE"))).toBe(1);
  expect(await differing(rows("1::DOUBLE"), rows("1::DOUBLE").replace("'x'", "'y'"))).toBe(1);
});
