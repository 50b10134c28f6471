import { chmod, cp, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { connect } from "../../src/storage/index.ts";
import { type TempDirectory, type TestDatabase, tempDirectory, testDatabase } from "../kit/index.ts";
import { millrace, startPlatform } from "../kit/platform.ts";
import { pushRows } from "../transfer/push.ts";
import { doctor } from "./doctor.ts";

let folder: TempDirectory;
let database: TestDatabase;
let whole: string;
let environment: Record<string, string>;

beforeAll(async () => {
  [folder, database] = await Promise.all([tempDirectory(), testDatabase()]);
  environment = { MILLRACE_POSTGRES_URL: database.url };
  whole = path.join(folder.path, "whole");
  await using platform = await startPlatform({
    dataDirectory: whole,
    environment,
    flags: ["--ingest.commitInterval", "3600000"],
  });
  for (let batch = 0; batch < 3; batch++) await pushRows(platform, "sick", "rows", [`{"n":${batch}}`]);
  expect(await doctor(whole, [], environment)).toMatchObject({ code: 0, problems: [] }); // beside the server
  const staged = await fetch(new URL("/api/v1/projects/sick/datasets/rows/rows", platform.url), {
    method: "POST",
    headers: { authorization: `Bearer ${platform.token}`, "content-type": "application/x-ndjson" },
    body: '{"n":4}',
  });
  expect(staged.status).toBe(202);
  await platform.end("SIGTERM");
}, 60_000);

afterAll(async () => {
  await database?.[Symbol.asyncDispose]();
  await folder?.[Symbol.asyncDispose]();
});

const files = { recursive: true, withFileTypes: true } as const;

/** The first file of a part of the dataset that has rows. */
async function objectOf(dataDirectory: string, part: string): Promise<string> {
  const root = path.join(dataDirectory, "objects", "datasets");
  for (const dataset of await readdir(root)) {
    if (!(await readdir(path.join(root, dataset))).includes("data")) continue;
    const alias = await readFile(path.join(root, dataset, "info", "alias"), "utf8");
    if (alias !== "sick.rows") continue;
    const [name = ""] = (await readdir(path.join(root, dataset, part))).slice(-1);
    return path.join(root, dataset, part, name);
  }
  throw new Error(`there is no ${part}`);
}

async function flip(file: string): Promise<void> {
  const bytes = await readFile(file);
  bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] ?? 0) ^ 1;
  await writeFile(file, bytes);
}

test("what is whole is said to be, and what waits is told; nothing is changed by looking", async () => {
  const before = await listing(whole);
  const found = await doctor(whole, [], environment);
  expect(found).toMatchObject({ code: 0, problems: [] });
  const states = Object.fromEntries(found.findings.map(({ check, state }) => [check, state]));
  expect(states).toMatchObject({
    server: "note",
    "data folder": "ok",
    keys: "ok",
    "staging log": "note", // one request waits
    "object store": "ok",
    "conditional writes": "ok",
    "clock of the store": "ok",
    postgresql: "ok",
    "clock of postgresql": "ok",
    definitions: "ok",
    datasets: "ok",
    "index of names": "ok",
  });
  expect(await doctor(whole, ["--full"], environment)).toMatchObject({ code: 0, problems: [] });
  expect(await doctor(whole, ["--quick"], environment)).toMatchObject({ code: 0, problems: [] });
  expect(await listing(whole)).toEqual(before);
  const { code, stdout } = await millrace(["doctor", "--data-dir", whole], undefined, environment);
  expect([code, stdout]).toEqual([0, expect.stringMatching(/\nnothing is wrong\n$/)]);
}, 60_000);

async function listing(directory: string): Promise<string[]> {
  const entries = await readdir(directory, files);
  return entries
    .filter((entry) => entry.isFile() && entry.name !== "server.json")
    .map((entry) => path.join(entry.parentPath, entry.name))
    .sort();
}

describe("what is wrong is named, with what to do", () => {
  const sick: readonly (readonly [string, string, RegExp, readonly string[], (at: string) => Promise<void>])[] = [
    ["a block that is gone", "dataset sick.rows", /backup|copy/, [], async (at) => rm(await objectOf(at, "blocks"))],
    ["a block of other bytes", "dataset sick.rows", /verify/, [], async (at) => flip(await objectOf(at, "blocks"))],
    [
      "a log entry that is gone",
      "dataset sick.rows",
      /backup|copy|reindex/,
      [],
      async (at) => rm(await objectOf(at, "log")),
    ],
    [
      "a slice of other bytes",
      "dataset sick.rows",
      /verify/,
      ["--full"],
      async (at) => flip(await objectOf(at, "data")),
    ],
    ["a slice that is gone", "dataset sick.rows", /verify/, ["--full"], async (at) => rm(await objectOf(at, "data"))],
    [
      "the objects are gone",
      "object store",
      /mounted/,
      [],
      async (at) => rm(path.join(at, "objects"), { recursive: true }),
    ],
    [
      "a change is missing in the mirror",
      "definitions",
      /definitions/,
      [],
      async (at) => {
        const log = path.join(at, "objects", "definitions", "log");
        const [last = ""] = (await readdir(log)).slice(-1);
        await rm(path.join(log, last));
      },
    ],
    ["the master key is gone", "keys", /copy/, [], async (at) => rm(path.join(at, "master.key"))],
    [
      "a folder of a newer version",
      "data folder",
      /newer Millrace/,
      [],
      async (at) => writeFile(path.join(at, "format.json"), '{"format":99}'),
    ],
    [
      "a store of a newer version",
      "object store",
      /newer Millrace/,
      [],
      async (at) => writeFile(path.join(at, "objects", "format.json"), '{"format":99}'),
    ],
  ];
  test.each(sick)("%s", async (_what, check, advice, flags, harm) => {
    const at = path.join(folder.path, `sick-${check}-${Math.abs(hash(_what))}`);
    await cp(whole, at, { recursive: true });
    await harm(at);
    const { code, problems } = await doctor(at, flags, environment);
    expect(code).toBe(1);
    expect(problems.map((one) => one.check)).toContain(check);
    expect(problems.find((one) => one.check === check)?.advice ?? "").toMatch(advice);
  });

  function hash(text: string): number {
    return [...text].reduce((sum, char) => (sum * 31 + char.charCodeAt(0)) | 0, 7);
  }

  test("an index that says something else, or does not know a dataset", async () => {
    const sql = connect(database.url, 1);
    try {
      const [row] = await sql<{ dataset_id: string; seq: string }[]>`
        SELECT dataset_id, seq FROM chain_blocks WHERE dataset_id IN (SELECT id FROM datasets WHERE project = 'sick')
        ORDER BY seq DESC LIMIT 1`;
      if (row === undefined) throw new Error("the index has no block");
      await sql`UPDATE chain_blocks SET hash = ${`f1620${"0".repeat(64)}`} WHERE dataset_id = ${row.dataset_id} AND seq = ${row.seq}`;
      const wrong = await doctor(whole, ["--quick"], environment);
      expect(wrong.problems).toContainEqual(
        expect.objectContaining({ check: "dataset sick.rows", advice: expect.stringContaining("millrace reindex") }),
      );
      expect((await millrace(["reindex", "--data-dir", whole], undefined, environment)).code).toBe(0);
      await sql`DELETE FROM datasets WHERE id = ${row.dataset_id}`;
      const unknown = await doctor(whole, ["--quick"], environment);
      expect(unknown.problems).toContainEqual(
        expect.objectContaining({ check: "index of names", advice: expect.stringContaining("millrace reindex") }),
      );
      expect((await millrace(["reindex", "--data-dir", whole], undefined, environment)).code).toBe(0);
      expect(await doctor(whole, [], environment)).toMatchObject({ code: 0, problems: [] });
    } finally {
      await sql.end();
    }
  }, 60_000);

  test("servers that do not answer, and wrong use", async () => {
    const away = { MILLRACE_POSTGRES_URL: "postgres://nobody@127.0.0.1:1/none" };
    const found = await doctor(whole, [], away);
    expect(found.problems.map(({ check }) => check)).toEqual(["postgresql"]);
    expect(found.findings.find(({ check }) => check === "datasets")).toMatchObject({ state: "ok" });
    const bucket = {
      ...environment,
      MILLRACE_OBJECT_STORE: "s3://nowhere",
      MILLRACE_S3_ENDPOINT: "http://127.0.0.1:1",
      MILLRACE_S3_ACCESS_KEY_ID: "a",
      MILLRACE_S3_SECRET_ACCESS_KEY: "b",
    };
    expect((await doctor(whole, ["--quick"], bucket)).problems.map(({ check }) => check)).toEqual(["object store"]);
    expect((await doctor(path.join(folder.path, "nowhere"))).problems).toMatchObject([{ check: "data folder" }]);
    expect((await millrace(["doctor", "--quick", "--full"])).code).toBe(2);
    const loose = path.join(folder.path, "loose");
    await cp(whole, loose, { recursive: true });
    await chmod(path.join(loose, "master.key"), 0o644);
    await rename(path.join(loose, "staging"), path.join(loose, "staging-away"));
    const noted = await doctor(loose, [], environment);
    expect(noted).toMatchObject({ code: 0 });
    expect(noted.findings).toContainEqual(
      expect.objectContaining({ check: "keys", state: "warning", advice: expect.stringContaining("chmod 600") }),
    );
  }, 60_000);
});
