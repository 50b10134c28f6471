import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdir, readFile } from "node:fs/promises";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import { type TempDirectory, tempDirectory, until } from "../kit/index.ts";
import { cleanEnvironment, launcher, millrace, type Platform, startPlatform } from "../kit/platform.ts";
import { s3ServerAbsent } from "../kit/s3-program.ts";
import { startS3Server } from "../kit/s3-server.ts";
import { pushRows } from "./push.ts";
import { type Misbehaviour, staticOrigin } from "./static-origin.ts";

let folder: TempDirectory;
let origin: Platform;
let copy: Platform;
const view = z.object({ datasetId: z.string(), seq: z.number(), head: z.string(), rows: z.number() });

beforeAll(async () => {
  folder = await tempDirectory();
  [origin, copy] = (await Promise.all(
    ["origin", "copy"].map((name) => startPlatform({ dataDirectory: path.join(folder.path, name) })),
  )) as [Platform, Platform];
}, 60_000);

afterAll(async () => {
  await Promise.all([origin, copy].map((one) => one?.[Symbol.asyncDispose]()));
  await folder?.[Symbol.asyncDispose]();
});

async function ask(platform: Platform, target: string, init: RequestInit = {}): Promise<Response> {
  return await fetch(new URL(target, platform.url), {
    ...init,
    headers: { authorization: `Bearer ${platform.token}`, ...init.headers },
  });
}

async function head(platform: Platform, project: string, dataset: string): Promise<z.infer<typeof view>> {
  return view.parse(await (await ask(platform, `/api/v1/projects/${project}/datasets/${dataset}`)).json());
}

function objectsOf(platform: Platform, datasetId: string): string {
  return path.join(platform.dataDirectory, "objects", "datasets", datasetId.slice("did:odf:".length));
}

/** Every object below these parts of a dataset's folder. */
async function bytesOf(platform: Platform, datasetId: string): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  for (const part of ["blocks", "data", "checkpoints", "quarantine", "log"]) {
    const inside = path.join(objectsOf(platform, datasetId), part);
    for (const name of await readdir(inside).catch(() => []))
      found[`${part}/${name}`] = (await readFile(path.join(inside, name))).toString("base64");
  }
  return found;
}

/** A dataset with some commits, rows that fit and rows that do not. */
async function filled(dataset: string, commits: number): Promise<z.infer<typeof view>> {
  for (let batch = 0; batch < commits; batch++) {
    const rows = Array.from({ length: 20 }, (_, row) =>
      JSON.stringify({ n: batch * 20 + row, text: `${dataset} ${row}` }),
    );
    await pushRows(origin, "web", dataset, batch % 2 === 0 ? rows : [...rows, "no json"]);
  }
  return await head(origin, "web", dataset);
}

const pull = (url: string, name: string, more: Record<string, string> = {}) =>
  millrace(["pull", url, "--as", name], copy, { MILLRACE_ORIGIN_TOKEN: origin.token, ...more });

async function rowsOf(platform: Platform, dataset: string, order = '"offset"'): Promise<string> {
  const sql = `SELECT * FROM ${dataset} ORDER BY ${order}`;
  const { code, stdout, stderr } = await millrace(["sql", sql, "--format", "json"], platform);
  expect(code, stderr).toBe(0);
  return stdout;
}

describe("a copy", () => {
  test("is the origin byte for byte, goes on as it grows, is whole, and takes no rows", async () => {
    const url = `${origin.url}/odf/web/first`;
    let there = await filled("first", 3);
    for (const more of [0, 2]) {
      if (more > 0) there = await filled("first", more);
      const { code, stdout, stderr } = await pull(url, "mirror.first");
      expect(code, stderr).toBe(0);
      expect(stdout).toContain(`mirror.first is at block ${there.seq}, ${there.head}`);
      expect(stdout + stderr).not.toContain(origin.token);
      const here = await head(copy, "mirror", "first");
      expect(here).toMatchObject(there);
      const [mine, theirs] = [await bytesOf(copy, here.datasetId), await bytesOf(origin, there.datasetId)];
      expect(Object.keys(mine).sort()).toEqual(Object.keys(theirs).sort());
      expect(mine).toEqual(theirs);
      expect(await rowsOf(copy, "mirror.first")).toBe(await rowsOf(origin, "web.first"));
      const aside = await rowsOf(copy, "mirror.first__quarantine", "received_at");
      expect(aside).toBe(await rowsOf(origin, "web.first__quarantine", "received_at"));
      expect((await millrace(["verify", "mirror.first"], copy)).code).toBe(0);
    }
    const again = await pull(url, "mirror.first");
    expect([again.code, again.stdout]).toEqual([0, expect.stringContaining("nothing new")]);

    const pushed = await ask(copy, "/api/v1/projects/mirror/datasets/first/rows?ack=staged", {
      method: "POST",
      headers: { "content-type": "application/x-ndjson" },
      body: '{"n":1}',
    });
    expect([pushed.status, await pushed.json()]).toMatchObject([409, { error: { code: "dataset_read_only" } }]);
    expect((await head(copy, "mirror", "first")).head).toBe(there.head);
    // It serves on what it copied.
    const third = await ask(copy, "/odf/mirror/first/refs/head");
    expect(await third.text()).toBe(there.head);
  });

  test("comes from a plain web server over the folder, too, and nothing is fetched twice", async () => {
    const there = await filled("plain", 4);
    await using server = await staticOrigin(objectsOf(origin, there.datasetId));
    expect((await pull(server.url, "mirror.plain")).code).toBe(0);
    await filled("plain", 2);
    expect((await pull(server.url, "mirror.plain")).code).toBe(0);
    const now = await head(origin, "web", "plain");
    expect(await head(copy, "mirror", "plain")).toMatchObject(now);
    const objects = server.asked.filter((name) => name !== "refs/head");
    expect(new Set(objects).size).toBe(objects.length);
    expect(objects.filter((name) => name.startsWith("blocks/")).length).toBe(now.seq + 1);
  });

  test("goes on where it was, whenever the process is killed", async () => {
    const there = await filled("killed", 6);
    await using server = await staticOrigin(objectsOf(origin, there.datasetId));
    // Killed at the 2nd, 3rd, 4th ... request of each run: some in the walk, some among objects.
    let runs = 0;
    for (let at = 2; ; at += 3) {
      const child = spawn(launcher, ["pull", server.url, "--as", "mirror.killed"], {
        stdio: "ignore",
        env: { ...cleanEnvironment(), MILLRACE_URL: copy.url, MILLRACE_TOKEN: copy.token },
      });
      const before = server.asked.length;
      server.misbehave = async () => {
        if (server.asked.length - before !== at) return false;
        child.kill("SIGKILL");
        return true;
      };
      await once(child, "exit");
      runs++;
      const here = await ask(copy, "/api/v1/projects/mirror/datasets/killed");
      // A reader sees a prefix of the origin's chain, or nothing.
      if (here.status === 200) {
        const { seq, head: reached } = view.parse(await here.json());
        const entry = await readFile(
          path.join(objectsOf(origin, there.datasetId), "log", String(seq).padStart(12, "0")),
          "utf8",
        );
        expect(reached).toBe(entry);
      }
      if (child.exitCode === 0) break;
      expect(runs).toBeLessThan(40);
    }
    expect(runs).toBeGreaterThan(3);
    expect(await head(copy, "mirror", "killed")).toMatchObject(there);
    expect((await millrace(["verify", "mirror.killed"], copy)).code).toBe(0);
    expect(await readdir(path.join(copy.dataDirectory, "objects", "replicas", "mirror", "killed", "blocks"))).toEqual(
      [],
    );
  }, 120_000);

  test("follows until it is told to stop", async () => {
    await filled("followed", 1);
    const child = spawn(launcher, ["pull", `${origin.url}/odf/web/followed`, "--as", "mirror.followed", "--follow"], {
      stdio: ["ignore", "ignore", "inherit"],
      env: {
        ...cleanEnvironment(),
        MILLRACE_URL: copy.url,
        MILLRACE_TOKEN: copy.token,
        MILLRACE_ORIGIN_TOKEN: origin.token,
      },
    });
    try {
      const follows = async () => {
        const reply = await ask(copy, "/api/v1/projects/mirror/datasets/followed");
        const there = await head(origin, "web", "followed");
        return reply.status === 200 && view.parse(await reply.json()).head === there.head;
      };
      await until("the first copy", follows);
      await filled("followed", 2);
      await until("what came later", follows);
    } finally {
      child.kill("SIGINT");
    }
    const [code] = await once(child, "exit");
    expect(code).toBe(0);
  }, 60_000);
});

describe.skipIf(s3ServerAbsent)(`in a bucket${s3ServerAbsent === null ? "" : ` (${s3ServerAbsent})`}`, () => {
  test("a copy is proven, goes on, and takes no rows, as in a folder", async () => {
    await filled("bucketed", 2);
    await using server = await startS3Server();
    await using mirror = await startPlatform({
      dataDirectory: path.join(folder.path, "bucketed"),
      environment: server.environment(await server.bucket()),
    });
    const args = ["pull", `${origin.url}/odf/web/bucketed`, "--as", "mirror.bucketed"];
    for (const more of [0, 1]) {
      if (more > 0) await filled("bucketed", more);
      const { code, stderr } = await millrace(args, mirror, { MILLRACE_ORIGIN_TOKEN: origin.token });
      expect(code, stderr).toBe(0);
      expect(await head(mirror, "mirror", "bucketed")).toMatchObject(await head(origin, "web", "bucketed"));
    }
    expect(await rowsOf(mirror, "mirror.bucketed")).toBe(await rowsOf(origin, "web.bucketed"));
    expect((await millrace(["verify", "mirror.bucketed"], mirror)).code).toBe(0);
    await expect(pushRows(mirror, "mirror", "bucketed", ['{"n":1}'])).rejects.toThrow("dataset_read_only");
  }, 120_000);
});

describe("what an origin can do wrong", () => {
  const flip = (bytes: Buffer) => {
    const wrong = Buffer.from(bytes);
    wrong[wrong.length >> 1] = (wrong[wrong.length >> 1] ?? 0) ^ 1;
    return wrong;
  };
  const instead =
    (part: string, change: (bytes: Buffer) => Buffer): Misbehaviour =>
    async (name, response, file) => {
      if (!name.startsWith(part)) return false;
      response.end(change(await file()));
      return true;
    };
  const endless: (part: string) => Misbehaviour = (part) => (name, response) => {
    if (!name.startsWith(part)) return false;
    const go = () => {
      while (response.write(Buffer.alloc(65_536)));
    };
    response.on("drain", go);
    go();
    return true;
  };
  const cases: readonly (readonly [string, Misbehaviour, string])[] = [
    ["wrong bytes of a slice", instead("data/", flip), "replica_refused"],
    ["a slice of another size", instead("data/", (bytes) => bytes.subarray(1)), "replica_refused"],
    ["wrong bytes of a block", instead("blocks/", flip), "replica_refused"],
    ["wrong quarantined rows", instead("quarantine/", flip), "replica_refused"],
    ["a head that is no hash", instead("refs/", () => Buffer.from("../../etc/passwd")), "replica_refused"],
    ["a head without end", endless("refs/"), "replica_refused"],
    ["a block without end", endless("blocks/"), "replica_refused"],
    ["a slice without end", endless("data/"), "replica_refused"],
    [
      "another address",
      (_name, response) => {
        response.writeHead(302, { location: "http://127.0.0.1:9/secret" }).end();
        return true;
      },
      "forbidden",
    ],
    [
      "a slice that is no longer kept",
      (name, response) => {
        if (!name.startsWith("data/")) return false;
        response.writeHead(410).end();
        return true;
      },
      "data_expired",
    ],
  ];

  test("is refused by its name, and a copy that is there stays as it was", async () => {
    const there = await filled("hostile", 2);
    await using server = await staticOrigin(objectsOf(origin, there.datasetId));
    expect((await pull(server.url, "mirror.hostile")).code).toBe(0);
    for (const [what, misbehave, code] of cases) {
      await filled("hostile", 2); // so that there is something to fetch of each part
      server.misbehave = misbehave;
      const result = await pull(server.url, "mirror.hostile");
      expect([result.code, result.stderr], what).toEqual([1, expect.stringContaining(`(${code}`)]);
      // Blocks whose own bytes and objects were good may have followed; never one more.
      const here = await head(copy, "mirror", "hostile");
      const entry = path.join(objectsOf(origin, there.datasetId), "log", String(here.seq).padStart(12, "0"));
      expect(here.head, what).toBe(await readFile(entry, "utf8"));
    }
    server.misbehave = () => false;
    expect((await pull(server.url, "mirror.hostile")).code).toBe(0);
    expect((await millrace(["verify", "mirror.hostile"], copy)).code).toBe(0);
  }, 120_000);

  test("another history of the dataset, or an older one, does not touch the copy", async () => {
    const there = await filled("forked", 3);
    expect((await pull(`${origin.url}/odf/web/forked`, "mirror.forked")).code).toBe(0);
    const logged = await readFile(
      path.join(objectsOf(origin, there.datasetId), "log", String(there.seq - 1).padStart(12, "0")),
      "utf8",
    );
    await using server = await staticOrigin(objectsOf(origin, there.datasetId));
    server.misbehave = instead("refs/", () => Buffer.from(logged));
    const older = await pull(server.url, "mirror.forked");
    expect([older.code, older.stderr]).toEqual([0, expect.stringContaining("an older block")]);

    // The dataset as it was put back from a backup, and written anew.
    await using rewritten = await staticOrigin(objectsOf(origin, (await filled("unrelated", 4)).datasetId));
    const other = await pull(rewritten.url, "mirror.forked");
    expect([other.code, other.stderr]).toEqual([1, expect.stringContaining("(replica_diverged")]);
    expect(await head(copy, "mirror", "forked")).toMatchObject(there);
  }, 60_000);
});

describe("names and rights", () => {
  test("a dataset is not copied onto its own platform, nor over another one", async () => {
    await filled("own", 1);
    const url = `${origin.url}/odf/web/own`;
    const names = [
      ["web.own", "conflict"],
      ["mirror.own", "already_exists"],
    ] as const;
    for (const [name, code] of names) {
      const result = await millrace(["pull", url, "--as", name], origin, { MILLRACE_ORIGIN_TOKEN: origin.token });
      expect([result.code, result.stderr], name).toEqual([1, expect.stringContaining(`(${code}`)]);
    }
    await pushRows(origin, "web", "own", ['{"n":1}']); // and takes rows as before
    expect((await millrace(["verify", "web.own"], origin)).code).toBe(0);
    await pushRows(copy, "mirror", "taken", ['{"n":1}']);
    const taken = await pull(url, "mirror.taken");
    expect([taken.code, taken.stderr]).toEqual([1, expect.stringContaining("(conflict")]);
  });

  test("a copy is moved on by who has admin on it, and by nobody else", async () => {
    await filled("rights", 1);
    expect((await pull(`${origin.url}/odf/web/rights`, "mirror.rights")).code).toBe(0);
    const json = { "content-type": "application/json" };
    const made = {
      method: "POST",
      headers: json,
      body: JSON.stringify({ name: "mover", password: "a long password" }),
    };
    expect((await ask(copy, "/api/v1/users", made)).status).toBe(201);
    for (const privilege of ["select", "insert", "alter"])
      await ask(copy, `/api/v1/projects/mirror/datasets/rights/grants/mover/${privilege}`, { method: "PUT" });
    const authorization = `Basic ${Buffer.from("mover:a long password").toString("base64")}`;
    const door = "/api/v1/projects/mirror/datasets/rights/replica";
    const hash = `f1620${"0".repeat(64)}`;
    const tries: readonly (readonly [string, string, string])[] = [
      ["POST", `${door}/walk`, JSON.stringify({ from: hash })],
      ["POST", `${door}/blocks`, "\u0004\u0000\u0000\u0000abcd"],
      ["DELETE", `${door}/blocks`, ""],
      ["PUT", `${door}/objects/data/${hash}?block=${hash}`, "bytes"],
      ["POST", `${door}/advance`, JSON.stringify({ blocks: [] })],
      ["PUT", door, JSON.stringify({ origin: "https://origin.example", seed: hash })],
    ];
    const send = async (method: string, target: string, body: string) => {
      const headers = { ...json, authorization };
      const reply = await fetch(new URL(target, copy.url), { method, headers, ...(body === "" ? {} : { body }) });
      await reply.text();
      return reply.status;
    };
    for (const [method, target, body] of tries)
      expect([403, 404], `${method} ${target}`).toContain(await send(method, target, body));
    await ask(copy, "/api/v1/projects/mirror/datasets/rights/grants/mover/admin", { method: "PUT" });
    expect(await send("POST", `${door}/advance`, JSON.stringify({ blocks: [] }))).toBe(200);
    expect(await send("POST", `${door}/blocks`, "\u0004\u0000\u0000\u0000abcd")).toBe(422); // no block
    expect(await send("POST", `${door}/blocks`, "abcd")).toBe(400); // no frame
  });

  test("the origin's token is needed, read from file or environment, and never shown", async () => {
    await filled("closed", 1);
    const url = `${origin.url}/odf/web/closed`;
    const without = await millrace(["pull", url, "--as", "mirror.closed"], copy);
    expect([without.code, without.stderr]).toEqual([1, expect.stringContaining("(unauthenticated")]);
    const wrong = await pull(url, "mirror.closed", { MILLRACE_ORIGIN_TOKEN: "mlr_not_this_one" });
    expect(wrong.code).toBe(1);
    expect(wrong.stderr).not.toContain("not_this_one");
    const file = path.join(origin.dataDirectory, "owner.token");
    expect((await millrace(["pull", url, "--as", "mirror.closed", "--origin-token-file", file], copy)).code).toBe(0);
    for (const bad of ["nonsense", "ftp://host/odf/a/b", "http://user:pw@host/odf/a/b"])
      expect((await millrace(["pull", bad, "--as", "a.b"], copy)).code).toBe(2);
    expect((await millrace(["pull", "http://host.example/odf/a/b"], copy, { MILLRACE_ORIGIN_TOKEN: "t" })).code).toBe(
      1,
    );
  });
});
