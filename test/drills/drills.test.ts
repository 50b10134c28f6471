import { cp, mkdir, rm } from "node:fs/promises";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, inject, test } from "vitest";
import { z } from "zod";
import { connect } from "../../src/storage/index.ts";
import { type TempDirectory, tempDirectory } from "../kit/index.ts";
import { millrace, type Platform, startPlatform } from "../kit/platform.ts";
import { s3ServerAbsent } from "../kit/s3-program.ts";
import { startS3Server } from "../kit/s3-server.ts";
import { pushRows } from "../transfer/push.ts";
import { doctor } from "./doctor.ts";

// What an operator may lose, and the way back. Each drill runs the real program, loses something whole, asks the doctor,
// does what it says, and looks whether everything that was acknowledged for good is there.

let folder: TempDirectory;
beforeAll(async () => {
  folder = await tempDirectory();
});
afterAll(async () => await folder?.[Symbol.asyncDispose]());

const views = z.array(z.object({ datasetId: z.string(), project: z.string(), dataset: z.string(), head: z.string() }));

interface Known {
  readonly rows: string;
  readonly datasets: z.infer<typeof views>;
  readonly readerToken: string;
}

async function ask(platform: Platform, method: string, target: string, body?: unknown, token = platform.token) {
  const reply = await fetch(new URL(target, platform.url), {
    method,
    headers: {
      authorization: `Bearer ${token}`,
      ...(body === undefined ? {} : { "content-type": "application/json" }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await reply.text();
  if (!reply.ok) throw new Error(`${method} ${target}: ${reply.status} ${text}`);
  return text === "" ? null : JSON.parse(text);
}

async function rowsOf(platform: Platform, token = platform.token): Promise<string> {
  const sql = 'SELECT n, text, "offset" FROM drill.rows ORDER BY "offset"';
  return JSON.stringify((await ask(platform, "POST", "/api/v1/sql", { sql, rowLimit: 10_000 }, token)).rows);
}

const batch = (from: number) =>
  Array.from({ length: 10 }, (_, row) => JSON.stringify({ n: from + row, text: `row ${from + row}` }));

/** Rows in two datasets, a user with a token and a grant, a secret. */
async function filled(platform: Platform, commits: number): Promise<Known> {
  for (let at = 0; at < commits; at++) await pushRows(platform, "drill", "rows", batch(at * 10));
  await pushRows(platform, "drill", "other", ["{}"]);
  await ask(platform, "POST", "/api/v1/users", { name: "reader", password: "a long password" });
  const { token } = await ask(platform, "POST", "/api/v1/users/reader/tokens", { label: "", scopes: ["read"] });
  await ask(platform, "PUT", "/api/v1/projects/drill/datasets/rows/grants/reader/select");
  await ask(platform, "PUT", "/api/v1/projects/drill/secrets/key", { value: "sealed" });
  return { ...(await seen(platform)), readerToken: token };
}

async function seen(platform: Platform): Promise<Omit<Known, "readerToken">> {
  const { datasets } = await ask(platform, "GET", "/api/v1/projects/drill/datasets");
  return { rows: await rowsOf(platform), datasets: views.parse(datasets) };
}

/** Everything is as it was, under the same ids and tokens, is whole, and takes rows. */
async function checkAll(platform: Platform, known: Known, token = platform.token): Promise<void> {
  const now = { ...(await seen({ ...platform, token })), readerToken: known.readerToken };
  expect(now).toEqual(known);
  expect(await rowsOf(platform, known.readerToken)).toBe(known.rows);
  await expect(
    ask(platform, "GET", "/api/v1/projects/drill/datasets/other", undefined, known.readerToken),
  ).rejects.toThrow();
  const asOwner: Platform = { ...platform, token };
  for (const name of ["drill.rows", "drill.other"]) {
    const { code, stdout } = await millrace(["verify", name], asOwner);
    expect(code, stdout).toBe(0);
  }
  await pushRows(asOwner, "drill", "rows", batch(100_000));
  await pushRows(asOwner, "drill", "made-after", ["{}"]);
}

const stop = (platform: Platform) => platform.end("SIGTERM");

async function restore(dataDirectory: string, environment: Record<string, string> = {}, flags: readonly string[] = []) {
  const result = await millrace(["restore-definitions", "--data-dir", dataDirectory, ...flags], undefined, environment);
  expect(result.code, result.stderr).toBe(0);
  return result;
}

describe("PostgreSQL is lost whole", () => {
  test("the doctor says it, definitions and index come back from the object store", async () => {
    const dataDirectory = path.join(folder.path, "postgres-lost");
    const known = await (async () => {
      await using platform = await startPlatform({ dataDirectory });
      const made = await filled(platform, 66); // more than a checkpoint of the layout covers
      await stop(platform);
      return made;
    })();
    expect(await doctor(dataDirectory)).toMatchObject({ code: 0, problems: [] });
    await rm(path.join(dataDirectory, "postgres"), { recursive: true });
    const found = await doctor(dataDirectory);
    expect(found.code).toBe(1);
    expect(found.problems).toEqual([
      expect.objectContaining({ check: "postgresql", advice: expect.stringContaining("millrace restore-definitions") }),
    ]);
    // Started all the same, it does not begin another history over the one that is there.
    const started = await millrace(["up", "--data-dir", dataDirectory, "--port", "0"]);
    expect([started.code, started.stderr]).toEqual([1, expect.stringContaining("restore-definitions")]);
    await restore(dataDirectory);
    expect(await doctor(dataDirectory, ["--full"])).toMatchObject({ code: 0, problems: [] });
    await using again = await startPlatform({ dataDirectory });
    await checkAll(again, known);
    expect(await doctor(dataDirectory)).toMatchObject({ code: 0, problems: [] });
  }, 120_000);

  test("put back from an old backup, it is told and brought up to what the object store knows", async () => {
    const dataDirectory = path.join(folder.path, "postgres-old");
    const name = `drill_${process.pid}`;
    const template = new URL(inject("postgresUrl"));
    const maintenance = connect(new URL("/maintenance", template).href, 1);
    const environment = { MILLRACE_POSTGRES_URL: new URL(`/${name}`, template).href };
    try {
      await maintenance.unsafe(`CREATE DATABASE ${name} TEMPLATE template0`);
      {
        await using platform = await startPlatform({ dataDirectory, environment });
        await pushRows(platform, "drill", "early", ["{}"]);
        await stop(platform);
      }
      await maintenance.unsafe(`CREATE DATABASE ${name}_backup TEMPLATE ${name}`);
      const known = await (async () => {
        await using platform = await startPlatform({ dataDirectory, environment });
        const made = await filled(platform, 5);
        await stop(platform);
        return made;
      })();
      await maintenance.unsafe(`DROP DATABASE ${name} WITH (FORCE)`);
      await maintenance.unsafe(`CREATE DATABASE ${name} TEMPLATE ${name}_backup`);

      const found = await doctor(dataDirectory, [], environment);
      expect(found.code).toBe(1);
      expect(found.problems).toContainEqual(
        expect.objectContaining({
          check: "definitions",
          advice: expect.stringContaining("restore-definitions --replace"),
        }),
      );
      const started = await millrace(["up", "--data-dir", dataDirectory, "--port", "0"], undefined, environment);
      expect([started.code, started.stderr]).toEqual([1, expect.stringContaining("restore-definitions")]);
      await restore(dataDirectory, environment, ["--replace"]);
      expect(await doctor(dataDirectory, [], environment)).toMatchObject({ code: 0, problems: [] });
      await using again = await startPlatform({ dataDirectory, environment });
      await checkAll(again, known);
      await stop(again);
    } finally {
      for (const database of [name, `${name}_backup`])
        await maintenance.unsafe(`DROP DATABASE IF EXISTS ${database} WITH (FORCE)`);
      await maintenance.end();
    }
  }, 120_000);
});

/** Loses the local disk whole; what is left is the object store that the environment names. */
async function loseDisk(name: string, environment: Record<string, string>): Promise<void> {
  const first = path.join(folder.path, `${name}-first`);
  const second = path.join(folder.path, `${name}-second`);
  const flags = ["--ingest.commitInterval", "3600000"];
  const { known, ownerToken } = await (async () => {
    await using platform = await startPlatform({ dataDirectory: first, flags, environment });
    const made = await filled(platform, 5);
    // Acknowledged into the staging log of the disk that is about to go, and asked for by nobody.
    await ask(platform, "POST", "/api/v1/projects/drill/datasets/other/rows?ack=staged&format=ndjson", { lost: true });
    await platform.end("SIGKILL");
    return { known: made, ownerToken: platform.token };
  })();
  // The embedded PostgreSQL outlives the killed server; it goes with its disk.
  await millrace(["doctor", "--quick", "--data-dir", first], undefined, environment);
  await rm(first, { recursive: true, force: true });

  await mkdir(second, { mode: 0o711 });
  const restored = await restore(second, environment);
  expect(restored.stderr).toContain("a new token of the owner is in");
  expect(await doctor(second, [], environment)).toMatchObject({ code: 0, problems: [] });
  await using platform = await startPlatform({ dataDirectory: second, environment });
  expect(platform.token).not.toBe(ownerToken);
  await checkAll(platform, known);
  // What was known before is valid still; what only the disk had is gone, and nothing else.
  const count = { sql: "SELECT count(*)::INTEGER AS n FROM drill.other" };
  expect((await ask(platform, "POST", "/api/v1/sql", count, ownerToken)).rows).toEqual([{ n: 1 }]);
  await stop(platform);
}

describe("the local disk is lost whole", () => {
  test("with the objects in a folder elsewhere", async () => {
    await loseDisk("disk", { MILLRACE_OBJECT_STORE: `file:${path.join(folder.path, "elsewhere")}` });
  }, 120_000);

  test.skipIf(s3ServerAbsent !== null)(
    `with the objects in a bucket${s3ServerAbsent ? ` (${s3ServerAbsent})` : ""}`,
    async () => {
      await using server = await startS3Server();
      await loseDisk("bucket", server.environment(await server.bucket()));
    },
    120_000,
  );
});

test("a copy of the object store alone is enough to go on from", async () => {
  const dataDirectory = path.join(folder.path, "copied");
  const copy = path.join(folder.path, "copied-objects");
  const known = await (async () => {
    await using platform = await startPlatform({ dataDirectory });
    const made = await filled(platform, 5);
    await stop(platform);
    return made;
  })();
  await cp(path.join(dataDirectory, "objects"), copy, { recursive: true });
  const environment = { MILLRACE_OBJECT_STORE: `file:${copy}` };
  const elsewhere = path.join(folder.path, "copied-elsewhere");
  await mkdir(elsewhere, { mode: 0o711 });
  await restore(elsewhere, environment);
  await using platform = await startPlatform({ dataDirectory: elsewhere, environment });
  await checkAll(platform, known);
}, 120_000);
