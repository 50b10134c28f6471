import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import { cp, mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import { formats } from "../../src/server/index.ts";
import { type TempDirectory, tempDirectory } from "../kit/index.ts";
import { millrace, type Platform, startPlatform } from "../kit/platform.ts";
import { pushRows } from "../transfer/push.ts";

const folders = path.join(import.meta.dirname, "folders");
const written = readdirSync(folders)
  .map((name) => /^format-(\d+)\.json$/.exec(name)?.[1])
  .filter((format) => format !== undefined);
const expectedShape = z.object({
  datasetId: z.string(),
  head: z.string(),
  ownerToken: z.string(),
  readerToken: z.string(),
  rows: z.array(z.unknown()),
  stagedRows: z.number(),
  /** Of web.many, where the folder has it: each by a commit of its own. */
  manyRows: z.number().default(0),
  /** Of web.long, whose blocks are in a pack and whose slices were superseded, and of web.short, whose first rows have expired. */
  longRows: z.number().default(0),
  shortRows: z.number().default(0),
});

let folder: TempDirectory;
beforeAll(async () => {
  folder = await tempDirectory();
});
afterAll(async () => await folder?.[Symbol.asyncDispose]());

/** A data folder as a server of that format left it, without PostgreSQL. */
async function unpacked(format: string, name: string): Promise<string> {
  const dataDirectory = path.join(folder.path, name);
  await mkdir(dataDirectory, { mode: 0o711 });
  execFileSync("tar", ["-xzf", path.join(folders, `format-${format}.tar.gz`), "-C", dataDirectory]);
  return dataDirectory;
}

async function asked(platform: Platform, token: string, sql: string): Promise<{ status: number; rows: unknown[] }> {
  const reply = await fetch(new URL("/api/v1/sql", platform.url), {
    method: "POST",
    headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
    body: JSON.stringify({ sql, format: "json", rowLimit: 10_000 }),
  });
  const body = z.object({ rows: z.array(z.unknown()).default([]) }).parse(await reply.json());
  return { status: reply.status, rows: body.rows };
}

/** A dataset of numbered rows has all of them, and takes one more. */
async function goesOn(platform: Platform, dataset: string, rows: number): Promise<void> {
  const sql = `SELECT count(*)::INTEGER AS n, count(DISTINCT n)::INTEGER AS d FROM web.${dataset}`;
  expect((await asked(platform, platform.token, sql)).rows, dataset).toEqual([{ n: rows, d: rows }]);
  await pushRows(platform, "web", dataset, ['{"n":1000000}']);
  expect((await asked(platform, platform.token, sql)).rows, dataset).toEqual([{ n: rows + 1, d: rows + 1 }]);
}

/** Every file below a folder and the hash of its bytes. */
async function contentOf(directory: string): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  for (const entry of await readdir(directory, { recursive: true, withFileTypes: true })) {
    const file = path.join(entry.parentPath, entry.name);
    if (entry.isFile())
      found[file] = createHash("sha256")
        .update(await readFile(file))
        .digest("hex");
  }
  return found;
}

describe("a folder that an older version wrote", () => {
  test("is there for every format up to this one's", () => {
    const wanted = Array.from({ length: formats.objectStore + 1 }, (_, format) => String(format));
    expect(written.sort()).toEqual(wanted);
  });

  test.each(written)(
    "of format %s is opened, proven, and gone on with; nothing acknowledged is missing",
    async (format) => {
      const expected = expectedShape.parse(
        JSON.parse(readFileSync(path.join(folders, `format-${format}.json`), "utf8")),
      );
      const dataDirectory = await unpacked(format, `old-${format}`);
      const restored = await millrace(["restore-definitions", "--data-dir", dataDirectory]);
      expect(restored.code, restored.stderr).toBe(0);
      await using platform = await startPlatform({ dataDirectory });
      expect(platform.token).toBe(expected.ownerToken);
      const columns = 'SELECT n, text, price, tags FROM web.access WHERE n < 200 ORDER BY "offset"';
      expect((await asked(platform, platform.token, columns)).rows).toEqual(expected.rows);
      // Who was a user with a grant still is one, and no more than that.
      const count = "SELECT count(*)::INTEGER AS n, count(DISTINCT n)::INTEGER AS d FROM web.access";
      const total = expected.rows.length + expected.stagedRows;
      expect(await asked(platform, expected.readerToken, count)).toEqual({
        status: 200,
        rows: [{ n: total, d: total }],
      });
      expect((await asked(platform, expected.readerToken, "SELECT * FROM web.other")).status).toBe(404);
      const pushed = await fetch(new URL("/api/v1/projects/web/datasets/access/rows?ack=committed", platform.url), {
        method: "POST",
        headers: { authorization: `Bearer ${platform.token}`, "content-type": "application/x-ndjson" },
        body: '{"n":1000,"text":"new","price":2.5,"tags":[]}',
      });
      expect(pushed.status).toBe(200);
      const past = await asked(
        platform,
        platform.token,
        `SELECT count(*)::INTEGER AS n FROM web.access AT (VERSION => '${expected.head}')`,
      );
      expect(past.rows).toEqual([{ n: expected.rows.length }]);
      const { manyRows: many, longRows: long, shortRows: short } = expected;
      const counted = Object.entries({ many, long, short }).filter(([, rows]) => rows > 0);
      for (const [dataset, rows] of counted) await goesOn(platform, dataset, rows);
      for (const dataset of ["access", "other", ...counted.map(([name]) => name)]) {
        const verified = await millrace(["verify", `web.${dataset}`], platform);
        expect(verified.code, verified.stdout).toBe(0);
        if (dataset === "long") expect(verified.stdout).toMatch(/1,?02\d slices proven from their copies/);
        if (dataset === "short") expect(verified.stdout).toMatch(/\d+ slices expired/);
      }
      expect(JSON.parse(await readFile(path.join(dataDirectory, "format.json"), "utf8"))).toEqual({
        format: formats.dataFolder,
      });
      expect(JSON.parse(await readFile(path.join(dataDirectory, "objects", "format.json"), "utf8"))).toEqual({
        format: formats.objectStore,
      });
    },
    60_000,
  );
});

describe("what a newer version wrote is refused, told, and left as it is", () => {
  const newer = [
    ["the data folder", "format.json", '{"format":99}'],
    ["the object store", "objects/format.json", '{"format":99}'],
    ["a marker that says something else", "format.json", '{"formats":{"all":"new"}}'],
  ] as const;
  test.each(newer)(
    "%s",
    async (what, file, text) => {
      const source = await unpacked("0", `newer ${what}`);
      await writeFile(path.join(source, file), text);
      for (const command of ["up", "reindex", "restore-definitions"]) {
        const dataDirectory = path.join(folder.path, `${what} ${command}`);
        await cp(source, dataDirectory, { recursive: true });
        const port = command === "up" ? ["--port", "0"] : [];
        const { code, stderr } = await millrace([command, "--data-dir", dataDirectory, ...port]);
        expect([code, stderr], command).toEqual([1, expect.stringContaining("(unsupported_version)")]);
        expect(stderr).toMatch(/hint: .*newer Millrace/);
        const [before, after] = [await contentOf(source), await contentOf(dataDirectory)];
        const names = (found: Record<string, string>, root: string) =>
          Object.entries(found)
            .map(([name, hash]) => `${path.relative(root, name)} ${hash}`)
            // The folder itself is this version's: it may say so, and write its log.
            .filter((line) => file === "format.json" || !/^(log\/|format\.json)/.test(line))
            .sort();
        expect(names(after, dataDirectory)).toEqual(names(before, source));
      }
    },
    60_000,
  );
});

test("a server that runs while a newer version takes its store acknowledges nothing more, and ends in order", async () => {
  const dataDirectory = path.join(folder.path, "running");
  const marker = path.join(dataDirectory, "objects", "format.json");
  const rows = async (platform: Platform) =>
    (await asked(platform, platform.token, "SELECT count(*)::INTEGER AS n FROM web.taken")).rows;
  {
    await using platform = await startPlatform({ dataDirectory });
    await pushRows(platform, "web", "taken", ['{"n":1}']);
    const gone = once(platform.process, "exit");
    await writeFile(marker, JSON.stringify({ format: formats.objectStore + 1 }));
    const pushed = await fetch(new URL("/api/v1/projects/web/datasets/taken/rows?ack=committed", platform.url), {
      method: "POST",
      headers: { authorization: `Bearer ${platform.token}`, "content-type": "application/x-ndjson" },
      body: '{"n":2}',
    });
    // It is staged, and this server says no more.
    expect([pushed.status, await pushed.json()]).toMatchObject([503, { error: { code: "shutting_down" } }]);
    const [code] = await gone;
    expect([code, platform.stderr()]).toEqual([1, expect.stringContaining("(unsupported_version)")]);
    expect(await readdir(dataDirectory)).not.toContain("server.json");
  }
  // What was staged is committed once by whoever may: here the same version, after the number was put back by hand.
  await writeFile(marker, JSON.stringify({ format: formats.objectStore }));
  await using platform = await startPlatform({ dataDirectory });
  await pushRows(platform, "web", "taken", ['{"n":3}']);
  expect(await rows(platform)).toEqual([{ n: 3 }]);
}, 60_000);
