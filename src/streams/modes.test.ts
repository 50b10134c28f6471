import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { until } from "../../test/kit/index.ts";
import { type OpenStreams, openStreams } from "../../test/streams/open.ts";
import { datasetPath, type TraceId } from "../base/index.ts";
import { changesOf } from "../datasets/index.ts";

let streams: OpenStreams;
const names: string[] = [];
const never = new AbortController().signal;
const columns = { a: "BIGINT", b: "VARCHAR" } as const;

beforeAll(async () => {
  streams = await openStreams();
}, 60_000);
afterAll(() => streams[Symbol.asyncDispose]());
afterEach(async () => {
  for (const name of names.splice(0).reverse()) await streams.forget(name);
});

const commit = (name: string, ...rows: readonly (readonly string[])[]) =>
  streams.open.commit(datasetPath(`web.${name}`), columns, rows);

async function define(name: string, sql: string, more = {}): Promise<void> {
  await streams.define(`web.${name}`, sql, more);
  names.push(`web.${name}`);
}

async function stateOf(name: string) {
  const { id } = await streams.open.datasets.get(datasetPath(`web.${name}`));
  return streams.transforms.state(id);
}

describe("a transform", () => {
  const cases = [
    ["keyed aggregate", "SELECT b, count(*) AS n, sum(a) AS s FROM {t} GROUP BY b"],
    ["keyed aggregate", "SELECT upper(b) AS b, max(a) AS m FROM {t} WHERE a > 0 GROUP BY ALL HAVING count(*) > 1"],
    [
      "windowed aggregate",
      "SELECT time_bucket(INTERVAL '1 minute', event_time) AS w, count(*) AS n FROM {t} GROUP BY 1",
    ],
    [
      "windowed aggregate",
      "SELECT window_start, b, sum(a) AS s FROM tumble({t}, event_time, INTERVAL '1 minute') GROUP BY ALL",
    ],
    [
      "windowed aggregate",
      "SELECT window_end AS e, count(*) AS n FROM hop({t}, event_time, INTERVAL '1 minute', INTERVAL '3 minutes') GROUP BY 1",
    ],
    [
      "windowed aggregate",
      "SELECT b, window_start, window_end, count(*) AS n FROM session({t}, event_time, INTERVAL '1 minute', b) GROUP BY ALL",
    ],
    [
      "windowed aggregate",
      "SELECT b, max(window_end) AS e, count(*) AS n FROM session({t}, event_time, INTERVAL '1 minute', b) GROUP BY b, window_start",
    ],
    ["stateless", "SELECT a, window_start FROM tumble({t}, event_time, INTERVAL '1 minute')"],
    [
      "full refresh with diff",
      "SELECT window_start, count(*) AS n FROM session({t}, event_time, INTERVAL '1 minute') GROUP BY ALL",
    ],
    ["dedup", "SELECT DISTINCT b FROM {t}"],
    ["dedup", 'SELECT DISTINCT * EXCLUDE ("offset", op, system_time, event_time) FROM {t}'],
    ["latest by key", "SELECT DISTINCT ON (b) b, a FROM {t} ORDER BY b, a DESC"],
    ["latest by key", "SELECT b, a FROM {t} QUALIFY row_number() OVER (PARTITION BY b ORDER BY a DESC) = 1"],
    ["window functions by key", "SELECT b, a, sum(a) OVER (PARTITION BY b) AS total FROM {t}"],
    ["keyed aggregate", "SELECT upper(b) AS b, count(*) AS n FROM {t} WHERE b <> 'y' GROUP BY 1"],
    ["full refresh with diff", "SELECT upper(b) AS u, count(*) AS n FROM {t} WHERE u <> 'Y' GROUP BY 1"],
    ["full refresh with diff", "SELECT event_time < now() AS past, count(*) AS n FROM {t} GROUP BY 1"],
    ["keyed aggregate", "SELECT count(*) AS n FROM {t}"],
    ["full refresh with diff", "SELECT count(DISTINCT a) AS n FROM {t}"],
    ["full refresh with diff", "SELECT x.b, count(*) AS n FROM {t} AS x JOIN {t} AS y ON x.b = y.b GROUP BY 1"],
    ["full refresh with diff", "SELECT a, b FROM {t} ORDER BY a DESC, b LIMIT 2"],
    ["join", "SELECT x.b, y.a FROM {t} AS x JOIN {t} AS y ON x.b = y.b"],
    ["join", "SELECT x.a FROM {t} AS x JOIN {t} AS y ON x.b = y.b AND y.event_time >= x.event_time"],
    [
      "interval join",
      "SELECT x.b, y.a FROM {t} AS x, {t} AS y WHERE x.a = y.a AND y.event_time - INTERVAL 1 HOUR <= x.event_time AND x.event_time < y.event_time + INTERVAL '1 day'",
    ],
  ] as const;
  test.each(cases)("in the mode %s is kept right: %s", async (mode, said) => {
    const input = `m${names.length}_${cases.findIndex((one) => one[1] === said)}`;
    const sql = said.replaceAll("{t}", `web.${input}`);
    await commit(input, ["1", "'x'"], ["2", "'y'"], ["3", "'x'"]);
    await define(`${input}_d`, sql);
    await streams.settle();
    for (const rows of [
      [["4", "'x'"]],
      [
        ["1", "NULL"],
        ["9", "'z'"],
      ],
      [
        ["5", "NULL"],
        ["2", "'y'"],
      ],
    ]) {
      await commit(input, ...rows);
      await streams.settle();
      const own = "COLUMNS(c -> c NOT IN ('offset', 'op', 'system_time', 'event_time'))";
      const [kept, full] = [`SELECT ${own} FROM web.${input}_d`, `SELECT ${own} FROM (${sql})`];
      const differs = await streams.rows(`(${kept} EXCEPT ALL ${full}) UNION ALL (${full} EXCEPT ALL ${kept})`);
      const state = await stateOf(`${input}_d`);
      expect({ differs, error: state?.error, mode: state?.mode }).toEqual({ differs: [], error: null, mode });
    }
    const ref = await streams.open.datasets.get(datasetPath(`web.${input}_d`));
    const rebuilt = await streams.transforms.rebuild(ref, new AbortController().signal);
    expect(rebuilt.different).toBeNull();
  });

  test("tells what it takes back, corrects and adds, each with its own offset", async () => {
    await commit("ops", ["1", "'x'"], ["2", "'y'"]);
    await define("ops_d", "SELECT b, CAST(sum(a) AS BIGINT) AS s FROM web.ops GROUP BY b HAVING sum(a) < 10");
    await streams.settle();
    await commit("ops", ["3", "'x'"], ["20", "'y'"], ["4", "'z'"]);
    await streams.settle();
    expect(await changes("ops_d")).toEqual([
      { offset: 0, op: 0, b: "x", s: 1, retracts: null },
      { offset: 1, op: 0, b: "y", s: 2, retracts: null },
      { offset: 2, op: 1, b: "y", s: 2, retracts: 1 },
      { offset: 3, op: 2, b: "x", s: 1, retracts: 0 },
      { offset: 4, op: 3, b: "x", s: 4, retracts: null },
      { offset: 5, op: 0, b: "z", s: 4, retracts: null },
    ]);
    expect(await streams.rows('SELECT "offset", op, b FROM web.ops_d ORDER BY ALL')).toEqual([
      { offset: 4, op: 3, b: "x" },
      { offset: 5, op: 0, b: "z" },
    ]);
    const ref = await streams.open.datasets.get(datasetPath("web.ops_d"));
    const { seq } = await streams.open.datasets.snapshot(ref.id, { kind: "offset", offset: 1 });
    expect(await streams.rows(`SELECT b FROM web.ops_d AT (VERSION => ${seq}) ORDER BY b`)).toEqual([
      { b: "x" },
      { b: "y" },
    ]);
  });

  test("over what changes takes back what came of it", async () => {
    await commit("chain", ["1", "'x'"], ["5", "'y'"]);
    await define("chain_1", "SELECT b, sum(a) AS s FROM web.chain GROUP BY b");
    await define("chain_2", "SELECT s % 2 AS odd, b FROM web.chain_1 WHERE s > 1");
    await define("chain_3", "SELECT odd, count(*) AS n FROM web.chain_2 GROUP BY odd");
    for (const rows of [
      [["2", "'x'"]],
      [["-9", "'y'"]],
      [
        ["1", "'x'"],
        ["0", "'x'"],
      ],
    ]) {
      await commit("chain", ...rows);
      await streams.settle();
    }
    await streams.settle();
    expect(await streams.rows("SELECT odd, b FROM web.chain_2")).toEqual([{ odd: "0", b: "x" }]);
    expect(await streams.rows("SELECT odd, n FROM web.chain_3")).toEqual([{ odd: "0", n: 1 }]);
  });

  test("with a KEY keeps the latest row of each, by event time and then by offset", async () => {
    await commit("keyed", ["1", "'x'"], ["2", "'y'"], ["3", "'x'"]);
    await define("keyed_d", "SELECT b, a FROM web.keyed", { key: ["b"] });
    await streams.settle();
    expect(await stateOf("keyed_d")).toMatchObject({ mode: "latest by key", key: ["b"] });
    await commit("keyed", ["4", "'y'"], ["5", "NULL"]);
    await streams.settle();
    expect(await streams.rows("SELECT b, a FROM web.keyed_d ORDER BY b")).toEqual([
      { b: "x", a: 3 },
      { b: "y", a: 4 },
      { b: null, a: 5 },
    ]);
  });

  test("that is declared anew commits what is other then as one block, and readers see one result or the other", async () => {
    await commit("anew", ["1", "'x'"], ["2", "'y'"], ["3", "'z'"]);
    await define("anew_d", "SELECT a, b FROM web.anew WHERE a > 1");
    await streams.settle();
    await define("anew_over", "SELECT count(*) AS n FROM web.anew_d");
    await commit("anew", ["0", "'no'"]);
    await streams.settle();
    const path = datasetPath("web.anew_d");
    await streams.declare({ path, sql: "SELECT a, upper(b) AS b FROM web.anew WHERE a <> 2", paused: false });
    await until("it has been made anew", async () => {
      const [{ n }] = (await streams.rows("SELECT count(*) AS n FROM web.anew_d WHERE b = 'X'")) as [{ n: number }];
      return n === 1;
    });
    await streams.settle();
    const rows = [
      { op: 0, a: 2, b: "y", retracts: null },
      { op: 0, a: 3, b: "z", retracts: null },
      { op: 1, a: 2, b: "y", retracts: 0 },
      { op: 1, a: 3, b: "z", retracts: 1 },
      { op: 0, a: 0, b: "NO", retracts: null },
      { op: 0, a: 1, b: "X", retracts: null },
      { op: 0, a: 3, b: "Z", retracts: null },
    ];
    expect(await changes("anew_d")).toEqual(rows.map((row, offset) => ({ offset, ...row })));
    // The next rows are read as ever, also by a process that has just begun.
    await streams.restart();
    await commit("anew", ["4", "'w'"]);
    await streams.settle();
    expect(await streams.rows("SELECT a, b FROM web.anew_d WHERE a > 3")).toEqual([{ a: 4, b: "W" }]);
    await streams.settle();
    expect(await streams.rows("SELECT n FROM web.anew_over")).toEqual([{ n: 4 }]);
    const ref = await streams.open.datasets.get(path);
    expect((await streams.transforms.rebuild(ref, never)).different).toBeNull();
  });

  test("of a UNION ALL is made again from its inputs", async () => {
    await commit("both", ["1", "'x'"], ["2", "'y'"]);
    await define("both_d", "SELECT a FROM web.both WHERE a > 1 UNION ALL SELECT -a FROM web.both");
    await streams.settle();
    const ref = await streams.open.datasets.get(datasetPath("web.both_d"));
    const before = await streams.open.datasets.head(ref.id);
    await streams.transforms.backfill(ref.id);
    await until("it is done", async () => (await streams.open.datasets.head(ref.id)).seq > before.seq + 1);
    await streams.settle();
    expect((await stateOf("both_d"))?.error).toBeNull();
    expect(await streams.rows("SELECT a FROM web.both_d ORDER BY a")).toEqual([{ a: -2 }, { a: -1 }, { a: 2 }]);
    expect(await streams.open.datasets.head(ref.id)).toMatchObject({ nextOffset: before.nextOffset });
  });

  test("gets its input's new columns where its rows change, too", async () => {
    await commit("wider", ["1", "'x'"], ["2", "'y'"]);
    await define("wider_d", "SELECT * FROM web.wider QUALIFY row_number() OVER (PARTITION BY b ORDER BY a DESC) = 1");
    await define("wider_over", "SELECT * FROM web.wider_d");
    await streams.settle();
    const more = { ...columns, c: "INTEGER" } as const;
    await streams.open.commit(datasetPath("web.wider"), more, [["3", "'x'", "30"]]);
    await streams.settle();
    await streams.settle();
    for (const name of ["wider_d", "wider_over"])
      expect(await streams.rows(`SELECT a, b, c FROM web.${name} ORDER BY b`)).toEqual([
        { a: 3, b: "x", c: 30 },
        { a: 2, b: "y", c: null },
      ]);
  });

  test("that is made again from its inputs takes back what these no longer say", async () => {
    await commit("fill", ["1", "'x'"], ["2", "'y'"]);
    await define("fill_d", "SELECT b, count(*) AS n FROM web.fill GROUP BY b");
    await streams.settle();
    const ref = await streams.open.datasets.get(datasetPath("web.fill_d"));
    const before = await streams.open.datasets.head(ref.id);
    await streams.transforms.backfill(ref.id);
    await until("it is done", async () => (await streams.open.datasets.head(ref.id)).seq === before.seq + 2);
    await streams.settle();
    expect(await streams.open.datasets.head(ref.id)).toMatchObject({ nextOffset: before.nextOffset });
    await commit("fill", ["3", "'x'"]);
    await streams.settle();
    expect(await streams.rows("SELECT b, n FROM web.fill_d ORDER BY b")).toEqual([
      { b: "x", n: 2 },
      { b: "y", n: 1 },
    ]);
  });

  test("tells of windows when they close, corrects them while late rows are allowed, and counts those that came later", async () => {
    const timed = { event_time: "TIMESTAMPTZ", a: "BIGINT", b: "VARCHAR" } as const;
    const at = (second: number, a: number) => [`make_timestamptz(${second * 1_000_000})`, String(a), "'x'"];
    const push = (...rows: readonly (readonly string[])[]) =>
      streams.open.commit(datasetPath("web.timed"), timed, rows);
    const sql = `SELECT window_start AS w, count(*) AS n, sum(a)::INTEGER AS a
      FROM tumble(web.timed, event_time, INTERVAL '10 seconds') GROUP BY 1
      EMIT ON CLOSE LATENESS '5 seconds' ALLOWED LATENESS '20 seconds'`;
    const all = () => streams.rows("SELECT epoch(w)::INTEGER AS s, n, a FROM web.timed_d ORDER BY s");
    await push(at(1, 1), at(9, 2));
    await define("timed_d", sql);
    await streams.settle();
    expect(await all()).toEqual([]);
    await push(at(14, 4));
    await streams.settle();
    expect(await all()).toEqual([]);
    // The watermark comes to 10: the first window closes, though no row of it is new.
    await push(at(15, 8));
    await streams.settle();
    expect(await all()).toEqual([{ s: 0, n: 2, a: 3 }]);
    // It had closed, and is corrected; then the watermark goes to 32.
    await push(at(2, 16), at(37, 32));
    await streams.settle();
    expect(await all()).toEqual([
      { s: 0, n: 3, a: 19 },
      { s: 10, n: 2, a: 12 },
    ]);
    // Its end is 22 behind the watermark, and 20 are allowed; that of the second is 12 behind.
    await push(at(3, 64), at(11, 128), at(1_000, 0));
    await streams.settle();
    expect(await all()).toEqual([
      { s: 0, n: 3, a: 19 },
      { s: 10, n: 3, a: 140 },
      { s: 30, n: 1, a: 32 },
    ]);
    expect((await changes("timed_d")) as { op: number }[]).toMatchObject([0, 2, 3, 0, 2, 3, 0].map((op) => ({ op })));
    expect(await stateOf("timed_d")).toMatchObject({ rowsLate: 1, watermark: 995_000 });
    expect(streams.runs.at(-1)).toMatchObject({ rowsLate: 1, late: [{ dataset: "web.timed", offset: 6 }] });
    const ref = await streams.open.datasets.get(datasetPath("web.timed_d"));
    expect((await streams.transforms.rebuild(ref, never)).different).toBeNull();
  });

  test("whose SELECT makes two rows of one KEY fails, and commits nothing", async () => {
    await commit("double", ["1", "'x'"], ["2", "'x'"]);
    await define("double_d", "SELECT b, a, count(*) AS n FROM web.double GROUP BY ALL", { key: ["b"] });
    await until("it has failed", async () => (await stateOf("double_d"))?.state === "failing");
    expect((await stateOf("double_d"))?.error).toMatchObject({
      code: "conflict",
      message: expect.stringContaining("KEY"),
    });
    expect(await changes("double_d")).toEqual([]);
  });
});

/** A changelog's rows as they stand in its slices. */
async function changes(name: string): Promise<unknown> {
  const { datasets, pool } = streams.open;
  const ref = await datasets.get(datasetPath(`web.${name}`));
  const snapshot = await datasets.snapshot(ref.id);
  if (snapshot.schema === null || snapshot.rows === 0) return [];
  await using open = await datasets.openSlices(ref.id, snapshot.slices);
  const relation = changesOf(ref.path, snapshot, { slices: snapshot.slices, paths: open.paths });
  const own = `SELECT * EXCLUDE (system_time, event_time) FROM (${relation}) ORDER BY "offset"`;
  const statements = [{ sql: own, rows: true }];
  const traceId = "0000000000000000" as TraceId;
  const [rows] = await pool.pool.script({ traceId, label: "test", statements, role: "compute" }, never);
  return rows;
}
