import * as arrow from "apache-arrow";
import fc from "fast-check";
import { expect, test } from "vitest";
import { columnsOf } from "./arrow.ts";
import { type Column, decimalText, isNull, textOf, wholeOf } from "./column.ts";

/** A column that came as an Arrow stream of several batches. */
function read(type: arrow.DataType, batches: readonly (readonly unknown[])[]): Column {
  const schema = new arrow.Schema([new arrow.Field("c", type, true, new Map([["millrace.type", "SQL"]]))]);
  const made = batches.map((values) => {
    const vector = arrow.vectorFromArray(values, type);
    const struct = new arrow.Struct(schema.fields);
    const children = [vector.data[0] as arrow.Data];
    return new arrow.RecordBatch(
      schema,
      arrow.makeData({ type: struct, length: values.length, nullCount: 0, children }),
    );
  });
  const [column] = columnsOf(arrow.tableToIPC(new arrow.Table(schema, made), "stream"));
  if (column === undefined) throw new Error("no column");
  return column;
}

const texts = (column: Column) =>
  Array.from({ length: column.rows }, (_, row) => (isNull(column, row) ? null : textOf(column, row)));

test("whole numbers are never rounded", () => {
  const column = read(new arrow.Int64(), [[9_007_199_254_740_993n, null], [-9_223_372_036_854_775_808n]]);
  expect(texts(column)).toEqual(["9007199254740993", null, "-9223372036854775808"]);
  expect(column.type).toBe("SQL");
});

test("texts of several batches, empty ones told from null", () => {
  expect(texts(read(new arrow.Utf8(), [["a", "", null], ["ä😀"]]))).toEqual(["a", "", null, "ä😀"]);
});

test("numbers, truth and bytes", () => {
  expect(texts(read(new arrow.Float64(), [[0.1, Number.NaN, Number.NEGATIVE_INFINITY, -0, 1e300]]))).toEqual([
    "0.1",
    "nan",
    "-inf",
    "-0",
    "1e+300",
  ]);
  expect(texts(read(new arrow.Float32(), [[0.1, 16_777_216]]))).toEqual(["0.1", "16777216"]);
  expect(texts(read(new arrow.Bool(), [[true, null], [false]]))).toEqual(["true", null, "false"]);
  expect(texts(read(new arrow.Binary(), [[new Uint8Array([0, 171])]]))).toEqual(["\\x00\\xAB"]);
});

const moment = (ticks: readonly bigint[], perSecond: number, isZoned = false): Column => ({
  name: "t",
  type: "TIMESTAMP",
  rows: ticks.length,
  present: null,
  values: { kind: "timestamp", ticks: BigInt64Array.from(ticks), perSecond, isZoned },
});

test("moments to their last place, before 1970, and without end", () => {
  expect(texts(moment([1_715_940_000_123_456n, -1n, 0n, 9_223_372_036_854_775_807n], 1e6))).toEqual([
    "2024-05-17 10:00:00.123456",
    "1969-12-31 23:59:59.999999",
    "1970-01-01 00:00:00",
    "infinity",
  ]);
  expect(texts(moment([1_715_940_000_000_000_001n], 1e9, true))).toEqual(["2024-05-17 10:00:00.000000001+00"]);
});

test("a decimal is its digits", () => {
  expect([decimalText(5n, 3), decimalText(-5n, 3), decimalText(-12_345n, 2), decimalText(7n, 0)]).toEqual([
    "0.005",
    "-0.005",
    "-123.45",
    "7",
  ]);
  fc.assert(
    fc.property(fc.bigInt(-(2n ** 127n), 2n ** 127n - 1n), (value) => {
      const words = new Uint32Array(8);
      for (let word = 0; word < 4; word++) words[4 + word] = Number(BigInt.asUintN(32, value >> BigInt(32 * word)));
      expect(wholeOf(words, 1)).toBe(value);
    }),
  );
});
