import { existsSync } from "node:fs";
import { appendFile, readdir, rm, stat } from "node:fs/promises";
import path from "node:path";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { tempDirectory, until } from "../kit/index.ts";
import { millrace, type Platform, startPlatform } from "../kit/platform.ts";
import { s3ServerAbsent } from "../kit/s3-program.ts";
import { startS3Proxy } from "../kit/s3-proxy.ts";
import { startS3Server } from "../kit/s3-server.ts";
import { sharedDataAbsent } from "../kit/shared-data.ts";
import { imports, questions, straightAnswers } from "./real-files.ts";

const absent = sharedDataAbsent ?? s3ServerAbsent;

async function ask(platform: Platform, sql: string): Promise<string> {
  const answer = await fetch(`${platform.url}/api/v1/sql?format=csv`, {
    method: "POST",
    headers: { authorization: `Bearer ${platform.token}`, "content-type": "text/plain" },
    body: sql,
  });
  const text = await answer.text();
  expect(answer.status, text).toBe(200);
  return text.split("\n")[1]?.trim() ?? "";
}

/** All answers, in as many queries as there are datasets at once. */
async function answers(platform: Platform): Promise<Record<string, string>> {
  const asked = await Promise.all(questions.map(async ({ name, ours }) => [name, await ask(platform, ours)] as const));
  return Object.fromEntries(asked);
}

async function verifyAll(platform: Platform): Promise<void> {
  for (const [name] of imports) {
    const { code, stdout, stderr } = await millrace(["verify", name], platform);
    expect(code, stdout + stderr).toBe(0);
  }
}

async function metric(platform: Platform, name: string): Promise<number> {
  const text = await (await fetch(`${platform.url}/metrics`)).text();
  return Number(new RegExp(`^millrace_${name} (\\S+)$`, "m").exec(text)?.[1] ?? 0);
}

const slicesIn = async (folder: string) => (await readdir(folder)).filter((name) => name.startsWith("f1620"));

describe.skipIf(absent)(`the whole platform on an S3 store${absent === null ? "" : ` (${absent})`}`, () => {
  test("imports real files, answers, proves, and goes on without the disk that it had", async () => {
    await using server = await startS3Server();
    await using folder = await tempDirectory();
    const environment = server.environment(await server.bucket(), "a/prefix");
    const start = () => startPlatform({ dataDirectory: folder.path, environment });
    const cache = path.join(folder.path, "cache");
    const wanted = await straightAnswers();
    {
      await using platform = await start();
      for (const [name, file] of imports) {
        const { code, stderr } = await millrace(["ingest", name, file], platform);
        expect(code, stderr).toBe(0);
      }
      expect(await answers(platform)).toEqual(wanted);
      await verifyAll(platform);
      expect(existsSync(path.join(folder.path, "objects"))).toBe(false);
      // What was written here is read here: nothing had to come back over the network.
      expect(await metric(platform, "cache_fetched_bytes_total")).toBe(0);
      expect((await slicesIn(cache)).length).toBeGreaterThanOrEqual(imports.length);
    }
    for (const name of await slicesIn(cache)) await appendFile(path.join(cache, name), "what was never there");
    {
      await using platform = await start();
      expect(await answers(platform), "with a cache that was changed").toEqual(wanted);
      expect(await metric(platform, "cache_fetched_bytes_total")).toBeGreaterThan(0);
    }
    {
      await using platform = await start();
      expect(await answers(platform), "with the cache as it was").toEqual(wanted);
      expect(await metric(platform, "cache_fetched_bytes_total")).toBe(0);
    }
    {
      const sizes = await Promise.all(
        (await slicesIn(cache)).map(async (name) => (await stat(path.join(cache, name))).size),
      );
      const [all, largest] = [sizes.reduce((sum, size) => sum + size, 0), Math.max(...sizes)];
      const small = { MILLRACE_CACHE_BYTES: String(Math.ceil(largest + (all - largest) / 3)) };
      await using platform = await startPlatform({
        dataDirectory: folder.path,
        environment: { ...environment, ...small },
      });
      for (let round = 0; round < 3; round++)
        expect(await answers(platform), "all at once with a cache too small for all").toEqual(wanted);
      expect(await metric(platform, "cache_fetched_bytes_total")).toBeGreaterThan(0);
      expect(await metric(platform, "cache_bytes")).toBeLessThanOrEqual(Number(small.MILLRACE_CACHE_BYTES));
    }
    for (const lost of ["cache", "engines", "staging", "log", "postgres"])
      await rm(path.join(folder.path, lost), { recursive: true });
    const restored = await millrace(["restore-definitions", "--data-dir", folder.path], undefined, environment);
    expect(restored.code, restored.stderr).toBe(0);
    {
      await using platform = await start();
      expect(await answers(platform), "from the object store alone").toEqual(wanted);
      const before = Number(await ask(platform, "SELECT count(*) FROM geo.zipcodes"));
      const zipcodes = imports.find(([name]) => name === "geo.zipcodes")?.[1] ?? "";
      const more = await millrace(["ingest", "geo.zipcodes", zipcodes, "--again"], platform);
      expect(more.code, more.stderr).toBe(0);
      expect(await ask(platform, 'SELECT count(*), max("offset") + 1 FROM geo.zipcodes')).toBe(
        `${2 * before},${2 * before}`,
      );
      await verifyAll(platform);
    }
  }, 240_000);

  test("goes on through the death of the S3 server, and loses nothing that it acknowledged", async () => {
    await using server = await startS3Server();
    await using folder = await tempDirectory();
    const environment = server.environment(await server.bucket());
    await using platform = await startPlatform({ dataDirectory: folder.path, environment });
    const push = async (n: number, query: string) => {
      const answer = await fetch(`${platform.url}/api/v1/projects/my/datasets/numbers/rows?create=true${query}`, {
        method: "POST",
        headers: { authorization: `Bearer ${platform.token}`, "content-type": "application/x-ndjson" },
        body: `{"n":${n}}\n`,
      });
      expect(answer.status, await answer.text()).toBeLessThan(300);
    };
    const ready = async () => (await fetch(`${platform.url}/readyz`)).json();
    expect(await ready()).toEqual({ ok: true, parts: { postgres: true, engines: true, objects: true } });
    await push(0, "&ack=committed");
    await server.kill();
    expect(await ready()).toEqual({ ok: false, parts: { postgres: true, engines: true, objects: false } });
    await push(1, ""); // staged: the store is not needed for that
    await server.restart();
    await until("it is ready again", async () => z.object({ ok: z.boolean() }).parse(await ready()).ok);
    await push(2, "&ack=committed");
    expect(await ask(platform, "SELECT list(n ORDER BY n) FROM my.numbers")).toBe(`"[0,1,2]"`);
  }, 120_000);

  test("does not start on a store that lets racing writers win, and says why", async () => {
    await using server = await startS3Server();
    await using folder = await tempDirectory();
    await using proxy = await startS3Proxy(server, async (request, upstream) =>
      "if-none-match" in request.headers && request.key.includes("/race-")
        ? await upstream.putAnyway()
        : await upstream.forward(),
    );
    const environment = { ...server.environment(await server.bucket()), MILLRACE_S3_ENDPOINT: proxy.endpoint };
    const refused = await millrace(["up", "--port", "0", "--data-dir", folder.path], undefined, environment);
    expect(refused.code).toBe(1);
    expect(refused.stderr).toMatch(/16 writers who created one key at the same moment, 16 were told/);
    expect(refused.stderr).toContain("If-None-Match");
    expect(refused.stderr).not.toContain(server.credentials.secretAccessKey);
  });
});
