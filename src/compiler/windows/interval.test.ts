import { type DuckDBConnection, DuckDBInstance } from "@duckdb/node-api";
import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { intervalMs } from "./interval.ts";

let connection: DuckDBConnection;
beforeAll(async () => {
  connection = await (await DuckDBInstance.create(":memory:", { threads: "1" })).connect();
});
afterAll(() => connection.closeSync());

async function duckdbMs(text: string): Promise<number | null> {
  const reader = await connection.runAndReadAll("SELECT epoch_ms(TRY_CAST($1::VARCHAR AS INTERVAL))::DOUBLE", [text]);
  const [value] = reader.getRowsJson()[0] ?? [];
  return typeof value === "number" ? value : null;
}

const word = fc.constantFrom(
  ..."ms msec msecs millisecond milliseconds s sec secs second seconds m min mins minute minutes".split(" "),
  ..."h hr hrs hour hours d day days w week weeks month year y mon us x".split(" "),
);
const blank = fc.constantFrom("", " ", "  ");
const part = fc.tuple(blank, fc.nat({ max: 100_000 }), blank, word).map((parts) => parts.join(""));

test("an interval that is read is what DuckDB reads", async () => {
  let read = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(part, { minLength: 1, maxLength: 3 }), blank, async (parts, end) => {
      const text = parts.join(" ") + end;
      const ms = intervalMs(text);
      if (ms === null) return;
      read++;
      expect(ms, text).toBe(await duckdbMs(text));
    }),
    { numRuns: 500 },
  );
  expect(read).toBeGreaterThan(100);
});

test.each(["", " ", "1", "day", "1 month", "1 day ago", "-1 day", "1.5 days", "1 day,", "999999999999999 weeks"])(
  "%j is none",
  (text) => expect(intervalMs(text)).toBeNull(),
);
