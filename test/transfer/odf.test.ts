import { createHash } from "node:crypto";
import { readdir, readFile, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import { type TempDirectory, tempDirectory } from "../kit/index.ts";
import { type Platform, startPlatform } from "../kit/platform.ts";
import { pushRows } from "./push.ts";

let folder: TempDirectory;
let platform: Platform;
let root: string;
let head: string;

const ask = (target: string, init: RequestInit = {}) => {
  const headers = new Headers(init.headers);
  if (!headers.has("authorization")) headers.set("authorization", `Bearer ${platform.token}`);
  return fetch(new URL(target, platform.url), { ...init, headers });
};
const named = z.object({ datasetId: z.string() });

/** The dataset's folder in the object store. */
async function folderOf(dataset: string): Promise<string> {
  const { datasetId } = named.parse(await (await ask(`/api/v1/projects/odf/datasets/${dataset}`)).json());
  return path.join(folder.path, "data", "objects", "datasets", datasetId.slice("did:odf:".length));
}

async function code(reply: Response): Promise<unknown> {
  return z.object({ error: z.object({ code: z.string() }) }).parse(await reply.json()).error.code;
}

beforeAll(async () => {
  folder = await tempDirectory();
  platform = await startPlatform({ dataDirectory: path.join(folder.path, "data") });
  for (let batch = 0; batch < 3; batch++) {
    const rows = Array.from({ length: 50 }, (_, row) => JSON.stringify({ n: batch * 50 + row, text: `row ${row}` }));
    await pushRows(platform, "odf", "one", [...rows, "no json"]);
  }
  await pushRows(platform, "odf", "two", ['{"other":1}']);
  root = await folderOf("one");
  head = await (await ask("/odf/odf/one/refs/head")).text();
}, 60_000);

afterAll(async () => {
  await platform?.[Symbol.asyncDispose]();
  await folder?.[Symbol.asyncDispose]();
});

describe("objects by their hashes", () => {
  test("refs/head names the newest block, and every object of the folder is served byte for byte", async () => {
    expect(head).toBe((await readFile(path.join(root, "refs", "head"), "utf8")).trim());
    const served: Record<string, number> = {};
    for (const part of ["blocks", "data", "quarantine"] as const) {
      const names = await readdir(path.join(root, part));
      for (const name of names) {
        const reply = await ask(`/odf/odf/one/${part}/${name}`);
        const bytes = Buffer.from(await reply.arrayBuffer());
        expect(reply.status).toBe(200);
        expect(name).toBe(`f1620${createHash("sha3-256").update(bytes).digest("hex")}`);
        expect(reply.headers.get("etag")).toBe(`"${name}"`);
        expect(reply.headers.get("cache-control")).toBe("private, max-age=31536000, immutable");
        expect(reply.headers.get("content-type")).toBe(
          part === "blocks" ? "application/octet-stream" : "application/vnd.apache.parquet",
        );
      }
      served[part] = names.length;
    }
    expect(served).toEqual({ blocks: 5, data: 3, quarantine: 3 }); // Seed, SetDataSchema, three times AddData
  });

  test("ranges, conditions and HEAD are answered as HTTP says", async () => {
    const [slice = ""] = await readdir(path.join(root, "data"));
    const whole = await readFile(path.join(root, "data", slice));
    const target = `/odf/odf/one/data/${slice}`;
    const ranged = async (range: string, more: Record<string, string> = {}) => {
      const reply = await ask(target, { headers: { range, ...more } });
      return {
        status: reply.status,
        of: reply.headers.get("content-range"),
        bytes: Buffer.from(await reply.arrayBuffer()),
      };
    };
    const last = whole.length - 1;
    expect(await ranged("bytes=0-3")).toEqual({
      status: 206,
      of: `bytes 0-3/${whole.length}`,
      bytes: whole.subarray(0, 4),
    });
    expect(await ranged(`bytes=10-${whole.length + 50}`)).toMatchObject({ status: 206, bytes: whole.subarray(10) });
    expect(await ranged("bytes=-4")).toEqual({
      status: 206,
      of: `bytes ${whole.length - 4}-${last}/${whole.length}`,
      bytes: whole.subarray(-4),
    });
    expect(await ranged(`bytes=${whole.length}-`)).toMatchObject({ status: 416, of: `bytes */${whole.length}` });
    expect(await ranged("bytes=-0")).toMatchObject({ status: 416 });
    for (const odd of ["bytes=5-2", "bytes=0-1,4-5", "rows=0-1", "bytes=-"])
      expect(await ranged(odd)).toMatchObject({ status: 200, of: null, bytes: whole });
    expect(await ranged("bytes=0-3", { "if-range": `"${slice}"` })).toMatchObject({ status: 206 });
    expect(await ranged("bytes=0-3", { "if-range": '"another"' })).toMatchObject({ status: 200 });

    const known = await ask(target, { headers: { "if-none-match": `"a", W/"${slice}"` } });
    expect([known.status, await known.text()]).toEqual([304, ""]);
    const headed = await ask(target, { method: "HEAD" });
    expect([headed.status, headed.headers.get("content-length"), await headed.text()]).toEqual([
      200,
      String(whole.length),
      "",
    ]);
    const unchanged = await ask("/odf/odf/one/refs/head", { headers: { "if-none-match": `"${head}"` } });
    expect(unchanged.status).toBe(304);
    expect((await ask("/odf/odf/one/refs/head", { method: "HEAD" })).headers.get("cache-control")).toBe("no-cache");
  });
});

describe("only what the chain names", () => {
  test("objects of other datasets, of lost commits and of no name are not found", async () => {
    const other = await folderOf("two");
    const [stray = ""] = await readdir(path.join(other, "blocks"));
    const [slice = ""] = await readdir(path.join(other, "data"));
    for (const target of [`blocks/${stray}`, `data/${slice}`, "blocks/nonsense", `blocks/f1620${"0".repeat(64)}`])
      expect((await ask(`/odf/odf/one/${target}`)).status, target).toBe(404);

    // A lost commit leaves a block and a slice that the log does not name.
    const orphan = await readFile(path.join(other, "blocks", stray));
    await writeFile(path.join(root, "blocks", stray), orphan);
    await writeFile(path.join(root, "data", slice), await readFile(path.join(other, "data", slice)));
    try {
      expect((await ask(`/odf/odf/one/blocks/${stray}`)).status).toBe(404);
      expect((await ask(`/odf/odf/one/data/${slice}`)).status).toBe(404);
    } finally {
      await rm(path.join(root, "blocks", stray));
      await rm(path.join(root, "data", slice));
    }
  });

  test("a slice that the chain names and nobody keeps is gone, not unknown", async () => {
    const [slice = ""] = await readdir(path.join(root, "data"));
    const file = path.join(root, "data", slice);
    const bytes = await readFile(file);
    await rm(file);
    try {
      const reply = await ask(`/odf/odf/one/data/${slice}`);
      expect([reply.status, await code(reply)]).toEqual([410, "data_expired"]);
    } finally {
      await writeFile(file, bytes);
    }
  });

  test("who may not read the dataset gets nothing of it", async () => {
    const made = await ask("/api/v1/users", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ name: "reader", password: "a long password" }),
    });
    expect(made.status).toBe(201);
    const authorization = `Basic ${Buffer.from("reader:a long password").toString("base64")}`;
    const [block = ""] = await readdir(path.join(root, "blocks"));
    const asReader = (target: string) => ask(target, { headers: { authorization } });
    for (const target of ["refs/head", `blocks/${block}`])
      expect([403, 404], target).toContain((await asReader(`/odf/odf/one/${target}`)).status);
    expect((await fetch(new URL("/odf/odf/one/refs/head", platform.url))).status).toBe(401);
    const granted = await ask("/api/v1/projects/odf/datasets/one/grants/reader/select", { method: "PUT" });
    expect(granted.status).toBeLessThan(300);
    expect((await asReader("/odf/odf/one/refs/head")).status).toBe(200);
    expect([403, 404]).toContain((await asReader("/odf/odf/two/refs/head")).status);
  });
});
