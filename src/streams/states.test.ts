import { readdir, rename, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import fc from "fast-check";
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { until } from "../../test/kit/index.ts";
import { type OpenStreams, openStreams } from "../../test/streams/open.ts";
import { datasetPath, MillraceError, type TraceId } from "../base/index.ts";
import { attachedDatabase, type EngineScript } from "../engines/index.ts";

let streams: OpenStreams;
const names: string[] = [];
const columns = { event_time: "TIMESTAMPTZ", a: "BIGINT", b: "VARCHAR", d: "DECIMAL(18,2)" } as const;

beforeAll(async () => {
  streams = await openStreams();
}, 60_000);
afterAll(() => streams[Symbol.asyncDispose]());
afterEach(async () => {
  for (const name of names.splice(0).reverse()) await streams.forget(name);
});

type Row = readonly [second: number, a: number | null, b: string | null, hundredths: number];

async function commit(input: string, rows: readonly Row[]): Promise<void> {
  const values = rows.map(([second, a, b, hundredths]) => [
    `make_timestamptz(${second * 1_000_000}::BIGINT)`,
    a === null ? "NULL" : String(a),
    b === null ? "NULL" : `'${b}'`,
    String(hundredths / 100),
  ]);
  await streams.open.commit(datasetPath(input), columns, values);
}

async function define(name: string, sql: string, more = {}): Promise<void> {
  await streams.define(name, sql, more);
  names.push(name);
}

const idOf = async (name: string) => (await streams.open.datasets.get(datasetPath(name))).id;
const groupsOf = async (name: string) => streams.transforms.state(await idOf(name))?.groups;

/** In a query, what names no order takes rows in that of their offsets, or any; a derivative in that of their times and offsets. */
const inOrder = (sql: string) =>
  sql.replace(/\b((?:first|last|any_value|arg_min|max_by)\([^)]*)\)/g, '$1 ORDER BY event_time, "offset")');

/** Rows of the derivative that the SELECT does not make, or the other way round. */
async function difference(name: string, said: string): Promise<unknown> {
  const sql = inOrder(said);
  const own = "COLUMNS(c -> c NOT IN ('offset', 'op', 'system_time', 'event_time'))";
  const [kept, full] = [`SELECT ${own} FROM ${name}`, `SELECT ${own} FROM (${sql})`];
  return await streams.rows(`(${kept} EXCEPT ALL ${full}) UNION ALL (${full} EXCEPT ALL ${kept})`);
}

/** The files of the slices that a dataset has now. */
async function slicesOf(name: string): Promise<string[]> {
  const { folder } = streams.open.identity.open;
  const data = path.join(folder, "objects", "datasets", (await idOf(name)).replace("did:odf:", ""), "data");
  return (await readdir(data)).map((file) => path.join(data, file));
}

/** Nobody can read them any more. */
async function hide(files: readonly string[]): Promise<void> {
  for (const file of files) await rename(file, `${file}.hidden`);
}

async function bringBack(files: readonly string[]): Promise<void> {
  for (const file of files) await rename(`${file}.hidden`, file);
}

const stateFolder = () => path.join(streams.open.identity.open.folder, "work", "states");
const fileOf = async (name: string) => path.join(stateFolder(), `${(await idOf(name)).replaceAll(":", "_")}.duckdb`);

const selects = [
  "SELECT b, count(*) AS n, count(a) AS na, sum(a) AS s, avg(a) AS m, min(a) AS least, max(b) AS greatest FROM {t} GROUP BY b",
  "SELECT b, sum(d) AS s, stddev(a) IS NULL AS one, sum(a) FILTER (d > 1) AS f, count(*) FILTER (a IS NULL) AS nulls FROM {t} GROUP BY ALL",
  "SELECT a % 2 = 0 AS even, bool_and(a > 2) AS every, bool_or(a > 5) AS some, bit_xor(a) AS x FROM {t} GROUP BY 1",
  "SELECT b, first(a) AS f, last(a) AS l, any_value(a) AS v, arg_min(a, d) AS least, max_by(d, a) AS greatest FROM {t} GROUP BY b",
  'SELECT b, arg_max(a, (event_time, "offset")) AS newest, min_by(d, (a, d)) AS smallest FROM {t} GROUP BY b',
  "SELECT b, approx_count_distinct(a) AS n FROM {t} GROUP BY b HAVING count(*) > 1",
  "SELECT count(*) AS n, sum(a) / count(a) AS mean, max(d) - min(d) AS width FROM {t}",
  "SELECT coalesce(b, '-') || '!' AS k, count(*) * 2 AS n, n + 1 AS more FROM {t} WHERE a > 0 GROUP BY k HAVING n > 2",
  "SELECT window_start, b, count(*) AS n, sum(d) AS s FROM tumble({t}, event_time, INTERVAL '1 minute') GROUP BY ALL",
  "SELECT window_end AS e, max(a) AS m FROM hop({t}, event_time, INTERVAL '1 minute', INTERVAL '3 minutes') GROUP BY 1",
  "SELECT DISTINCT b, a > 3 AS big FROM {t}",
  "SELECT k, count(*) AS n, upper(k) AS u FROM (SELECT b AS k FROM {t}) GROUP BY k",
  "SELECT k, count(*) AS n FROM (SELECT b AS k FROM {t} UNION ALL SELECT upper(b) AS k FROM {t}) GROUP BY k",
] as const;

const row = fc.tuple(
  fc.integer({ min: 0, max: 400 }),
  fc.option(fc.integer({ min: -3, max: 9 }), { nil: null, freq: 6 }),
  fc.option(fc.constantFrom("x", "y", "Z", "é"), { nil: null, freq: 6 }),
  fc.integer({ min: -200, max: 300 }),
);
const seed = 20_261_122;
const [batches = []] = fc.sample(
  fc.array(fc.array(row, { minLength: 6, maxLength: 12 }), { minLength: 5, maxLength: 5 }),
  { seed, numRuns: 1 },
);
/** What happens behind each batch. */
const events = ["nothing", "restart", "lost state", "torn state", "restart"];

async function happen(event: string, derivatives: readonly string[]): Promise<void> {
  if (event === "nothing") return;
  for (const name of derivatives) {
    if (event === "lost state") await rm(await fileOf(name), { force: true });
    if (event === "torn state") await writeFile(await fileOf(name), "no database");
  }
  await streams.restart();
}

describe("the groups of a SELECT", () => {
  test(`are what its rows come to, whatever becomes of their state (rows of seed ${seed})`, async () => {
    const derivatives = selects.map((_, at) => `web.kept${at}`);
    const texts = selects.map((sql) => sql.replaceAll("{t}", "web.rows"));
    for (const [turn, rows] of batches.entries()) {
      await commit("web.rows", rows);
      if (turn === 0) for (const [at, sql] of texts.entries()) await define(derivatives[at] ?? "", sql);
      await streams.settle();
      for (const [at, sql] of texts.entries()) {
        const name = derivatives[at] ?? "";
        const error = streams.transforms.state(await idOf(name))?.error;
        const differs = await difference(name, sql);
        expect({ error, differs }, `${sql} behind batch ${turn}`).toEqual({ error: null, differs: [] });
        if (turn > 0) expect(await groupsOf(name), sql).toMatchObject({ kept: true });
      }
      await happen(events[turn] ?? "nothing", derivatives);
    }
    for (const name of derivatives) {
      const ref = await streams.open.datasets.get(datasetPath(name));
      const { different } = await streams.transforms.rebuild(ref, new AbortController().signal);
      expect(different, name).toBeNull();
    }
  }, 120_000);

  test("of a KEY are its latest rows", async () => {
    await commit("web.users", [
      [10, 1, "x", 100],
      [30, 2, "y", 200],
    ]);
    await define("web.latest", "SELECT b AS user, a, d FROM web.users", { key: ["user"] });
    await streams.settle();
    await commit("web.users", [[20, 3, "x", 300]]);
    await commit("web.users", [[20, 4, "y", 400]]);
    await streams.settle();
    expect(await groupsOf("web.latest")).toMatchObject({ kept: true, count: 2 });
    expect(await streams.rows('SELECT "user", a FROM web.latest ORDER BY ALL')).toEqual([
      { user: "x", a: 3 },
      { user: "y", a: 2 },
    ]);
  });

  test("take in new rows without reading older ones; a server without a state goes on from its checkpoint", async () => {
    const sums = "SELECT b, s::INTEGER AS s FROM web.sums ORDER BY b";
    await commit("web.log", [
      [1, 1, "x", 1],
      [2, 2, "y", 2],
    ]);
    await define("web.sums", "SELECT b, sum(a) AS s FROM web.log GROUP BY b");
    await streams.settle();
    const first = await slicesOf("web.log");
    await commit("web.log", [[3, 3, "x", 3]]);
    await streams.settle();
    await hide(first);
    await commit("web.log", [[4, 10, "y", 4]]);
    await streams.settle();
    const before = [
      { b: "x", s: 4 },
      { b: "y", s: 12 },
    ];
    expect(await streams.rows(sums)).toEqual(before);
    await rm(await fileOf("web.sums"));
    await writeFile(path.join(stateFolder(), "of_another.duckdb"), "");
    await streams.restart();
    expect(await readdir(stateFolder())).not.toContain("of_another.duckdb");
    await commit("web.log", [[5, 100, "z", 5]]);
    await streams.settle();
    expect(streams.transforms.state(await idOf("web.sums"))?.error).toBeNull();
    expect(await streams.rows(sums)).toEqual([...before, { b: "z", s: 100 }]);
    await bringBack(first);
  });

  test.each(["script", "writeSlice"] as const)(
    "that do not fit into a worker's memory (%s) are made anew instead",
    async (call) => {
      const [input, name] = [`web.wide_${call.toLowerCase()}`, `web.narrow_${call.toLowerCase()}`];
      await commit(input, [[1, 1, "x", 1]]);
      await define(name, `SELECT b, sum(a) AS s FROM ${input} GROUP BY b`);
      await streams.settle();
      const { pool } = streams.open.pool;
      const real = pool[call].bind(pool) as (...given: unknown[]) => Promise<unknown>;
      const spied = vi.spyOn(pool, call).mockImplementation((async (order: EngineScript, ...more: unknown[]) => {
        if (order.attach !== undefined) throw new MillraceError("out_of_memory", "The statement needs more memory.");
        return await real(order, ...more);
      }) as never);
      try {
        await commit(input, [[2, 2, "x", 2]]);
        await until("the run was made", async () => {
          await streams.settle();
          return JSON.stringify(await streams.rows(`SELECT s::INTEGER AS s FROM ${name}`)) === '[{"s":3}]';
        });
        expect(await groupsOf(name)).toEqual({
          kept: false,
          whyNot: "they do not fit into the memory or the disk of a worker",
        });
      } finally {
        spied.mockRestore();
      }
    },
  );

  test("are kept where rows had expired before the first run, and made anew where rows are missing that were counted", async () => {
    const never = new AbortController().signal;
    const expire = async (rows: number) =>
      await streams.open.datasets.layouts.expire(await idOf("web.aging"), { rows }, never, async () => {});
    await commit("web.aging", [[1, 1, "x", 1]]);
    await commit("web.aging", [[2, 2, "x", 2]]);
    await expire(1);
    await define("web.young", "SELECT b, sum(a) AS s FROM web.aging GROUP BY b");
    await streams.settle();
    await commit("web.aging", [[3, 3, "x", 3]]);
    await streams.settle();
    expect(await groupsOf("web.young")).toMatchObject({ kept: true });
    expect(await streams.rows("SELECT s::INTEGER AS s FROM web.young")).toEqual([{ s: 5 }]);
    await expire(1);
    const folder = path.join(streams.open.identity.open.folder, "objects", "transforms");
    await rm(path.join(folder, (await idOf("web.young")).replaceAll(":", "_"), "state"));
    await rm(await fileOf("web.young"));
    await streams.restart();
    await commit("web.aging", [[4, 4, "y", 4]]);
    await streams.settle();
    expect(streams.transforms.state(await idOf("web.young"))?.error).toBeNull();
    expect(await groupsOf("web.young")).toEqual({
      kept: false,
      whyNot: "rows of its inputs have expired that no checkpoint of it has read",
    });
    expect(await streams.rows("SELECT b, s::INTEGER AS s FROM web.young ORDER BY b")).toEqual([
      { b: "x", s: 5 },
      { b: "y", s: 4 },
    ]);
  });

  test("that are ahead of the chain are thrown away", async () => {
    await commit("web.back", [[1, 1, "x", 1]]);
    await define("web.ahead", "SELECT b, sum(a) AS s FROM web.back GROUP BY b");
    await streams.settle();
    await commit("web.back", [[2, 2, "x", 2]]);
    await streams.settle();
    await streams.transforms.stop();
    const ledger = `"${attachedDatabase}".ledger`;
    const groups = `"${attachedDatabase}".groups`;
    const sql = [
      `UPDATE ${ledger} SET said = regexp_replace(regexp_replace(said, '"seq":[0-9]+', '"seq":1000'), '("did[^:]*:[^:]*:[^"]*"):[0-9]+', '\\1:1000')`,
      `INSERT INTO ${groups} BY NAME SELECT 'ghost' AS "mr:g0", * EXCLUDE ("mr:g0") FROM ${groups}`,
    ];
    const order = { traceId: "t" as TraceId, label: "ahead", role: "compute" as const };
    const statements = sql.map((one) => ({ sql: one }));
    const never = new AbortController().signal;
    await streams.open.pool.pool.script({ ...order, attach: await fileOf("web.ahead"), statements }, never);
    const told = [{ sql: `SELECT said FROM ${ledger}`, rows: true }];
    const said = await streams.open.pool.pool.script(
      { ...order, attach: await fileOf("web.ahead"), statements: told },
      never,
    );
    expect(JSON.stringify(said)).toContain('seq\\":1000');
    await streams.restart();
    await commit("web.back", [[3, 3, "x", 3]]);
    await streams.settle();
    expect(await groupsOf("web.ahead")).toMatchObject({ kept: true, count: 1 });
    expect(await streams.rows("SELECT b, s::INTEGER AS s FROM web.ahead")).toEqual([{ b: "x", s: 6 }]);
  });

  test("of windows that have closed for good are forgotten", async () => {
    const select =
      "SELECT window_start, count(*) AS n FROM tumble(web.ticks, event_time, INTERVAL '1 minute') GROUP BY 1";
    await commit("web.ticks", [[10, 1, "x", 1]]);
    await define("web.minutes", `${select} EMIT ON CLOSE LATENESS '0 seconds' ALLOWED LATENESS '1 minute'`);
    await streams.settle();
    for (let minute = 1; minute < 8; minute++) {
      await commit("web.ticks", [[minute * 60 + 10, minute, "x", 1]]);
      await streams.settle();
    }
    const groups = await groupsOf("web.minutes");
    expect(groups).toMatchObject({ kept: true });
    expect(groups?.kept === true && groups.count).toBeLessThanOrEqual(3);
    expect(await streams.rows("SELECT count(*)::INTEGER AS n FROM web.minutes")).toEqual([{ n: 7 }]);
  });

  test.each([
    ["SELECT b, count(DISTINCT a) AS n FROM web.odd GROUP BY b", "count(DISTINCT ...) needs all of its rows"],
    [
      "SELECT upper(k) AS k, count(*) AS n FROM (SELECT b AS k FROM web.odd) GROUP BY k",
      "its result does not say of which group its rows are",
    ],
    ["SELECT sum(a) AS s FROM web.odd GROUP BY b", "its result does not say of which group its rows are"],
    ["SELECT b, avg(d) AS m FROM web.odd GROUP BY b", "DuckDB cannot add up what one of its aggregates came to"],
    ["SELECT b, (max(row(a, d)))[1] AS m FROM web.odd GROUP BY b", "a row() in it has no names"],
    ["SELECT b, median(a) AS m FROM web.odd GROUP BY b", "median() needs all of its rows"],
    [
      "SELECT b, string_agg(b ORDER BY a) AS t FROM web.odd GROUP BY b",
      "string_agg(... ORDER BY ...) needs all of its rows",
    ],
    ["SELECT b, count(*) AS n FROM session(web.odd, event_time, INTERVAL '1 minute', b) GROUP BY b", "session"],
  ])("of %s are not kept; and told why", async (sql, why) => {
    if ((await streams.open.datasets.find(datasetPath("web.odd"))) === null) await commit("web.odd", [[1, 1, "x", 1]]);
    const { state } = await streams.transforms.check({ sql }, new AbortController().signal);
    expect(state).toContain(why);
  });
});
