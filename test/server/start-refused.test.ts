import { existsSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import path from "node:path";
import { expect, test } from "vitest";
import { tempDirectory } from "../kit/index.ts";
import { millrace, startPlatform } from "../kit/platform.ts";

// A start that cannot be says why and ends; it neither ends without a word nor goes round for ever.

test("a taken port is told before the data folder is made", async () => {
  await using folder = await tempDirectory();
  const dataDirectory = path.join(folder.path, "data");
  const holder = createServer();
  await new Promise<void>((resolve) => holder.listen(0, "127.0.0.1", resolve));
  try {
    const address = holder.address();
    const port = address !== null && typeof address === "object" ? String(address.port) : "";
    const { code, stderr } = await millrace(["up", "--data-dir", dataDirectory, "--port", port]);
    expect([code, stderr]).toEqual([1, expect.stringContaining(`port ${port}`)]);
    expect(existsSync(dataDirectory)).toBe(false);
  } finally {
    holder.close();
  }
});

test("a data folder where the system has no place for one is refused", async () => {
  const { code, stderr } = await millrace(["up", "--data-dir", "/proc/millrace-data", "--port", "0"]);
  expect([code, stderr]).toEqual([1, expect.stringContaining("bad_config")]);
});

test("a PostgreSQL that does not start is told with its own words", async () => {
  await using folder = await tempDirectory();
  const dataDirectory = path.join(folder.path, "data");
  const platform = await startPlatform({ dataDirectory });
  await platform[Symbol.asyncDispose]();
  rmSync(path.join(dataDirectory, "postgres", "cluster", "global", "pg_control"));
  const { code, stderr } = await millrace(["up", "--data-dir", dataDirectory, "--port", "0"]);
  expect([code, stderr]).toEqual([1, expect.stringContaining("pg_control")]);
});
