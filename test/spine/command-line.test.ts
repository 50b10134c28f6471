import { mkdir, readdir, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import { type TempDirectory, tempDirectory } from "../kit/index.ts";
import { millrace, type Platform, startPlatform } from "../kit/platform.ts";

let folder: TempDirectory;
let dataDirectory: string;
let platform: Platform;

beforeAll(async () => {
  folder = await tempDirectory();
  dataDirectory = path.join(folder.path, "data");
  platform = await startPlatform({ dataDirectory });
}, 60_000);

afterAll(async () => {
  await platform?.[Symbol.asyncDispose]();
  await folder?.[Symbol.asyncDispose]();
});

async function rowsOf(sql: string): Promise<unknown> {
  const { code, stdout, stderr } = await millrace(["sql", sql, "--format", "json"], platform);
  expect(code, stderr).toBe(0);
  return JSON.parse(stdout);
}

async function pushed(
  dataset: string,
  lines: readonly unknown[],
): Promise<{ status: number; receipt: Record<string, unknown> }> {
  const url = new URL(`/api/v1/projects/cli/datasets/${dataset}/rows?create=true&ack=committed`, platform.url);
  const reply = await fetch(url, {
    method: "POST",
    headers: { authorization: `Bearer ${platform.token}`, "content-type": "application/x-ndjson" },
    body: lines.map((line) => (typeof line === "string" ? line : JSON.stringify(line))).join("\n"),
  });
  return { status: reply.status, receipt: z.record(z.string(), z.unknown()).parse(await reply.json()) };
}

describe("imports", () => {
  /** NDJSON, JSON, CSV and text, each with a row that does not fit, so that line numbers are told. */
  const files: readonly (readonly [string, string])[] = [
    ["a.ndjson", '{"n":1}\n{"n":2}\nno json\n{"n":4}\n'],
    ["a.json", '[{"n":1},{"n":2},3,{"n":4}]'],
    ["a.csv", "n,t\n1,a\n2,b\n3\n4,d\n"],
  ];

  test("parts travel by the incoming folder, and as bodies where a client cannot write there, with the same outcome", async () => {
    const incoming = path.join(dataDirectory, "staging", "incoming");
    for (const [name, content] of files) await writeFile(path.join(folder.path, name), content);
    const imported = async (dataset: string) => {
      for (const [name] of files) {
        const { code, stderr } = await millrace(["ingest", dataset, path.join(folder.path, name)], platform);
        expect(code, stderr).toBe(0);
      }
      const rows = await rowsOf(`SELECT n, t FROM ${dataset} ORDER BY "offset"`);
      const aside = await rowsOf(`SELECT line, reason, raw FROM ${dataset}__quarantine ORDER BY received_at`);
      return { rows, aside };
    };
    expect((await readdir(incoming)).length).toBe(0);
    const local = await imported("cli.local");
    expect((await readdir(incoming)).length).toBe(0);
    await rm(incoming, { recursive: true });
    const sent = await imported("cli.sent");
    await mkdir(incoming);
    expect(local).toEqual(sent);
    expect(local.rows).toEqual([1, 2, 4, 1, 2, 4, 1, 2, 4].map((n) => expect.objectContaining({ n })));
    expect(local.aside).toMatchObject([{ line: 3 }, { line: 3 }, { line: 4 }]);
  });
});

describe("exit codes and streams", () => {
  test("wrong usage is 2, a refusal is 1, and neither writes data", async () => {
    for (const [args, code] of [
      [["nonsense"], 2],
      [["sql", "SELECT 1", "--fromat", "csv"], 2],
      [["sql", "SELECT 1", "--format", "xml"], 2],
      [["sql", "SELEC 1"], 1],
      [["sql", "SELECT * FROM no.such"], 1],
      [["ingest", "cli.absent", "/no/such/file"], 1],
      [["verify", "no.such"], 1],
    ] as const) {
      const result = await millrace(args, platform);
      expect(result.code, args.join(" ") + result.stderr).toBe(code);
      expect(result.stdout, args.join(" ")).toBe("");
      expect(result.stderr.length).toBeGreaterThan(0);
    }
  });

  test("an error shows its place in the statement", async () => {
    const { stderr } = await millrace(["sql", "SELECT 1 FROM FROM"], platform);
    expect(stderr).toMatch(/error: .*\n {2}SELECT 1 FROM FROM\n {16}\^\n/);
  });

  test("a second server on the folder is refused, with the address of the first", async () => {
    const second = await millrace(["up", "--data-dir", dataDirectory, "--port", "0"]);
    expect([second.code, second.stdout]).toEqual([1, ""]);
    expect(second.stderr).toContain(platform.url);
  });

  test("configuration tells each value and its origin, and refuses what it does not know", async () => {
    const shown = await millrace(["config", "http.port"], undefined, { MILLRACE_HTTP_PORT: "9123" });
    expect([shown.code, shown.stdout]).toEqual([0, "9123\n"]);
    const wrong = await millrace(["config"], undefined, { MILLRACE_HTTP_PROT: "1" });
    expect(wrong.code).toBe(1);
    expect(wrong.stderr).toContain("MILLRACE_HTTP_PORT");
  });
});

describe("definitions", () => {
  const manifests = `kind: Project
name: shop
---
kind: Dataset
project: shop
name: orders
spec:
  description: What was bought.
`;

  test("are tried, applied, read and deleted; a project that has datasets stays", async () => {
    const file = path.join(folder.path, "shop.yaml");
    await writeFile(file, manifests);
    const said = "created Project shop (generation 1)\ncreated Dataset shop/orders (generation 1)\n";
    const run = (...args: string[]) => millrace(args, platform);
    expect(await run("apply", "--dry-run", file)).toEqual({ code: 0, stdout: said, stderr: "" });
    expect((await run("get", "Project", "shop")).code).toBe(1);
    expect(await run("apply", file)).toEqual({ code: 0, stdout: said, stderr: "" });
    expect((await run("apply", file)).stdout).toBe(said.replaceAll("created", "unchanged"));
    const shown = await run("get", "Dataset", "shop/orders");
    expect([shown.code, JSON.parse(shown.stdout)]).toMatchObject([0, { spec: { description: "What was bought." } }]);
    const listed = await run("get", "Dataset", "shop/");
    expect([listed.code, JSON.parse(listed.stdout)]).toMatchObject([0, { resources: [{ name: "orders" }] }]);

    const refused = await run("delete", "Project", "shop");
    expect([refused.code, refused.stdout]).toEqual([1, ""]);
    expect(refused.stderr).toContain("(conflict");
    expect((await run("delete", "Dataset", "shop/orders")).code).toBe(0);
    expect((await run("delete", "Project", "shop")).code).toBe(0);
    expect((await run("get", "Project", "shop")).code).toBe(1);
  });

  test("a wrong manifest is refused with its place", async () => {
    const file = path.join(folder.path, "wrong.yaml");
    await writeFile(file, manifests.replace("description", "descripton"));
    const { code, stdout, stderr } = await millrace(["apply", file], platform);
    expect([code, stdout]).toEqual([1, ""]);
    expect(stderr).toContain("descripton");
  });
});

describe("rows", () => {
  test("an import repeated adds nothing, and one with --again does", async () => {
    const file = path.join(folder.path, "people.csv");
    await writeFile(file, 'name,age,note\nada,36,"first, of\nall"\nbob,,x\n');
    for (const args of [[], [], ["--again"]]) {
      const { code, stderr } = await millrace(["ingest", "cli.people", file, ...args], platform);
      expect(code, stderr).toBe(0);
    }
    expect(await rowsOf("SELECT name, age, note, count(*) AS n FROM cli.people GROUP BY ALL ORDER BY name")).toEqual([
      { name: "ada", age: 36, note: "first, of\nall", n: 2 },
      { name: "bob", age: null, note: "x", n: 2 },
    ]);
  });

  test("the schema grows and widens, and what fits nowhere is quarantined with line and reason", async () => {
    await pushed("grow", [{ a: 1 }]);
    await pushed("grow", [{ a: 2.5, b: "new" }]);
    const { receipt } = await pushed("grow", [{ a: 3 }, "not json", { a: "text" }]);
    expect(receipt).toMatchObject({ state: "committed", rows: 1, quarantined: 2 });
    expect(await rowsOf('SELECT a, b FROM cli.grow ORDER BY "offset"')).toEqual([
      { a: 1, b: null },
      { a: 2.5, b: "new" },
      { a: 3, b: null },
    ]);
    expect(await rowsOf("SELECT line, raw FROM cli.grow__quarantine ORDER BY line")).toEqual([
      { line: 2, raw: "not json" },
      { line: 3, raw: '{"a":"text"}' },
    ]);
  });

  test("a dataset can be read as it was", async () => {
    await pushed("past", [{ n: 1 }]);
    const { receipt } = await pushed("past", [{ n: 2 }]);
    const before = Number(receipt.seq) - 1;
    expect(await rowsOf(`SELECT count(*) AS n FROM cli.past AT (VERSION => ${before})`)).toEqual([{ n: 1 }]);
    expect(await rowsOf(`SELECT count(*) AS n FROM cli.past AT (VERSION => '${receipt.block}')`)).toEqual([{ n: 2 }]);
    expect(await rowsOf("SELECT count(*) AS n FROM cli.past AT (TIMESTAMP => '2100-01-01')")).toEqual([{ n: 2 }]);
  });

  test("the system tells of itself", async () => {
    await rowsOf("SELECT 4711 AS marker");
    const deadline = Date.now() + 20_000;
    let found: unknown = [];
    while (Date.now() < deadline) {
      const { stdout } = await millrace(
        ["sql", "SELECT count(*) > 0 AS told FROM system.queries WHERE sql LIKE '%4711 AS marker%'", "--format", "csv"],
        platform,
      );
      found = stdout;
      if (stdout === "told\ntrue\n") break;
    }
    expect(found).toBe("told\ntrue\n");
  });
});

test("PostgreSQL lost whole: definitions and the index come back from the object store", {
  timeout: 60_000,
}, async () => {
  const before = await rowsOf("SELECT count(*) AS n FROM cli.people");
  await platform.end("SIGTERM");
  await rm(path.join(dataDirectory, "postgres"), { recursive: true, force: true });
  const restored = await millrace(["restore-definitions", "--data-dir", dataDirectory]);
  expect(restored.code, restored.stderr).toBe(0);
  const again = await millrace(["restore-definitions", "--data-dir", dataDirectory]);
  expect([again.code, again.stdout]).toEqual([1, ""]);
  expect(again.stderr).toContain("--replace");
  const replaced = await millrace(["restore-definitions", "--data-dir", dataDirectory, "--replace"]);
  expect([replaced.code, replaced.stdout]).toEqual([0, restored.stdout]);
  const reindexed = await millrace(["reindex", "--data-dir", dataDirectory]);
  expect(reindexed.code, reindexed.stderr).toBe(0);
  platform = await startPlatform({ dataDirectory });
  expect(await rowsOf("SELECT count(*) AS n FROM cli.people")).toEqual(before);
  expect((await millrace(["verify", "cli.people"], platform)).code).toBe(0);
});
