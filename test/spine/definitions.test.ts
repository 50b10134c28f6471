import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import { type TempDirectory, tempDirectory, until } from "../kit/index.ts";
import { type Platform, startPlatform } from "../kit/platform.ts";

/** What statements define, on a real server: datasets, and lookups with the datasets that they stand on. */
let folder: TempDirectory;
let platform: Platform;
beforeAll(async () => {
  folder = await tempDirectory();
  platform = await startPlatform({ dataDirectory: folder.path });
  await push({ id: "a", n: 1 }, { id: "b", n: 2 });
}, 60_000);
afterAll(async () => {
  await platform?.[Symbol.asyncDispose]();
  await folder?.[Symbol.asyncDispose]();
});

const failure = z.object({
  error: z.object({ code: z.string(), message: z.string(), position: z.object({ offset: z.number() }).nullable() }),
});

async function call(method: string, route: string, body?: string, type = "application/json") {
  const headers = { authorization: `Bearer ${platform.token}`, "content-type": type };
  const reply = await fetch(`${platform.url}/api/v1/${route}`, {
    method,
    headers,
    ...(body === undefined ? {} : { body }),
  });
  const text = await reply.text();
  return { status: reply.status, body: text === "" ? null : JSON.parse(text) };
}

async function push(...lines: readonly object[]): Promise<void> {
  const body = lines.map((line) => JSON.stringify(line)).join("\n");
  const route = "projects/web/datasets/raw/rows?create=true&ack=committed";
  expect((await call("POST", route, body, "application/x-ndjson")).status).toBe(200);
}

async function rows(sql: string): Promise<readonly unknown[]> {
  const { status, body } = await call("POST", "sql", sql, "text/plain");
  expect(status, JSON.stringify(body)).toBe(200);
  return z.object({ rows: z.array(z.unknown()) }).parse(body).rows;
}

async function refusal(sql: string) {
  const { code, message, position } = failure.parse((await call("POST", "sql", sql, "text/plain")).body).error;
  return { code, message, offset: position?.offset };
}

const spec = async (kind: string, name: string) =>
  (await call("GET", `projects/web/resources/${kind}/${name}`)).body?.spec ?? null;
const rowOf = async (lookup: string, key: string) => (await call("GET", `lookups/web/${lookup}/rows/${key}`)).body;

describe("CREATE LOOKUP", () => {
  const sql = "CREATE LOOKUP web.newest KEY (id) AS SELECT id, n * 10 AS n FROM web.raw";

  test("makes a dataset and the lookup on it, which answers by key", async () => {
    expect(await rows(sql)).toEqual([{ lookup: "web.newest", outcome: "created" }]);
    await until("it is loaded", async () => (await rowOf("newest", "b"))?.n === 20);
    await push({ id: "b", n: 3 });
    await until("it has followed", async () => (await rowOf("newest", "b"))?.n === 30);
    expect(await rows("SELECT max(n) AS n FROM web.newest")).toEqual([{ n: 30 }]);
    expect(await spec("Lookup", "newest")).toEqual({ dataset: "newest", key: ["id"] });
    expect(await spec("Dataset", "newest")).toEqual({
      transform: { sql: "SELECT id, n * 10 AS n FROM web.raw", key: ["id"] },
    });
  });

  test("is paused, resumed and dropped with its dataset", async () => {
    expect(await rows("PAUSE LOOKUP web.newest")).toEqual([{ lookup: "web.newest", outcome: "paused" }]);
    await push({ id: "b", n: 4 });
    expect(await spec("Dataset", "newest")).toMatchObject({ paused: true });
    expect(await rowOf("newest", "b")).toEqual({ id: "b", n: 30 });
    expect(await rows("RESUME LOOKUP web.newest")).toEqual([{ lookup: "web.newest", outcome: "resumed" }]);
    await until("it goes on", async () => (await rowOf("newest", "b"))?.n === 40);
    expect(await refusal("DROP DATASET web.newest")).toMatchObject({ code: "conflict" });
    expect(await rows("DROP LOOKUP web.newest")).toEqual([{ lookup: "web.newest", outcome: "dropped" }]);
    for (const kind of ["Lookup", "Dataset"]) expect(await spec(kind, "newest"), kind).toBeNull();
    expect(await refusal("SELECT * FROM web.newest")).toMatchObject({ code: "dataset_not_found" });
    expect(await rows("DROP LOOKUP IF EXISTS web.newest")).toEqual([{ lookup: "web.newest", outcome: "absent" }]);
    expect(await refusal("DROP LOOKUP web.newest")).toMatchObject({ code: "not_found", offset: 12 });
  });

  test("makes both or neither", async () => {
    await rows("CREATE DATASET web.taken AS SELECT id FROM web.raw");
    expect(await refusal("CREATE LOOKUP web.taken KEY (id) AS SELECT id FROM web.raw")).toMatchObject({
      code: "already_exists",
      message: expect.stringContaining("The dataset web.taken exists already."),
      offset: 14,
    });
    expect(await spec("Lookup", "taken")).toBeNull();
    const lookup = JSON.stringify({ spec: { dataset: "raw", key: ["id"] } });
    await call("PUT", "projects/web/resources/Lookup/other", lookup);
    expect(await refusal("CREATE LOOKUP web.other KEY (id) AS SELECT id FROM web.raw")).toMatchObject({
      code: "already_exists",
      message: expect.stringContaining("The lookup web.other exists already."),
    });
    expect(await spec("Dataset", "other")).toBeNull();
    expect(await rows("CREATE LOOKUP IF NOT EXISTS web.other KEY (id) AS SELECT id FROM web.raw")).toEqual([
      { lookup: "web.other", outcome: "unchanged" },
    ]);
  });

  test("a lookup on a dataset that it was not made with goes alone", async () => {
    const lookup = JSON.stringify({ spec: { dataset: "raw", key: ["id"] } });
    await call("PUT", "projects/web/resources/Lookup/raw", lookup);
    expect(await refusal("PAUSE LOOKUP web.raw")).toMatchObject({ code: "sql_unsupported", offset: 13 });
    expect(await rows("DROP LOOKUP web.raw")).toEqual([{ lookup: "web.raw", outcome: "dropped" }]);
    expect(await spec("Dataset", "raw")).not.toBeNull();
  });
});

describe("a definition", () => {
  test("is refused at its place, in its head and in its SELECT", async () => {
    const at = async (sql: string, mark: string) => {
      const { code, offset } = await refusal(sql);
      expect(offset, sql).toBe(sql.indexOf(mark));
      return code;
    };
    expect(await at("CREATE DATASET web.x KEY (id, m) AS SELECT id, n FROM web.raw", "m)")).toBe("conflict");
    expect(await at("CREATE DATASET web.x KEY (id) AS SELECT id, upper(q) FROM web.raw", "q)")).toBe("sql_binding");
    expect(await at("CREATE DATASET web.x KEY (op) AS SELECT id FROM web.raw", "op)")).toBe("bad_manifest");
    expect(await at("CREATE LOOKUP web.x KEY (id) AS SELECT id FROM web.raw GROUP IP", "IP")).toBe("sql_syntax");
    expect(await at("CREATE DATASET web.x KEY (id) AS SELECT pragma_version() FROM web.raw", "pragma")).toBe(
      "sql_refused",
    );
    expect(await at("CREATE DATASET web.x WITH (rows = 1) AS SELECT id FROM web.raw", "1)")).toBe("sql_syntax");
    expect(await at("CREATE LOOKUP web.x AS SELECT id FROM web.raw", "AS")).toBe("sql_syntax");
    for (const kind of ["Dataset", "Lookup"]) expect(await spec(kind, "x")).toBeNull();
    expect(await refusal("CREATE TABLE web.x (a INT)")).toMatchObject({
      code: "sql_unsupported",
      message: expect.stringContaining("those that define datasets and lookups"),
    });
  });

  test("of options is changed", async () => {
    await rows("CREATE DATASET web.few WITH (max_rows = 5) AS SELECT id FROM web.raw");
    expect(await rows("ALTER DATASET web.few SET (max_rows = 7)")).toEqual([
      { dataset: "web.few", outcome: "altered" },
    ]);
    expect(await spec("Dataset", "few")).toEqual({ transform: { sql: "SELECT id FROM web.raw", maxRows: 7 } });
    expect(await refusal("ALTER DATASET web.raw SET (max_rows = 7)")).toMatchObject({ code: "sql_unsupported" });
    expect(await refusal("ALTER DATASET web.few SET (rows = 7)")).toMatchObject({ code: "sql_syntax" });
    const noTransform = await call("PUT", "projects/web/resources/Dataset/few", JSON.stringify({ spec: {} }));
    expect(failure.parse(noTransform.body).error.code).toBe("bad_manifest");
    const added = JSON.stringify({ spec: { transform: { sql: "SELECT id FROM web.few" } } });
    const reply = await call("PUT", "projects/web/resources/Dataset/raw", added);
    expect(failure.parse(reply.body).error.code).toBe("bad_manifest");
  });

  test("its SELECT is changed: readers see the one result, and then the other", async () => {
    const sums = "SELECT id, sum(n)::BIGINT AS n FROM web.raw GROUP BY id";
    await rows(`CREATE DATASET web.altered AS ${sums}`);
    const has = (wanted: readonly unknown[], dataset = "altered") =>
      until(`${dataset} holds ${JSON.stringify(wanted)}`, async () => {
        return JSON.stringify(await rows(`SELECT id, n FROM web.${dataset} ORDER BY id`)) === JSON.stringify(wanted);
      });
    await has([
      { id: "a", n: 1 },
      { id: "b", n: 9 },
    ]);
    expect(await rows(`ALTER DATASET web.altered AS ${sums} HAVING sum(n) > 2`)).toEqual([
      { dataset: "web.altered", outcome: "altered" },
    ]);
    await has([{ id: "b", n: 9 }]);
    const sql = "SELECT id, max(n) AS n FROM web.raw GROUP BY id";
    const body = JSON.stringify({ spec: { transform: { sql, key: ["id"] } } });
    expect((await call("PUT", "projects/web/resources/Dataset/altered", body)).status).toBe(200);
    await has([
      { id: "a", n: 1 },
      { id: "b", n: 4 },
    ]);
    expect(await rows("BACKFILL DATASET web.altered")).toEqual([{ dataset: "web.altered", outcome: "backfilling" }]);
    await rows("ALTER DATASET web.altered AS SELECT id, min(n) AS n FROM web.raw GROUP BY id");
    expect(await spec("Dataset", "altered")).toMatchObject({ transform: { key: ["id"] } });
    await has([
      { id: "a", n: 1 },
      { id: "b", n: 2 },
    ]);
    const { body: chain } = await call("GET", "projects/web/datasets/altered/blocks?limit=100");
    expect(JSON.stringify(chain).match(/"kind":"SetTransform"/g)).toHaveLength(5);
  });

  test("its SELECT is changed to none that it cannot be the result of", async () => {
    await rows("CREATE DATASET web.onit AS SELECT id, n FROM web.altered");
    const circle = await refusal("ALTER DATASET web.altered AS SELECT id, n FROM web.onit");
    expect(circle).toMatchObject({ code: "conflict", message: expect.stringContaining("by way of web.onit") });
    expect(await refusal("ALTER DATASET web.altered AS SELECT id, n FROM web.altered")).toMatchObject({
      code: "conflict",
    });
    const sql = "ALTER DATASET web.altered AS SELECT id, nn AS n FROM web.raw";
    expect(await refusal(sql)).toMatchObject({ code: "sql_binding", offset: sql.indexOf("nn") });
    expect(await refusal("ALTER DATASET web.altered KEY (q) AS SELECT id, n FROM web.raw")).toMatchObject({
      code: "conflict",
      offset: 31,
    });
    expect(await refusal("ALTER DATASET web.altered AS SELECT id, [n] AS n FROM web.raw")).toMatchObject({
      code: "conflict",
    });
    expect(await spec("Dataset", "altered")).toMatchObject({ transform: { sql: expect.stringContaining("min(n)") } });
    expect(await refusal("BACKFILL DATASET web.raw")).toMatchObject({ code: "sql_unsupported", offset: 17 });
    expect(await refusal("BACKFILL DATASET web.none")).toMatchObject({ code: "dataset_not_found", offset: 17 });
  });

  test("its key is in the chain", async () => {
    await rows("CREATE DATASET web.keyed KEY (id, n) AS SELECT id, n FROM web.raw");
    const told = await rows("EXPLAIN TRANSFORM web.keyed");
    expect(told).toContainEqual({ about: "key", value: "id, n" });
    expect(told).toContainEqual({ about: "columns", value: "offset, op, system_time, event_time, id, n" });
    const { body } = await call("GET", "projects/web/datasets/keyed/blocks");
    expect(JSON.stringify(body)).toContain('"temporalTables":[{"name":"web.keyed","primaryKey":["id","n"]}]');
  });

  test("that looks up tells what it waits for, in EXPLAIN TRANSFORM and in the API; as a query it says what is there now", async () => {
    await push({ id: "a", n: 1, event_time: "2026-05-17T10:00:00Z" });
    const columns = ["id", "c"].map((name) => ({ name, type: "VARCHAR" }));
    const made = await call("PUT", "projects/web/resources/Dataset/users", JSON.stringify({ spec: { columns } }));
    expect(made.status).toBeLessThan(300);
    const select = "SELECT r.id, u.c FROM web.raw r LEFT JOIN web.users u AT (TIMESTAMP => now()) USING (id)";
    await rows(`CREATE DATASET web.found AS ${select} EMIT CHANGES SYNC`);
    // Before its first turn it waits for that alone.
    const waits = "waiting: for web.users to have the watermark";
    await until("it waits", async () => JSON.stringify(await rows("EXPLAIN TRANSFORM web.found")).includes(waits));
    const told = await rows("EXPLAIN TRANSFORM web.found");
    expect(told).toContainEqual({ about: "mode", value: "lookup join" });
    expect(told).toContainEqual({ about: "looked up", value: "web.users" });
    expect(told).toContainEqual({
      about: "state",
      value: expect.stringMatching(/^waiting: for web.users to have the watermark 20/),
    });
    const { body } = await call("GET", "projects/web/datasets/found");
    expect(body).toMatchObject({
      transform: { state: "waiting", awaited: { project: "web", dataset: "users" }, emit: { sync: true } },
    });
    expect(await rows(`SELECT count(*) AS n, count(c) AS c FROM (${select})`)).toEqual([
      { n: expect.any(Number), c: 0 },
    ]);
  });

  test("whose windows close tells of rows that came too late as rows", async () => {
    const pushLate = async (time: string, n: number) => {
      const line = JSON.stringify({ event_time: time, n });
      const route = "projects/web/datasets/timed/rows?create=true&ack=committed";
      expect((await call("POST", route, line, "application/x-ndjson")).status).toBe(200);
    };
    await pushLate("2026-05-17T10:00:00Z", 1);
    await rows(
      "CREATE DATASET web.per_minute AS SELECT window_start, sum(n) AS n FROM tumble(web.timed, event_time, INTERVAL '1 minute') GROUP BY 1 EMIT ON CLOSE IDLE '1 hour'",
    );
    await pushLate("2026-05-17T10:05:00Z", 2);
    await until("the first window is told of", async () => (await rows("FROM web.per_minute")).length === 1);
    await pushLate("2026-05-17T10:00:30Z", 40);
    const late = `SELECT dataset, input, row_offset, "row"->>'n' AS n, window_end::VARCHAR AS e FROM system.late_rows`;
    await until("the late row is kept", async () => (await rows(late)).length > 0);
    expect(await rows(late)).toEqual([
      { dataset: "web.per_minute", input: "web.timed", row_offset: 2, n: "40", e: "2026-05-17 10:01:00+00" },
    ]);
    const { body } = await call("GET", "projects/web/datasets/per_minute");
    expect(body).toMatchObject({ transform: { rowsLate: 1, emit: { when: "close", idleMs: 3_600_000 } } });
  });
});
