import { readdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type TempDirectory, tempDirectory } from "../kit/index.ts";
import { millrace, type Platform, startPlatform } from "../kit/platform.ts";

/** A dataset of many small commits on a real server: compacted, superseded, expired, and still all that it was. */
let folder: TempDirectory;
let platform: Platform;
beforeAll(async () => {
  folder = await tempDirectory();
  platform = await startPlatform({ dataDirectory: folder.path });
  await apply("small", "keepingTimeMs: 0");
  await apply("short", "keepingTimeMs: 0, retention: {rows: 20}");
}, 60_000);
afterAll(async () => {
  await platform?.[Symbol.asyncDispose]();
  await folder?.[Symbol.asyncDispose]();
});

async function apply(name: string, spec: string): Promise<void> {
  const file = path.join(folder.path, `${name}.yaml`);
  writeFileSync(file, `kind: Project\nname: c\n---\nkind: Dataset\nproject: c\nname: ${name}\nspec: {${spec}}\n`);
  const { code, stderr } = await millrace(["apply", file], platform);
  expect(code, stderr).toBe(0);
}

async function push(name: string, lines: readonly string[]): Promise<void> {
  const url = `${platform.url}/api/v1/projects/c/datasets/${name}/rows?ack=committed`;
  const headers = { authorization: `Bearer ${platform.token}`, "content-type": "application/x-ndjson" };
  const reply = await fetch(url, { method: "POST", headers, body: lines.join("\n") });
  expect(reply.status, await reply.clone().text()).toBeLessThan(300);
}

async function ask(sql: string): Promise<string> {
  const { code, stdout, stderr } = await millrace(["sql", sql, "--format", "csv"], platform);
  expect(code, stderr).toBe(0);
  return stdout.split("\n")[1] ?? "";
}

async function slices(name: string): Promise<number> {
  const url = `${platform.url}/api/v1/projects/c/datasets/${name}/slices`;
  const reply = await fetch(url, { headers: { authorization: `Bearer ${platform.token}` } });
  const body = (await reply.json()) as { slices: unknown[] };
  return body.slices.length;
}

function dataObjects(): number {
  const datasets = path.join(folder.path, "objects", "datasets");
  return readdirSync(datasets).reduce((sum, id) => {
    const data = path.join(datasets, id, "data");
    try {
      return sum + readdirSync(data).length;
    } catch {
      return sum;
    }
  }, 0);
}

const commits = 131;
const rowsOf = (commit: number) =>
  [0, 1, 2].map((at) =>
    JSON.stringify({
      n: commit * 3 + at,
      big: 18_446_744_073_709_000_000 + at === 0 ? null : `${commit}`,
      // Widened half-way, and joined by another column.
      mixed: commit < 80 ? commit : commit + 0.5,
      ...(commit < 90 ? {} : { later: { deep: [commit, null] } }),
    }),
  );

test("a dataset of many commits is compacted and superseded, and answers, travels in time and verifies as before", async () => {
  for (let commit = 0; commit < commits; commit++) await push("small", rowsOf(commit));
  const questions = [
    'SELECT count(*), sum(n), sum(mixed), count(later), sum(later.deep[1]), min("offset"), max("offset") FROM c.small',
    'SELECT count(*), sum(n), max("offset") FROM c.small AT (VERSION => 20)',
    "SELECT count(*), sum(n), sum(mixed) FROM c.small AT (VERSION => 97)",
    'SELECT count(*), typeof(any_value("offset")), typeof(any_value(op)), typeof(any_value(mixed)) FROM c.small',
    "SELECT count(*) FROM c.small WHERE n BETWEEN 200 AND 209",
    "SELECT md5(string_agg(n || ':' || mixed || ':' || system_time, ',' ORDER BY \"offset\")) FROM c.small",
  ];
  const before: string[] = [];
  for (const question of questions) before.push(await ask(question));
  expect(before[0]).toMatch(new RegExp(`^${commits * 3},`));

  const { code, stdout, stderr } = await millrace(["compact", "c.small"], platform);
  expect(code, stdout + stderr).toBe(0);
  expect(stdout).toBe("c.small: compact done\n");
  expect(await slices("small")).toBeLessThan(64 + 8);
  expect(dataObjects()).toBeLessThan(64 + 30);
  const after: string[] = [];
  for (const question of questions) after.push(await ask(question));
  expect(after).toEqual(before);
  const verified = await millrace(["verify", "c.small"], platform);
  expect(verified.stdout).toMatch(/^c\.small is whole: .* rows; \d+ slices proven from their copies\n$/);

  await platform.end("SIGKILL");
  platform = await startPlatform({ dataDirectory: folder.path });
  const again: string[] = [];
  for (const question of questions) again.push(await ask(question));
  expect(again).toEqual(before);
  expect(await slices("small")).toBeLessThan(64 + 8);
  const collected = await millrace(["collect", "c.small"], platform);
  expect(collected.stdout).toBe("c.small: collect done\n");
}, 180_000);

test("rows beyond what is kept expire: newer ones stay, a past of nothing but expired rows says so, and the chain proves", async () => {
  for (let commit = 0; commit < 70; commit++) await push("short", rowsOf(commit));
  const { code, stdout } = await millrace(["compact", "c.short"], platform);
  expect(code, stdout).toBe(0);
  const [count, least, most] = (await ask('SELECT count(*), min("offset"), max("offset") FROM c.short')).split(",");
  expect(Number(most)).toBe(209);
  expect(Number(least)).toBeGreaterThan(0);
  expect(Number(count)).toBe(210 - Number(least));
  expect(Number(count)).toBeGreaterThanOrEqual(20);
  const past = await millrace(["sql", "SELECT count(*) FROM c.short AT (VERSION => 5)"], platform);
  expect(past.code).not.toBe(0);
  expect(past.stderr).toContain("expired");
  const verified = await millrace(["verify", "c.short"], platform);
  expect(verified.stdout).toMatch(/is whole: .* slices expired\n$/);
}, 120_000);

test("a retention that keeps nothing in particular is refused", async () => {
  const file = path.join(folder.path, "bad.yaml");
  writeFileSync(file, "kind: Dataset\nproject: c\nname: bad\nspec: {retention: {}}\n");
  const { code, stderr } = await millrace(["apply", file], platform);
  expect(code).not.toBe(0);
  expect(stderr).toContain("say ageMs, rows or bytes");
});
