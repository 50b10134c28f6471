import { spawn } from "node:child_process";
import { once } from "node:events";
import { copyFileSync, readFileSync, symlinkSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type TempDirectory, tempDirectory } from "../kit/index.ts";
import { cleanEnvironment, launcher, type Platform, startPlatform } from "../kit/platform.ts";
import { sharedDataAbsent, sharedFile } from "../kit/shared-data.ts";

// The README's tour, command by command as it stands there, in a folder where a newcomer would stand.

const readme = readFileSync(path.resolve(import.meta.dirname, "..", "..", "README.md"), "utf8");
const tour = /^## Five minutes[^\n]*\n([\s\S]*?)^## /m.exec(readme)?.[1] ?? "";
const scripts = [...tour.matchAll(/^```sh\n([\s\S]*?)^```$/gm)].map(([, script = ""]) => script);

let folder: TempDirectory;
let platform: Platform;

beforeAll(async () => {
  folder = await tempDirectory();
  platform = await startPlatform({ dataDirectory: path.join(folder.path, ".millrace") });
  symlinkSync(launcher, path.join(folder.path, "millrace"));
  const strikes = sharedFile("birdstrikes.csv");
  if (strikes !== null) copyFileSync(strikes, path.join(folder.path, "birdstrikes.csv"));
}, 60_000);

afterAll(async () => {
  await platform?.[Symbol.asyncDispose]();
  await folder?.[Symbol.asyncDispose]();
});

async function shell(script: string): Promise<{ code: number | null; output: string }> {
  const file = path.join(folder.path, "tour.sh");
  await writeFile(file, `set -eux\n${script.replaceAll("http://127.0.0.1:8080", platform.url)}`);
  const child = spawn("bash", [file], { cwd: folder.path, env: cleanEnvironment(), stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => {
      output += text;
    });
  }
  await once(child, "close");
  return { code: child.exitCode, output };
}

test("the tour has its commands", () => {
  expect(scripts.length).toBeGreaterThanOrEqual(4);
});

test.skipIf(sharedDataAbsent)(
  `every command of the tour does what it says${sharedDataAbsent === null ? "" : ` (${sharedDataAbsent})`}`,
  { timeout: 60_000 },
  async () => {
    for (const script of scripts) {
      const { code, output } = await shell(script);
      expect(code, output).toBe(0);
      expect(output, script).not.toContain("error:");
      expect(output, script).not.toContain('"error"');
    }
  },
);
