import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { MillraceError, systemClock } from "../../base/index.ts";
import { openLogger } from "./logger.ts";
import { redactFields } from "./redact.ts";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(path.join(os.tmpdir(), "millrace-log-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

async function logged(write: (log: ReturnType<typeof openLogger>) => void, level: "debug" | "warn" = "debug") {
  const file = path.join(folder, "deep", "server.log");
  {
    await using log = openLogger({ level, destination: { kind: "file", path: file }, clock: systemClock });
    write(log);
  }
  expect(statSync(file).mode & 0o777).toBe(0o600);
  const lines = readFileSync(file, "utf8")
    .split("\n")
    .filter((line) => line !== "");
  return lines.map((line): Record<string, unknown> => JSON.parse(line));
}

describe("logger", () => {
  test("writes one JSON object a line, children add their fields, and lower levels are silent", async () => {
    const lines = await logged((log) => {
      log.info("quiet");
      log.child({ room: "ingest" }).warn("slow", { ms: 12 });
      log.error("bad", { bytes: new Uint8Array(3), big: 12n });
    }, "warn");
    expect(lines).toMatchObject([
      { level: "warn", room: "ingest", message: "slow", ms: 12, time: expect.stringMatching(/^\d{4}-.*Z$/) },
      { level: "error", message: "bad", bytes: "(3 bytes)", big: "12" },
    ]);
  });

  test("a caller's mistake tells no stack; our own fault tells stack and causes", async () => {
    const [mistake, fault] = await logged((log) => {
      log.warn("refused", { error: new MillraceError("not_found", "There is no such thing.") });
      log.error("failed", { error: new MillraceError("internal", "Oh.", { cause: new Error("the reason") }) });
    });
    expect(mistake?.error).toEqual({ name: "MillraceError", message: "There is no such thing.", code: "not_found" });
    expect(fault?.error).toMatchObject({
      code: "internal",
      stack: expect.stringContaining("logger.test.ts"),
      cause: { message: "the reason", stack: expect.any(String) },
    });
  });

  test("a file that has grown is rotated, and only so many are kept", async () => {
    const file = path.join(folder, "server.log");
    {
      await using log = openLogger({
        level: "info",
        destination: { kind: "file", path: file, maxBytes: 2_000, kept: 2 },
        clock: systemClock,
      });
      for (let i = 0; i < 200; i++) {
        log.info("a line", { i, filler: "x".repeat(100) });
        if (i % 10 === 0) await new Promise((resolve) => setImmediate(resolve));
      }
    }
    const names = readdirSync(folder).sort();
    expect(names).toEqual(["server.log", "server.log.1", "server.log.2"]);
    const numbers = names
      .reverse()
      .flatMap((name) =>
        [...readFileSync(path.join(folder, name), "utf8").matchAll(/"i":(\d+)/g)].map(([, i]) => Number(i)),
      );
    // Old files are dropped whole; what is kept has no gap and ends with the last line.
    expect(numbers.at(-1)).toBe(199);
    expect(numbers).toEqual(Array.from({ length: numbers.length }, (_, at) => 200 - numbers.length + at));
  });
});

describe("redaction", () => {
  test("hides values by name and credentials inside texts", () => {
    const shown = redactFields({
      password: "hunter2",
      headers: { authorization: "Bearer abc", accept: "x" },
      tokenId: "t1",
      line: "GET / Authorization: Bearer abc.def and mlr_abc-DEF_1 at postgres://me:hunter2@host/db",
    });
    expect(shown).toMatchObject({
      password: "(hidden)",
      headers: { authorization: "(hidden)", accept: "x" },
      tokenId: "t1",
    });
    expect(JSON.stringify(shown)).not.toMatch(/hunter2|abc/);
  });

  test("no token survives wherever it stands", () => {
    const token = fc.stringMatching(/^[A-Za-z0-9_-]{20,40}$/).map((text) => `mlr_${text}`);
    const place = fc.constantFrom(
      (text: string): Record<string, unknown> => ({ note: `before ${text} after` }),
      (text: string) => ({ list: [{ deep: [text] }] }),
      (text: string) => ({ error: new Error(`failed with ${text}`, { cause: new Error(text) }) }),
      (text: string) => ({ token: text, ownerToken: [text] }),
    );
    fc.assert(
      fc.property(token, place, (secret, put) => {
        expect(JSON.stringify(redactFields(put(secret)))).not.toContain(secret);
      }),
    );
  });
});
