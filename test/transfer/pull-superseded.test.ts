import { spawn } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { z } from "zod";
import { type TempDirectory, tempDirectory } from "../kit/index.ts";
import { cleanEnvironment, launcher, millrace, type Platform, startPlatform } from "../kit/platform.ts";
import { compacted, keepAs } from "../kit/platform-layout.ts";
import { pushRows } from "./push.ts";
import { relay } from "./relay.ts";

/** Datasets whose small slices are gone at their origin, or whose rows have expired there, pulled by the real programs. */
let folder: TempDirectory;
let origin: Platform;
let copy: Platform;
/** Hundreds of commits, on a machine that does other things. */
const slowMs = 400_000;
const commits = 66; // one region and some more
const view = z.object({ datasetId: z.string(), seq: z.number(), head: z.string() });
const block = z.object({ blocks: z.array(z.object({ seq: z.number(), hash: z.string(), block: z.unknown() })) });

beforeAll(async () => {
  folder = await tempDirectory();
  [origin, copy] = (await Promise.all(
    ["origin", "copy"].map((name) => startPlatform({ dataDirectory: path.join(folder.path, name) })),
  )) as [Platform, Platform];
  await filled("late", 0, 3);
  expect((await pull("late")).code).toBe(0); // before anything has expired
  await Promise.all([filled("gone", 0, commits), filled("killed", 0, commits), filled("late", 3, commits)]);
  for (const dataset of ["gone", "killed"]) await keepAs(origin, "web", dataset, { keepingTimeMs: 0 });
  await keepAs(origin, "web", "late", { keepingTimeMs: 0, retention: { rows: 3 } });
  for (const dataset of ["gone", "killed", "late"]) await compacted(origin, "web", dataset);
}, slowMs);

afterAll(async () => {
  await Promise.all([origin, copy].map((one) => one?.[Symbol.asyncDispose]()));
  await folder?.[Symbol.asyncDispose]();
});

async function filled(dataset: string, from: number, to: number): Promise<void> {
  for (let n = from; n < to; n++)
    await pushRows(origin, "web", dataset, [
      JSON.stringify({ n, text: `row ${n}`, at: "2026-01-01", price: n + 0.5, tags: [`t${n}`] }),
      ...(n % 20 === 7 ? ["no json"] : []),
    ]);
}

const ask = (platform: Platform, target: string) =>
  fetch(new URL(target, platform.url), { headers: { authorization: `Bearer ${platform.token}` } });

async function head(platform: Platform, project: string, dataset: string): Promise<z.infer<typeof view>> {
  return view.parse(await (await ask(platform, `/api/v1/projects/${project}/datasets/${dataset}`)).json());
}

async function rowsOf(platform: Platform, dataset: string, where = "true"): Promise<string> {
  const sql = `SELECT * FROM ${dataset} WHERE ${where} ORDER BY "offset"`;
  const { code, stdout, stderr } = await millrace(["sql", sql, "--format", "json"], platform);
  expect(code, stderr).toBe(0);
  return stdout;
}

const pull = (dataset: string, more: readonly string[] = [], to = copy) =>
  millrace(["pull", `${origin.url}/odf/web/${dataset}`, "--as", `mirror.${dataset}`, ...more], to, {
    MILLRACE_ORIGIN_TOKEN: origin.token,
  });

/** Hash of a slice that was superseded, and of its block. */
async function firstSlice(dataset: string): Promise<{ readonly slice: string; readonly block: string }> {
  const { blocks } = block.parse(
    await (await ask(origin, `/api/v1/projects/web/datasets/${dataset}/blocks?limit=100`)).json(),
  );
  for (const one of blocks.toReversed()) {
    const slice = /"physicalHash":"(f1620[0-9a-f]{64})"/.exec(JSON.stringify(one.block))?.[1];
    if (slice !== undefined) return { slice, block: one.hash };
  }
  throw new Error("no block names a slice");
}

async function isWhole(dataset: string, where = copy): Promise<void> {
  expect(await head(where, "mirror", dataset)).toMatchObject(await head(origin, "web", dataset));
  expect(await rowsOf(where, `mirror.${dataset}`)).toBe(await rowsOf(origin, `web.${dataset}`));
  const verified = await millrace(["verify", `mirror.${dataset}`], where);
  expect(verified.code, verified.stdout + verified.stderr).toBe(0);
}

test("what is no longer kept as it was committed is 410, with a code and a sentence, and what stands for it is served", async () => {
  const { slice, block } = await firstSlice("gone");
  const gone = await ask(origin, `/odf/web/gone/data/${slice}`);
  expect([gone.status, await gone.json()]).toMatchObject([
    410,
    { error: { code: "data_expired", message: expect.stringContaining(slice), data: { expiredBefore: 0 } } },
  ]);
  const region = await ask(origin, `/odf/web/gone/regions/${block}`);
  expect([region.status, region.headers.get("cache-control")]).toEqual([200, "no-cache"]);
  const none = [`regions/${slice}`, "regions/nonsense", "copies/nonsense", `copies/${slice}`, "copies/..%2Flog"];
  for (const target of none) expect((await ask(origin, `/odf/web/gone/${target}`)).status, target).toBe(404);
  const absent = `copies/1-000000000000-f1620${"0".repeat(64)}`;
  expect((await ask(origin, `/odf/web/gone/${absent}`)).status).toBe(410);
});

test(
  "a dataset whose slices are superseded is pulled, verified and followed; its rows are those of the origin",
  async () => {
    const first = await pull("gone");
    expect(first.code, first.stderr).toBe(0);
    await isWhole("gone");
    const verified = await millrace(["verify", "mirror.gone"], copy);
    expect(verified.stdout).toMatch(/\d+ slices proven from their copies/);
    const narrow = "n BETWEEN 10 AND 12 AND text <> 'row 11'"; // pruned by the statistics of the copies
    expect(await rowsOf(copy, "mirror.gone", narrow)).toBe(await rowsOf(origin, "web.gone", narrow));
    await filled("gone", commits, commits + 5);
    const second = await pull("gone");
    expect(second.code, second.stderr).toBe(0);
    await isWhole("gone");
    expect((await pull("gone")).stdout).toContain("nothing new");
  },
  slowMs,
);

test(
  "a pull that is killed anywhere goes on, and readers see a beginning of the origin's rows",
  async () => {
    await using server = await relay(`${origin.url}/odf/web/killed`, origin.token);
    const all = JSON.parse(await rowsOf(origin, "web.killed"));
    let runs = 0;
    // Killed behind the walk back first, then at the 2nd, 3rd, 4th ... request of each run.
    for (let at = commits + 8; ; at = 1 + runs) {
      const child = spawn(launcher, ["pull", server.url, "--as", "mirror.killed"], {
        stdio: "ignore",
        env: { ...cleanEnvironment(), MILLRACE_URL: copy.url, MILLRACE_TOKEN: copy.token },
      });
      const before = server.asked.length;
      server.onRequest = () => {
        if (server.asked.length - before === at) child.kill("SIGKILL");
      };
      await once(child, "exit");
      runs++;
      if ((await ask(copy, "/api/v1/projects/mirror/datasets/killed")).status === 200) {
        const rows = JSON.parse(await rowsOf(copy, "mirror.killed"));
        expect(all.slice(0, rows.length)).toEqual(rows);
      }
      if (child.exitCode === 0) break;
      expect(runs).toBeLessThan(60);
    }
    expect(runs).toBeGreaterThan(2);
    expect(server.asked.some((target) => target.startsWith("copies/"))).toBe(true);
    await isWhole("killed");
  },
  slowMs,
);

test(
  "where rows have expired at the origin, a new copy has those that are left",
  async () => {
    await using fresh = await startPlatform({ dataDirectory: path.join(folder.path, "fresh") });
    const { code, stderr } = await pull("late", [], fresh);
    expect(code, stderr).toBe(0);
    await isWhole("late", fresh);
    const verified = await millrace(["verify", "mirror.late"], fresh);
    expect(verified.stdout).toMatch(/\d+ slices expired/);
  },
  slowMs,
);

test(
  "a copy with rows that have expired at the origin, which cannot go on with them, lets them go when it is told to",
  async () => {
    const kept = await rowsOf(copy, "mirror.late");
    expect(JSON.parse(kept)).toHaveLength(3);
    const refused = await pull("late");
    expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining("(data_expired")]);
    expect(refused.stderr).toContain("--drop-expired");
    expect(await rowsOf(copy, "mirror.late")).toBe(kept);
    const told = await pull("late", ["--drop-expired"]);
    expect(told.code, told.stderr).toBe(0);
    await isWhole("late");
  },
  slowMs,
);
