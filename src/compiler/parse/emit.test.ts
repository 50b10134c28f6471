import { expect, test } from "vitest";
import { readEmit } from "./emit.ts";

const [second, minute] = [1_000, 60_000];

test.each([
  ["SELECT 1", null],
  ["SELECT 1 EMIT CHANGES", { when: "changes", latenessMs: 0, allowedMs: null, idleMs: null, sync: false }],
  ["SELECT 1 emit on close;", { when: "close", latenessMs: 0, allowedMs: 0, idleMs: null, sync: false }],
  [
    "SELECT 1 EMIT ON CLOSE LATENESS '10 seconds'",
    { when: "close", latenessMs: 10 * second, allowedMs: 0, idleMs: null, sync: false },
  ],
  [
    "SELECT 1 -- EMIT\nEMIT /* on */ ON CLOSE LATENESS '1 minute 30 s' ALLOWED LATENESS '2 m'",
    { when: "close", latenessMs: 90 * second, allowedMs: 2 * minute, idleMs: null, sync: false },
  ],
  [
    "SELECT 1 EMIT CHANGES ALLOWED LATENESS '0 s'",
    { when: "changes", latenessMs: 0, allowedMs: 0, idleMs: null, sync: false },
  ],
  ["SELECT 1 EMIT CHANGES SYNC", { when: "changes", latenessMs: 0, allowedMs: null, idleMs: null, sync: true }],
  [
    "SELECT 1 EMIT ON CLOSE LATENESS '1 s' IDLE '1 minute'",
    { when: "close", latenessMs: second, allowedMs: 0, idleMs: minute, sync: false },
  ],
  ["SELECT emit, 'EMIT ON CLOSE' FROM web.emit", null],
  ["SELECT a FROM web.t AS emit JOIN web.u ON true", null],
  ["SELECT a FROM web.t JOIN web.u emit ON true", null],
] as const)("%s", (sql, emit) => {
  const read = readEmit(sql);
  expect(read.emit).toEqual(emit);
  expect(sql.startsWith(read.query)).toBe(true);
  expect(emit === null ? read.query : read.query.trimEnd()).toMatch(emit === null ? /./s : /^SELECT 1( -- EMIT)?$/);
});

test.each([
  ["SELECT 1 EMIT ON CLOSE LATENESS", 31],
  ["SELECT 1 EMIT CHANGES LATENESS '1 month'", 31],
  ["SELECT 1 EMIT CHANGES LATENESS 5", 31],
  ["SELECT 1 EMIT ON CLOSE AND MORE", 23],
  ["SELECT 1 EMIT ON CLOSE IDLE '999 ms'", 28],
])("%s is told where it is wrong", (sql, offset) => {
  expect(() => readEmit(sql)).toThrow(
    expect.objectContaining({ code: "sql_syntax", position: expect.objectContaining({ offset }) }),
  );
});
