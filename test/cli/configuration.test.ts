import { writeFile } from "node:fs/promises";
import path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { settings } from "../../src/server/index.ts";
import { type TempDirectory, tempDirectory } from "../kit/index.ts";
import { millrace } from "../kit/platform.ts";

let folder: TempDirectory;
beforeAll(async () => {
  folder = await tempDirectory();
});
afterAll(async () => await folder?.[Symbol.asyncDispose]());

async function file(text: string): Promise<string> {
  const name = path.join(folder.path, "millrace.yaml");
  await writeFile(name, text);
  return name;
}

/** The line of a setting in the printed table: name, value, origin. */
function lineOf(table: string, name: string): { value: string; from: string } {
  const line = table.split("\n").find((one) => one.startsWith(`${name} `));
  const [, value = "", from = ""] = line?.split(/ {2,}/) ?? [];
  return { value, from };
}

test("prints every setting with its value and origin: flag before environment before file before default", async () => {
  const config = await file("http:\n  port: 1001\n  maxConnections: 7\nqueries.memory: 1GiB\nlog:\n  level: debug\n");
  const environment = { MILLRACE_HTTP_PORT: "1002", MILLRACE_LOG_LEVEL: "warn" };
  const shown = await millrace(["config", "--config", config, "--port", "1003"], undefined, environment);
  expect([shown.code, shown.stderr]).toEqual([0, ""]);
  for (const name of Object.keys(settings)) expect(shown.stdout).toContain(`\n${name} `);
  expect(lineOf(shown.stdout, "http.port")).toEqual({ value: "1003", from: "flag --port" });
  expect(lineOf(shown.stdout, "log.level")).toEqual({ value: "warn", from: "environment MILLRACE_LOG_LEVEL" });
  expect(lineOf(shown.stdout, "http.maxConnections")).toEqual({ value: "7", from: `file ${config}` });
  expect(lineOf(shown.stdout, "queries.memory").value).toBe(String(2 ** 30));
  expect(lineOf(shown.stdout, "http.host")).toEqual({ value: "127.0.0.1", from: "default" });
  const lower = await millrace(["config", "http.port", "--config", config], undefined, environment);
  expect(lower.stdout).toBe("1002\n");
  expect((await millrace(["config", "http.port", "--config", config])).stdout).toBe("1001\n");
  expect((await millrace(["config", "http.port"], undefined, { MILLRACE_CONFIG: config })).stdout).toBe("1001\n");
  expect((await millrace(["config", "http.port"])).stdout).toBe("8080\n");
});

test("a password is not printed with the others", async () => {
  const environment = { MILLRACE_POSTGRES_URL: "postgres://me:hunter2@db/millrace" };
  const shown = await millrace(["config"], undefined, environment);
  expect(shown.code).toBe(0);
  expect(shown.stdout + shown.stderr).not.toContain("hunter2");
  expect(lineOf(shown.stdout, "postgres.url").value).toBe("(hidden)");
  const wrong = await millrace(["config"], undefined, { MILLRACE_POSTGRES_URL: "mysql://me:hunter2@db/millrace" });
  expect(wrong.code).toBe(1);
  expect(wrong.stderr).not.toContain("hunter2");
});

test.each([
  [
    "an unknown key of the file",
    "http:\n  prot: 1\n",
    {},
    /There is no setting "http\.prot" \(in .*millrace\.yaml\)[\s\S]*"http\.port"/,
  ],
  ["a bad value of the file", "http:\n  port: many\n", {}, /http\.port cannot be "many": say a port from 0 to 65535/],
  ["a file that is no tree", "- a\n- b\n", {}, /must be a tree of settings/],
  ["a file that is no YAML", "a: [1\n", {}, /is not YAML/],
  ["an unknown variable", "", { MILLRACE_HTTP_PROT: "1" }, /"MILLRACE_HTTP_PROT"[\s\S]*"MILLRACE_HTTP_PORT"/],
  [
    "a bad value of a variable",
    "",
    { MILLRACE_QUERIES_MEMORY: "lots" },
    /MILLRACE_QUERIES_MEMORY: queries\.memory cannot be "lots": say a number of bytes/,
  ],
  ["a store that is none", "objectStore: ftp:x\n", {}, /objectStore cannot be "ftp:x": say file:FOLDER or s3/],
])("%s is refused by config and by up, before anything starts", async (_what, text, environment, message) => {
  const config = await file(text);
  for (const command of [["config"], ["up", "--data-dir", path.join(folder.path, "data"), "--port", "0"]]) {
    const { code, stdout, stderr } = await millrace([...command, "--config", config], undefined, environment);
    expect({ code, stdout }, stderr).toEqual({ code: 1, stdout: "" });
    expect(stderr).toMatch(message);
    expect(stderr).toContain("(bad_config)");
  }
});
