import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { fakeClock, until } from "../../test/kit/index.ts";
import { type OpenQueries, openQueries, pathOf, requestOf, rowsOf, web } from "../../test/queries/open.ts";
import { formatInstant, instant, MillraceError } from "../base/index.ts";
import type { Engine } from "../engines/index.ts";

let open: OpenQueries;
const never = new AbortController().signal;
const numbers = { n: "INTEGER" };

beforeAll(async () => {
  open = await openQueries();
  await open.commit(pathOf("access"), numbers, [["1"], ["2"]]);
  await open.commit(pathOf("access"), numbers, [["3"]]);
  await open.commit(pathOf("other"), numbers, [["10"]]);
}, 60_000);
afterAll(async () => await open[Symbol.asyncDispose]());

const ask = (sql: string, principal = open.owner) => rowsOf(open.queries.run(requestOf(sql, principal), never));

/** The real engine, but its queries wait until they are let go, or for ever. */
function waitingEngine(): { engine: Engine; release: () => void } {
  const gate = Promise.withResolvers<void>();
  const { pool } = open.pool;
  const engine: Engine = new Proxy(pool, {
    get(target, member) {
      if (member !== "query") {
        const value: unknown = Reflect.get(target, member);
        return typeof value === "function" ? value.bind(target) : value;
      }
      return async (...[query, signal]: Parameters<Engine["query"]>) => {
        signal.throwIfAborted();
        const gone = Promise.withResolvers<never>();
        signal.addEventListener("abort", () => gone.reject(signal.reason), { once: true });
        await Promise.race([gate.promise, gone.promise]);
        return await target.query(query, signal);
      };
    },
  });
  return { engine, release: gate.resolve };
}

describe("a query's life", () => {
  test("it waits, runs and is done; its record tells what it read", async () => {
    const { engine, release } = waitingEngine();
    const queries = open.another({ engine });
    const sql = "SELECT count(*) AS n FROM web.access";
    const running = rowsOf(queries.run(requestOf(sql, open.owner), never));
    expect(await queries.running(open.owner)).toMatchObject([{ state: "queued", sql, rows: null, resultUntil: null }]);
    await until("it runs", async () => (await queries.running(open.owner))[0]?.state === "running");
    const [{ queryId } = { queryId: "" as never }] = await queries.running(open.owner);
    release();
    expect(await running).toEqual([{ n: 3 }]);
    expect(await queries.get(queryId, open.owner)).toMatchObject({ state: "done", rows: 1, errorCode: null });
    expect(await queries.running(open.owner)).toEqual([]);
    const read = { datasets: ["web.access"], slicesRead: 2, slicesSkipped: 0, format: "json", rows: 1 };
    expect(open.records.at(-1)).toMatchObject({ ...read, queryId, state: "done" });
  });

  test("its deadline ends it, whatever a caller asks for", async () => {
    const clock = fakeClock();
    const queries = open.another({ engine: waitingEngine().engine, clock, timeoutMs: 5_000 });
    for (const timeoutMs of [1_000, null, 60_000]) {
      const asked = queries.run(requestOf("SELECT 1", open.owner, { timeoutMs }), never).catch((error) => error);
      await until("it runs", async () => (await queries.running(open.owner))[0]?.state === "running");
      await clock.advance(Math.min(timeoutMs ?? 5_000, 5_000) - 1);
      expect(await queries.running(open.owner)).toHaveLength(1);
      await clock.advance(1);
      expect(await asked).toMatchObject({ code: "query_timeout" });
      expect(open.records.at(-1)).toMatchObject({ state: "failed", errorCode: "query_timeout" });
    }
    expect(clock.pending).toBe(0);
  });

  test("cancelling by its id, and its client's leaving, end it", async () => {
    const queries = open.another({ engine: waitingEngine().engine });
    const client = new AbortController();
    for (const end of [
      async () => {
        const [state] = await queries.running(open.owner);
        if (state !== undefined) await queries.cancel(state.queryId, open.owner);
      },
      async () => client.abort(),
    ]) {
      const asked = queries.run(requestOf("SELECT 1", open.owner), client.signal).catch((error) => error);
      await until("it runs", async () => (await queries.running(open.owner))[0]?.state === "running");
      await end();
      expect(await asked).toMatchObject({ code: "query_cancelled" });
      expect(open.records.at(-1)).toMatchObject({ state: "cancelled" });
      expect(await queries.running(open.owner)).toEqual([]);
    }
  });

  test("once it has ended, the beginning of its text is kept, and its record gets the whole", async () => {
    const sql = `SELECT 1 /* ${"x".repeat(50_000)} */`;
    const result = await open.queries.run(requestOf(sql, open.owner), never);
    await rowsOf(result);
    expect((await open.queries.get(result.queryId, open.owner))?.sql).toBe(sql.slice(0, 10_000));
    expect(open.records.at(-1)?.sql).toBe(sql);
  });
});

describe("who may what", () => {
  test("what the caller may not read is not found, as what is not there", async () => {
    const error = async (sql: string) => await ask(sql, open.guest).catch((cause: MillraceError) => cause);
    const there = await error("SELECT * FROM web.access");
    const absent = await error("SELECT * FROM web.nothere");
    expect(there).toMatchObject({ code: "dataset_not_found", message: "There is no dataset web.access." });
    expect(absent).toMatchObject({ code: "dataset_not_found", message: "There is no dataset web.nothere." });
    expect(there).toMatchObject({ hint: absent instanceof MillraceError ? absent.hint : "" });
    expect(await error("SELECT * FROM web.access__quarantine")).toMatchObject({ code: "dataset_not_found" });
    expect(await ask("SHOW TABLES", open.guest)).toEqual([]);
  });

  test("others' queries are not found; an owner sees all", async () => {
    const { engine, release } = waitingEngine();
    const queries = open.another({ engine });
    const asked = [open.owner, open.guest].map((who) => rowsOf(queries.run(requestOf("SELECT 1", who), never)));
    const [owners, guests] = await queries.running(open.owner);
    expect((await queries.running(open.guest)).map((one) => one.queryId)).toEqual([guests?.queryId]);
    if (owners === undefined || guests === undefined) throw new Error("two queries should run");
    expect(await queries.get(owners.queryId, open.guest)).toBeNull();
    expect(await queries.cancel(owners.queryId, open.guest)).toBeNull();
    expect(await queries.get(guests.queryId, open.owner)).not.toBeNull();
    release();
    await Promise.all(asked);
  });

  test("a kept plan serves only who may read, at every use", async () => {
    const sql = "SELECT sum(n) AS s FROM web.other";
    expect(await ask(sql)).toEqual([{ s: 10 }]);
    await expect(ask(sql, open.guest)).rejects.toMatchObject({ code: "dataset_not_found" });
    const grant = { dataset: pathOf("other"), user: open.guest.user, privilege: "select" } as const;
    await open.identity.identity.grant(grant, open.owner.user);
    expect(await ask(sql, open.guest)).toEqual([{ s: 10 }]);
    await open.identity.identity.revoke(grant, open.owner.user);
    await expect(ask(sql, open.guest)).rejects.toMatchObject({ code: "dataset_not_found" });
  });

  test("current_user is the caller, where no column bears the name, and in nobody else's plan", async () => {
    for (const principal of [open.owner, open.guest]) {
      const sql = "SELECT current_user, session_user AS s, user || '!' AS u";
      expect(await ask(sql, principal)).toEqual([
        { current_user: principal.user, s: principal.user, u: `${principal.user}!` },
      ]);
      expect(await ask("SELECT user FROM (SELECT 'x' AS user)", principal)).toEqual([{ user: "x" }]);
      expect(await ask("SELECT list_transform([1], lambda user: user + 1) AS l", principal)).toEqual([{ l: [2] }]);
      expect(await ask("SELECT list_transform([1], lambda user, i: user + i) AS l", principal)).toEqual([{ l: [2] }]);
    }
  });

  test("lists show what the caller may read, wherever they stand", async () => {
    const all = [
      { project: "web", dataset: "access", name: "web.access" },
      { project: "web", dataset: "other", name: "web.other" },
    ];
    for (const sql of [
      "SHOW TABLES",
      "SHOW ALL TABLES",
      "DESCRIBE",
      "SHOW TABLES FROM web",
      "FROM (SHOW TABLES) ORDER BY ALL",
    ])
      expect(await ask(sql), sql).toEqual(all);
    expect(await ask("SELECT count(*) AS n FROM (SHOW TABLES FROM nowhere)")).toEqual([{ n: 0 }]);
    for (const sql of [
      "SHOW DATABASES",
      "FROM (SHOW DATABASES)",
      "SELECT (SELECT 1 FROM (SHOW SCHEMAS))",
      "SHOW VARIABLES",
    ])
      await expect(ask(sql), sql).rejects.toMatchObject({ code: "sql_unsupported" });
    expect(JSON.stringify(await ask("DESCRIBE web.access"))).toContain('"column_name":"n"');
  });

  test("a plan tells nothing of the server's files", async () => {
    const shown = JSON.stringify(await ask("EXPLAIN SELECT n FROM web.access WHERE n > 1 AND op = 0"));
    expect(shown).toContain("READ_PARQUET");
    expect(shown).not.toMatch(/objects|\/tmp|\.parquet|f1620/);
    await expect(ask("EXPLAIN ANALYZE SELECT n FROM web.access")).rejects.toMatchObject({ code: "sql_unsupported" });
    expect(JSON.stringify(await ask("EXPLAIN SHOW TABLES"))).not.toMatch(/duckdb|db_objects/i);
  });
});

test("a dataset is read as it was, by version, block, offset and time", async () => {
  const { id } = await open.datasets.get(pathOf("access"));
  const firstData = (await open.datasets.snapshot(id, { kind: "offset", offset: 0 })).seq;
  const { block, systemTime } = await open.datasets.snapshot(id, { kind: "version", seq: firstData });
  const count = async (at: string) => await ask(`SELECT count(*) AS n FROM web.access AT (${at})`);
  for (const at of [
    `VERSION => ${firstData}`,
    `VERSION => '${firstData}'`,
    `VERSION => '${block}'`,
    `VERSION => {'block': '${block}'}`,
    "VERSION => {'offset': 0}",
    "VERSION => {'OFFSET': 1}",
    `TIMESTAMP => '${formatInstant(systemTime)}'`,
  ])
    expect(await count(at), at).toEqual([{ n: 2 }]);
  expect(await count("VERSION => {'offset': 2}")).toEqual([{ n: 3 }]);
  expect(
    await ask(
      `SELECT * FROM (SELECT count(*) AS n FROM web.access AT (VERSION => '${block}')), (SELECT count(*) AS m FROM web.access)`,
    ),
  ).toEqual([{ n: 2, m: 3 }]);
  for (const at of [
    "VERSION => 99",
    "VERSION => -1",
    `VERSION => '${block.replace(/.$/, "x")}'`,
    "VERSION => {'offset': 3}",
    `TIMESTAMP => '${formatInstant(instant(0))}'`,
  ])
    await expect(count(at), at).rejects.toMatchObject({ code: "version_not_found" });
  for (const at of [
    "VERSION => 1 + 1",
    "VERSION => 1.5",
    "VERSION => {'offset': 1, 'block': 'x'}",
    "VERSION => {'row': 1}",
    "TIMESTAMP => 7",
  ])
    await expect(count(at), at).rejects.toMatchObject({ code: "sql_unsupported" });
});

test("a kept plan follows the head and the schema", async () => {
  const path = pathOf("growing");
  const sql = `SELECT * EXCLUDE ("offset", op, system_time, event_time) FROM ${web}.growing ORDER BY n`;
  await open.commit(path, numbers, [["1"]]);
  for (let turn = 0; turn < 2; turn++) expect(await ask(sql)).toEqual([{ n: 1 }]);
  await open.commit(path, numbers, [["2"]]);
  for (let turn = 0; turn < 2; turn++) expect(await ask(sql)).toEqual([{ n: 1 }, { n: 2 }]);
  await open.commit(path, { n: "BIGINT", later: "VARCHAR" }, [["3", "'x'"]]);
  for (let turn = 0; turn < 2; turn++)
    expect(await ask(sql)).toEqual([
      { n: 1, later: null },
      { n: 2, later: null },
      { n: 3, later: "x" },
    ]);
});

test("what waits is flushed before it is read, unless the past is read", async () => {
  const { id } = await open.datasets.get(pathOf("access"));
  for (let turn = 0; turn < 2; turn++) {
    open.flushed.length = 0;
    await ask("SELECT count(*) FROM web.access j, web.access k");
    expect(open.flushed).toEqual([id]);
  }
  open.flushed.length = 0;
  await ask("SELECT count(*) FROM web.access AT (VERSION => 2)");
  expect(open.flushed).toEqual([]);
});

describe("started without waiting", () => {
  const start = (sql: string, principal = open.owner, queries = open.queries) =>
    queries.start(requestOf(sql, principal, { format: "json" }));
  const result = async (id: ReturnType<typeof start>["queryId"], principal = open.owner, queries = open.queries) => {
    const found = await queries.result(id, principal);
    return found?.kind === "ready" ? await rowsOf(found.result) : found;
  };
  const ended = (id: ReturnType<typeof start>["queryId"], queries = open.queries) =>
    until("it ends", async () => !["queued", "running"].includes((await queries.get(id, open.owner))?.state ?? ""));

  test("its result is there when it is done, as often as it is fetched, until it is dropped", async () => {
    const { engine, release } = waitingEngine();
    const queries = open.another({ engine });
    const { queryId, state } = start("SELECT sum(n) AS s FROM web.access", open.owner, queries);
    expect(state).toBe("queued");
    expect(await result(queryId, open.owner, queries)).toMatchObject({ kind: "pending", state: { queryId } });
    release();
    await until("it is kept", async () => (await queries.get(queryId, open.owner))?.resultUntil != null);
    for (let turn = 0; turn < 2; turn++) expect(await result(queryId, open.owner, queries)).toEqual([{ s: 6 }]);
    expect(await result(queryId, open.guest, queries)).toBeNull();
    await queries.cancel(queryId, open.owner);
    await expect(result(queryId, open.owner, queries)).rejects.toMatchObject({ code: "data_expired" });
  });

  test("its error is what its result answers", async () => {
    const { queryId } = start("SELECT error('boom')");
    await ended(queryId);
    await expect(result(queryId)).rejects.toMatchObject({ code: "sql_runtime" });
    expect(await open.queries.get(queryId, open.owner)).toMatchObject({ state: "failed", resultUntil: null });
  });

  test("who may no longer read what it read gets nothing", async () => {
    const grant = { dataset: pathOf("other"), user: open.guest.user, privilege: "select" } as const;
    await open.identity.identity.grant(grant, open.owner.user);
    const { queryId } = start("SELECT n FROM web.other", open.guest);
    await until("it is kept", async () => (await open.queries.get(queryId, open.owner))?.resultUntil != null);
    expect(await result(queryId, open.owner)).toBeNull(); // even an owner fetches their own results only
    expect(await result(queryId, open.guest)).toEqual([{ n: 10 }]);
    await open.identity.identity.revoke(grant, open.owner.user);
    expect(await result(queryId, open.guest)).toBeNull();
  });

  test("a user has only so many under way, and stopping ends them", async () => {
    const queries = open.another({ engine: waitingEngine().engine });
    const started = Array.from({ length: 8 }, () => start("SELECT 1", open.guest, queries));
    expect(() => start("SELECT 1", open.guest, queries)).toThrow(
      expect.objectContaining({ code: "too_many_requests" }),
    );
    const [first] = started;
    if (first !== undefined) await queries.cancel(first.queryId, open.guest);
    await until("one has ended", async () => (await queries.running(open.guest)).length === 7);
    start("SELECT 1", open.guest, queries);
    await queries.stop();
    expect(await queries.running(open.guest)).toEqual([]);
    expect(open.records.at(-1)).toMatchObject({ errorCode: "shutting_down" });
  });
});

describe("windows in FROM", () => {
  const span = { seen_at: "TIMESTAMPTZ", window_start: "TIMESTAMPTZ" };
  beforeAll(async () => {
    await open.commit(pathOf("seen"), span, [
      ["'1970-01-01 00:00:59+00'", "'2020-01-01'"],
      ["NULL", "'2020-01-01'"],
    ]);
    await open.commit(pathOf("seen"), span, [["'1969-12-31 23:59:59+00'", "'2020-01-01'"]]);
  });
  const call = "tumble(web.seen, seen_at, INTERVAL '1 minute')";

  test("a dataset's rows are in them; its columns of their names are hidden", async () => {
    const sql = `SELECT window_start, window_end, count(*) AS n FROM ${call} GROUP BY ALL ORDER BY ALL`;
    const border = "1970-01-01T00:00:00.000000Z";
    const minutes = [
      { window_start: "1969-12-31T23:59:00.000000Z", window_end: border, n: 1 },
      { window_start: border, window_end: "1970-01-01T00:01:00.000000Z", n: 1 },
    ];
    for (const time of ["first", "by its kept plan"]) expect(await ask(sql), time).toEqual(minutes);
    expect(open.records.at(-1)).toMatchObject({ datasets: ["web.seen"], slicesRead: 2 });
    await ask(`SELECT count(*) AS n FROM ${call} WHERE seen_at >= '1970-01-01'`);
    expect(open.records.at(-1)).toMatchObject({ slicesRead: 1, slicesSkipped: 1 });
    await ask(`SELECT count(*) AS n FROM ${call} WHERE window_start < '1980-01-01'`);
    expect(open.records.at(-1)).toMatchObject({ slicesRead: 2, slicesSkipped: 0 });
    const columns = (await ask(`DESCRIBE FROM ${call}`)) as { column_name: string }[];
    expect(columns.map((one) => one.column_name)).toEqual([
      "offset",
      "op",
      "system_time",
      "event_time",
      "seen_at",
      "window_start",
      "window_end",
    ]);
  });

  test("of its past, and of no dataset, by a CTE", async () => {
    const past = "WITH t AS (SELECT * FROM web.seen AT (VERSION => 2)) SELECT count(*) AS n FROM";
    expect(await ask(`${past} session(t, seen_at, INTERVAL 1 DAY)`)).toEqual([{ n: 1 }]);
    const none = "WITH t AS (SELECT unnest(range(3)) AS x, make_timestamptz(x * 60_000_000) AS seen_at)";
    expect(
      await ask(`${none} SELECT count(DISTINCT window_start) AS n FROM tumble(t, seen_at, INTERVAL 2 MINUTE)`),
    ).toEqual([{ n: 2 }]);
  });

  test("open no dataset to who may not read it, and no file", async () => {
    const code = async (sql: string) => await ask(sql, open.guest).catch((cause: MillraceError) => cause.code);
    expect(await code(`SELECT * FROM ${call}`)).toBe("dataset_not_found");
    expect(await code(`SELECT * FROM tumble("/etc/passwd", seen_at, INTERVAL 1 DAY)`)).toBe("dataset_not_found");
  });
});
