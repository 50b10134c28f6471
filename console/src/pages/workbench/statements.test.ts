import fc from "fast-check";
import { expect, test } from "vitest";
import { splitStatements } from "./statements.ts";

const sqls = (text: string) => splitStatements(text).map(({ sql }) => sql);

test("semicolons part statements, and what says nothing is none", () => {
  expect(sqls("SELECT 1; SELECT 2;\n ;-- end\n")).toEqual(["SELECT 1", "SELECT 2"]);
  expect(sqls(" \n")).toEqual([]);
  expect(sqls("-- nothing; at all")).toEqual([]);
  expect(sqls("/* one /* two; */ three; */ SELECT 1")).toEqual(["/* one /* two; */ three; */ SELECT 1"]);
});

test("a statement knows where it stands", () => {
  const text = "SELECT 1;\n\n  SELECT 2 ;";
  expect(splitStatements(text).map(({ from, to }) => text.slice(from, to))).toEqual(["SELECT 1", "SELECT 2"]);
});

test.each([
  "SELECT 'a;b', 'it''s;'",
  'SELECT ";" AS "a"";b"',
  "SELECT $$ ; $$, $x$ $$;$y$ $x$",
  "SELECT 1 -- a;b\n, 2",
  String.raw`SELECT e'\';', 'a\'`,
  "SELECT 1 /* a;b */, 2",
  "SELECT 'not closed; ever",
  "SELECT $$ not closed; ever",
  "SELECT name'a;b'",
])("%s is one", (sql) => {
  expect(sqls(sql)).toEqual([sql]);
  expect(sqls(`SELECT 0; ${sql}`)).toEqual(["SELECT 0", sql]);
});

test("whatever the text, nothing but semicolons and space is lost, and every part is as it stands", () => {
  fc.assert(
    fc.property(fc.array(fc.constantFrom(..."'\"$;-/*eax \n\\")), (letters) => {
      const text = letters.join("");
      let last = 0;
      for (const { sql, from, to } of splitStatements(text)) {
        expect(from).toBeGreaterThanOrEqual(last);
        expect(text.slice(from, to)).toBe(sql);
        last = to;
      }
    }),
  );
});
