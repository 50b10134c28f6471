import { describe, expect, test } from "vitest";
import { configTypes, environmentName, MillraceError, resolveConfig } from "./index.ts";

const settings = {
  dataDir: { schema: configTypes.text, default: ".millrace", description: "Where data lies.", flag: "data-dir" },
  "http.port": { schema: configTypes.port, default: 8080, description: "The port.", flag: "port" },
  "http.open": { schema: configTypes.flag, default: false, description: "Open." },
  "ingest.pending": { schema: configTypes.bytes, default: 10, description: "Bytes.", secret: true },
};
const none = { flags: {}, environment: {}, file: null };

function refusal(act: () => unknown): MillraceError {
  try {
    act();
  } catch (error) {
    if (error instanceof MillraceError) return error;
  }
  throw new Error("was not refused");
}

describe("configuration", () => {
  test("flags come before the environment, the file and the defaults, and each value tells its origin", () => {
    const file = { path: "millrace.yaml", tree: { http: { port: 1, open: true }, ingest: { pending: "2KiB" } } };
    const { values, entries } = resolveConfig(settings, {
      flags: { port: "3" },
      environment: { MILLRACE_HTTP_PORT: "2", MILLRACE_HTTP_OPEN: "false", PATH: "/bin" },
      file,
    });
    expect(values).toEqual({ dataDir: ".millrace", "http.port": 3, "http.open": false, "ingest.pending": 2048 });
    expect(entries.map((entry) => entry.origin.kind)).toEqual(["default", "flag", "environment", "file"]);
  });

  test("names of the environment follow from the setting's name", () => {
    expect(environmentName("dataDir")).toBe("MILLRACE_DATA_DIR");
    expect(environmentName("http.port")).toBe("MILLRACE_HTTP_PORT");
  });

  test.each([
    [{ ...none, flags: { prot: "1" } }, '"--port"'],
    [{ ...none, environment: { MILLRACE_HTTP_PROT: "1" } }, '"MILLRACE_HTTP_PORT"'],
    [{ ...none, file: { path: "f", tree: { http: { porr: 1 } } } }, '"http.port"'],
  ])("an unknown key is refused with the nearest valid name", (sources, near) => {
    expect(refusal(() => resolveConfig(settings, sources)).hint).toBe(`Did you mean ${near}?`);
  });

  test("a bad value is refused with its origin, and a secret one is not shown", () => {
    expect(refusal(() => resolveConfig(settings, { ...none, flags: { port: "70000" } })).message).toMatch(
      /^flag --port: http.port cannot be "70000"/,
    );
    expect(
      refusal(() => resolveConfig(settings, { ...none, flags: { "ingest.pending": "hunter2" } })).message,
    ).not.toMatch(/hunter2/);
  });
});
