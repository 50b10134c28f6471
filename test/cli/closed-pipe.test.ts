import { spawn } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type TempDirectory, tempDirectory } from "../kit/index.ts";
import { cleanEnvironment, launcher } from "../kit/platform.ts";
import { allProcesses, clusterOf } from "../kit/processes.ts";

let folder: TempDirectory;
beforeAll(async () => {
  folder = await tempDirectory();
});
afterAll(async () => await folder?.[Symbol.asyncDispose]());

const pipes = [
  ["standard output", "| true"],
  ["both outputs", "2>&1 | true"],
] as const;

test.each(pipes)(
  "a server whose reader of %s has gone ends in order, and leaves no PostgreSQL behind",
  async (what, pipe) => {
    const dataDirectory = path.join(folder.path, what);
    const command = `"${launcher}" up --data-dir "${dataDirectory}" --port 0 ${pipe}; exit \${PIPESTATUS[0]}`;
    const shell = spawn("bash", ["-c", command], { stdio: "ignore", env: cleanEnvironment() });
    const [code] = await once(shell, "exit");
    expect(code).toBe(0);
    const cluster = clusterOf(dataDirectory);
    const left = allProcesses().filter((one) => one.command.includes(cluster) || one.command.includes(dataDirectory));
    expect(left).toEqual([]);
  },
  90_000,
);
