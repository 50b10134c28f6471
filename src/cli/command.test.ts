import { describe, expect, test } from "vitest";
import { commandHelp, parseInvocation, UsageError } from "./command.ts";
import { commands } from "./commands.ts";
import { counted, formatBytes, formatDuration } from "./figures.ts";
import { sqlCommand } from "./sql.ts";

const signal = new AbortController().signal;

describe("the command line", () => {
  test("an unknown option names the nearest one", () => {
    expect(() => parseInvocation(sqlCommand, ["SELECT 1", "--fromat", "csv"], signal)).toThrow(
      /did you mean --format\?/,
    );
  });

  test("too many arguments are wrong usage", () => {
    expect(() => parseInvocation(sqlCommand, ["SELECT 1", "SELECT 2"], signal)).toThrow(UsageError);
  });

  test("options and positionals are told apart", () => {
    const { positionals, options } = parseInvocation(sqlCommand, ["--format", "csv", "SELECT 1"], signal);
    expect(positionals).toEqual(["SELECT 1"]);
    expect(options.format).toBe("csv");
  });

  test("every command explains every option", () => {
    for (const command of commands) {
      for (const name of Object.keys(command.options)) expect(commandHelp(command)).toContain(`--${name}`);
    }
  });
});

test("figures are short", () => {
  expect([0, 1, 2_000].map((count) => counted(count, "query", "queries"))).toEqual([
    "0 queries",
    "1 query",
    "2,000 queries",
  ]);
  expect([0, 999, 1_000, 1_234_567, 98_700_000_000].map(formatBytes)).toEqual([
    "0 B",
    "999 B",
    "1.00 kB",
    "1.23 MB",
    "98.7 GB",
  ]);
  expect([0.02, 12.34, 185, 7_800].map(formatDuration)).toEqual(["20 ms", "12.3 s", "3 min 05 s", "2 h 10 min"]);
});
