// Writes folders/format-N.tar.gz and format-N.json: a small data folder as this version leaves it, and what must be found in it.
// N is the object store's number. Run it once when a format is new (`node test/upgrades/write-folder.ts`), and keep what it wrote for ever: it stands for the
// folders that users have. PostgreSQL's cluster is left out: it is rebuilt from the rest, and migrations have their own test.
import { execFileSync } from "node:child_process";
import { readFile, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { formats } from "../../src/server/index.ts";
import { tempDirectory } from "../kit/index.ts";
import { millrace, startPlatform } from "../kit/platform.ts";
import { compacted, keepAs } from "../kit/platform-layout.ts";

const format = String(formats.objectStore);
const target = path.join(import.meta.dirname, "folders", `format-${format}`);

await using folder = await tempDirectory();
const dataDirectory = path.join(folder.path, "data");
const patient = { dataDirectory, flags: ["--ingest.commitInterval", "3600000"] };
let platform = await startPlatform(patient);

async function send(method: string, target: string, body?: unknown): Promise<unknown> {
  const isText = typeof body === "string";
  const reply = await fetch(new URL(target, platform.url), {
    method,
    headers: {
      authorization: `Bearer ${platform.token}`,
      ...(body === undefined ? {} : { "content-type": isText ? "application/x-ndjson" : "application/json" }),
    },
    ...(body === undefined ? {} : { body: isText ? body : JSON.stringify(body) }),
  });
  const text = await reply.text();
  if (!reply.ok) throw new Error(`${method} ${target}: ${reply.status} ${text}`);
  return text === "" ? null : JSON.parse(text);
}

async function count(dataset: string): Promise<unknown> {
  const sql = `SELECT count(*)::INTEGER AS n FROM web.${dataset}`;
  const { rows } = (await send("POST", "/api/v1/sql", { sql, format: "json" })) as { rows: { n: unknown }[] };
  return rows[0]?.n;
}

const rows = (dataset: string, ack: string) => `/api/v1/projects/web/datasets/${dataset}/rows?create=true&ack=${ack}`;
const lines = (from: number, count: number, more: Record<string, unknown> = {}) =>
  Array.from({ length: count }, (_, row) => JSON.stringify({ n: from + row, text: `row ${from + row}`, ...more })).join(
    "\n",
  );
await send("POST", rows("access", "committed"), lines(0, 100));
await send("POST", rows("access", "committed"), `${lines(100, 50)}\nno json at all`);
await send("POST", rows("access", "committed"), lines(150, 50, { price: 1.5, tags: ["a", "b"] }));
await send("POST", rows("other", "committed"), lines(0, 10));
const numbered = async (dataset: string, commits: number) => {
  for (let n = 0; n < commits; n++) await send("POST", rows(dataset, "committed"), JSON.stringify({ n }));
};
// Enough commits for a checkpoint of the layout, a pack, and copies of two levels; and for a region whose rows have expired.
await Promise.all([numbered("long", 1_050), numbered("short", 70)]);
await keepAs(platform, "web", "long", { keepingTimeMs: 0 });
await compacted(platform, "web", "long");
await keepAs(platform, "web", "short", { keepingTimeMs: 0, retention: { rows: 5 } });
await compacted(platform, "web", "short");
await send("POST", "/api/v1/users", { name: "reader", password: "a long password" });
const created = await send("POST", "/api/v1/users/reader/tokens", { label: "fixture", scopes: ["read"] });
await send("PUT", "/api/v1/projects/web/datasets/access/grants/reader/select");
await send("PUT", "/api/v1/projects/web/secrets/key", { value: "sealed" });
const query = { sql: 'SELECT n, text, price, tags FROM web.access ORDER BY "offset"', format: "json", rowLimit: 1000 };
const answered = await send("POST", "/api/v1/sql", query);
const { datasetId, head } = (await send("GET", "/api/v1/projects/web/datasets/access")) as Record<string, string>;
const shortRows = await count("short");
// The records of all these pushes would be most of the folder: they go with the staging log, where they still wait.
await platform.end("SIGTERM");
for (const part of ["staging", "postgres"]) await rm(path.join(dataDirectory, part), { recursive: true });
const restored = await millrace(["restore-definitions", "--data-dir", dataDirectory]);
if (restored.code !== 0) throw new Error(restored.stderr);
platform = await startPlatform(patient);
// Acknowledged, and in no chain yet: the staging log of this version must be read by the next ones.
await send("POST", rows("access", "staged"), lines(200, 7));
await platform.end("SIGTERM");

const parts = ["format.json", "objects", "staging", "master.key", "owner.token"];
execFileSync(
  "tar",
  ["--sort=name", "--owner=0", "--group=0", "--numeric-owner", "-czf", `${target}.tar.gz`, ...parts],
  {
    cwd: dataDirectory,
  },
);
const expected = {
  datasetId,
  head,
  ownerToken: (await readFile(path.join(dataDirectory, "owner.token"), "utf8")).trim(),
  readerToken: (created as { token: string }).token,
  rows: (answered as { rows: unknown }).rows,
  stagedRows: 7,
  longRows: 1_050,
  shortRows,
};
await writeFile(`${target}.json`, `${JSON.stringify(expected)}\n`);
