import { DuckDBInstance } from "@duckdb/node-api";
import fc from "fast-check";
import { expect, test } from "vitest";
import { quoteName } from "../../api/sql.ts";
import { bins, lookOf, type Statistics, statisticsFrom, statisticsSql } from "./statistics.ts";

const hostile = `a"; DROP TABLE t; --<b>\u202e`;

/** The statistics of values in a table of one column with a hostile name, as DuckDB counts them. */
async function statisticsOf(
  type: string,
  values: readonly (string | null)[],
  after: number | null,
): Promise<Statistics> {
  const instance = await DuckDBInstance.create(":memory:");
  const connection = await instance.connect();
  try {
    await connection.run(`CREATE TABLE t ("offset" BIGINT, ${quoteName(hostile)} ${type})`);
    const statement = await connection.prepare(`INSERT INTO t VALUES ($1, $2::VARCHAR::${type})`);
    for (const [offset, value] of values.entries()) {
      statement.bindInteger(1, offset);
      if (value === null) statement.bindNull(2);
      else statement.bindVarchar(2, value);
      await statement.run();
    }
    const sql = statisticsSql("t", { name: hostile, type }, after);
    const rows = (await connection.runAndReadAll(sql)).getRowObjectsJson();
    return statisticsFrom({ queryId: "", columns: [], rows, truncated: false, elapsedMs: 0 }, lookOf(type));
  } finally {
    connection.closeSync();
    instance.closeSync();
  }
}

test("numbers are counted as an oracle counts them, with nothing, nought and infinity among them", async () => {
  const value = fc.oneof(fc.integer({ min: -50, max: 50 }).map(String), fc.constantFrom("inf", "-inf", "nan", null));
  await fc.assert(
    fc.asyncProperty(fc.array(value, { maxLength: 40 }), async (values) => {
      const found = await statisticsOf("DOUBLE", values, null);
      const filled = values.filter((one) => one !== null);
      const finite = filled.map(Number).filter(Number.isFinite);
      const [lo, hi] = [Math.min(...finite), Math.max(...finite)];
      const histogram = Array.from({ length: bins }, () => 0);
      for (const one of finite) {
        const bin = hi > lo ? Math.min(bins - 1, Math.floor(((one - lo) / (hi - lo)) * bins)) : 0;
        histogram[bin] = (histogram[bin] ?? 0) + 1;
      }
      expect([found.rows, found.filled, found.distinct]).toEqual([values.length, filled.length, new Set(filled).size]);
      expect(found.histogram).toEqual(histogram);
      expect(found.min === null ? null : Number(found.min)).toBe(finite.length === 0 ? null : lo);
      expect(found.max === null ? null : Number(found.max)).toBe(finite.length === 0 ? null : hi);
    }),
    { numRuns: 15 },
  );
});

test("times have a range and a histogram, of the newest rows alone where it is asked for", async () => {
  const days = Array.from({ length: 48 }, (_, at) => new Date(Date.UTC(2024, 0, 1 + at)).toISOString());
  const all = await statisticsOf("TIMESTAMP WITH TIME ZONE", days, null);
  expect(all.histogram?.reduce((sum, n) => sum + n, 0)).toBe(48);
  expect(Math.max(...(all.histogram ?? []))).toBeLessThanOrEqual(3);
  const newest = await statisticsOf("TIMESTAMP WITH TIME ZONE", days, 37);
  expect([newest.rows, newest.min?.slice(0, 10)]).toEqual([10, "2024-02-08"]);
});

test("texts and nested values tell what comes most often", async () => {
  const found = await statisticsOf("VARCHAR", ["b", "<script>", "b", "", null, "b", ""], null);
  expect(found.top).toEqual([
    { value: "b", rows: 3 },
    { value: "", rows: 2 },
    { value: "<script>", rows: 1 },
  ]);
  expect([found.rows, found.filled, found.distinct, found.histogram]).toEqual([7, 6, 3, null]);
  const nested = await statisticsOf("INTEGER[]", ["[1, 2]", "[1, 2]", "[]"], null);
  expect(nested.top?.[0]).toEqual({ value: "[1, 2]", rows: 2 });
  const none = await statisticsOf("VARCHAR", [], null);
  expect([none.rows, none.min, none.top]).toEqual([0, null, []]);
});
