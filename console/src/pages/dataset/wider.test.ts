import { expect, test } from "vitest";
import { mayBecome } from "../../../../src/slices/index.ts";
import { widerTypes } from "./wider.ts";

const whole = ["TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT"];
const others = ["FLOAT", "DOUBLE", "DECIMAL(10,2)", "DATE", "TIMESTAMP", "TIMESTAMP WITH TIME ZONE", "BOOLEAN", "TIME"];
const fixed = ["VARCHAR", "BLOB", "INTEGER[]", "STRUCT(a INTEGER)", "MAP(VARCHAR, INTEGER)"];

test("what is offered as a column's type is what the server lets it become", () => {
  for (const type of [...whole, ...others]) {
    const offered = widerTypes(type);
    expect([type, offered.at(-1)]).toEqual([type, "VARCHAR"]);
    for (const to of offered) expect([type, to, mayBecome(type, to)]).toEqual([type, to, true]);
    expect(offered).not.toContain(type);
  }
  for (const type of fixed) expect([type, widerTypes(type)]).toEqual([type, []]);
});
