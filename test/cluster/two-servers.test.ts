import { mkdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { expect, test } from "vitest";
import { seededRandom } from "../../src/base/index.ts";
import { tempDirectory, testDatabase, until } from "../kit/index.ts";
import { millrace, type Platform, startPlatform } from "../kit/platform.ts";
import { s3ServerAbsent } from "../kit/s3-program.ts";
import { startS3Server } from "../kit/s3-server.ts";

const seed = Number(process.env.MILLRACE_TEST_SEED ?? Date.now() % 1_000_000);
const rowsPerPush = 20;
const writers = 4;
const pushesPerWriter = 25;
const clientTimeoutMs = 2_000;

/**
 * Two real servers over one PostgreSQL and one bucket. Clients write numbered rows to any of them and repeat at the other
 * what they got no answer to, also while one of them is frozen in the middle of its work.
 */
test.skipIf(s3ServerAbsent)(
  `two servers, one of them frozen for a while, lose and double nothing (MILLRACE_TEST_SEED=${seed})`,
  { timeout: 400_000 },
  async () => {
    await using database = await testDatabase();
    await using s3 = await startS3Server();
    await using folder = await tempDirectory();
    const environment = {
      ...s3.environment(await s3.bucket()),
      MILLRACE_POSTGRES_URL: database.url,
      MILLRACE_INGEST_COMMIT_INTERVAL: "500",
    };
    const [firstFolder, secondFolder] = [path.join(folder.path, "first"), path.join(folder.path, "second")];
    await using first = await startPlatform({ dataDirectory: firstFolder, environment });
    // The second server finds the organization there: its people bring the token that the first one made.
    await mkdir(secondFolder);
    await writeFile(path.join(secondFolder, "owner.token"), first.token, { mode: 0o600 });
    await using second = await startPlatform({ dataDirectory: secondFolder, environment });
    const random = seededRandom(seed);
    const servers = [first, second];
    const any = (): Platform => servers[Math.floor(random.float() * servers.length)] ?? first;

    const reading = new AbortController();
    const readers = servers.map((server) => readPrefixes(server, reading.signal));
    const writing = Promise.all(Array.from({ length: writers }, (_, writer) => write(writer, any)));
    for (let times = 0; times < 2; times++) {
      await new Promise((resolve) => setTimeout(resolve, 1_500));
      first.process.kill("SIGSTOP");
      await new Promise((resolve) => setTimeout(resolve, 6_000));
      first.process.kill("SIGCONT");
    }
    await writing;
    reading.abort();
    const reads = await Promise.all(readers);
    expect(Math.min(...reads)).toBeGreaterThan(3);

    for (const server of servers) {
      const counted = await query(
        server,
        "SELECT writer, count(*), count(DISTINCT number), max(number) FROM pair.numbers GROUP BY 1 ORDER BY 1",
      );
      const wanted = pushesPerWriter * rowsPerPush;
      expect(counted).toEqual(Array.from({ length: writers }, (_, writer) => [writer, wanted, wanted, wanted - 1]));
      expect((await millrace(["verify", "pair.numbers"], server)).code).toBe(0);
    }
    await checkLookups(first, second);
  },
);

/** What is declared at one server is held by both, and what one of them commits both have. */
async function checkLookups(first: Platform, second: Platform): Promise<void> {
  const ask = (server: Platform, method: string, route: string, body?: object) =>
    fetch(new URL(route, server.url), {
      method,
      headers: { authorization: `Bearer ${server.token}`, "content-type": "application/json" },
      signal: AbortSignal.timeout(20_000),
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
  const spec = { dataset: "numbers", key: ["writer", "number"] };
  expect((await ask(first, "PUT", "/api/v1/projects/pair/resources/Lookup/numbers", { spec })).status).toBe(200);
  const rows = writers * pushesPerWriter * rowsPerPush;
  const holds = async (server: Platform, key: string, entries: number) => {
    const state = await (await ask(server, "GET", "/api/v1/lookups/pair/numbers")).text();
    const row = await (await ask(server, "GET", `/api/v1/lookups/pair/numbers/rows/${key}`)).text();
    return (
      state.includes(`"entries":${entries},`) &&
      row === JSON.stringify({ writer: +key.slice(0, 1), number: +key.slice(2) })
    );
  };
  for (const server of [first, second]) await until("all rows are held", () => holds(server, "3:0", rows));
  expect(await pushOnce(second, "late", '{"writer":9,"number":7}\n')).toBe(true);
  for (const server of [first, second]) await until("the late row is held", () => holds(server, "9:7", rows + 1));
}

/** Pushes numbered rows; what is not answered in time is repeated under its key, at any server. */
async function write(writer: number, any: () => Platform): Promise<void> {
  for (let push = 0; push < pushesPerWriter; push++) {
    const rows = Array.from({ length: rowsPerPush }, (_, i) =>
      JSON.stringify({ writer, number: push * rowsPerPush + i }),
    );
    while (!(await pushOnce(any(), `${writer}-${push}`, `${rows.join("\n")}\n`)))
      await new Promise((resolve) => setTimeout(resolve, 50)); // as a client comes back
  }
}

async function pushOnce(server: Platform, key: string, body: string): Promise<boolean> {
  const url = new URL("/api/v1/projects/pair/datasets/numbers/rows?create=true&ack=committed", server.url);
  try {
    const reply = await fetch(url, {
      method: "POST",
      headers: {
        authorization: `Bearer ${server.token}`,
        "content-type": "application/x-ndjson",
        "idempotency-key": key,
      },
      body,
      signal: AbortSignal.timeout(clientTimeoutMs),
    });
    const text = await reply.text();
    if (reply.ok) return true;
    if (reply.status === 429 || reply.status === 503) return false;
    throw new Error(`push answered ${reply.status}: ${text}`);
  } catch (error) {
    if (error instanceof DOMException || error instanceof TypeError) return false;
    throw error;
  }
}

/** Reads until told to end: each writer's rows are numbered without a gap from 0, and never fewer than before. */
async function readPrefixes(server: Platform, signal: AbortSignal): Promise<number> {
  let reads = 0;
  let before = 0;
  while (!signal.aborted) {
    const rows = await query(
      server,
      "SELECT count(*), count(DISTINCT (writer, number)), sum(n) FROM (SELECT *, count(*) OVER (PARTITION BY writer) - 1 - max(number) OVER (PARTITION BY writer) AS n FROM pair.numbers)",
    ).catch(() => null);
    const [count, distinct, gaps] = rows?.[0] ?? [];
    if (typeof count !== "number") {
      await new Promise((resolve) => setTimeout(resolve, 100)); // frozen, or not made yet
      continue;
    }
    expect(distinct).toBe(count);
    expect(Number(gaps ?? 0)).toBe(0);
    expect(count).toBeGreaterThanOrEqual(before);
    before = count;
    reads++;
  }
  return reads;
}

async function query(server: Platform, sql: string): Promise<unknown[][]> {
  const reply = await fetch(new URL("/api/v1/sql", server.url), {
    method: "POST",
    headers: { authorization: `Bearer ${server.token}`, "content-type": "application/json" },
    body: JSON.stringify({ sql }),
    signal: AbortSignal.timeout(15_000),
  });
  if (!reply.ok) throw new Error(`the query answered ${reply.status}: ${await reply.text()}`);
  const { rows } = (await reply.json()) as { rows: Record<string, unknown>[] };
  return rows.map((row) => Object.values(row));
}
