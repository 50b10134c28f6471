import { copyFile } from "node:fs/promises";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { until } from "../../test/kit/index.ts";
import { type OpenStreams, openStreams } from "../../test/streams/open.ts";
import { datasetPath, MillraceError } from "../base/index.ts";
import type { ObjectStore } from "../storage/index.ts";
import type { DeclaredTransform } from "./contract.ts";

let streams: OpenStreams;
const names = new Set<string>();
const columns = { a: "BIGINT", b: "VARCHAR" } as const;
const never = new AbortController().signal;

beforeAll(async () => {
  streams = await openStreams();
  await commit("raw", ["1", "'x'"], ["2", "'y'"]);
}, 60_000);
afterAll(() => streams[Symbol.asyncDispose]());
afterEach(async () => {
  for (const name of names) await streams.forget(name);
  names.clear();
});

const commit = (name: string, ...rows: readonly (readonly string[])[]) =>
  streams.open.commit(datasetPath(`web.${name}`), columns, rows);

async function define(name: string, sql: string, more = {}): Promise<void> {
  await streams.define(`web.${name}`, sql, more);
  names.add(`web.${name}`);
}

async function stateOf(name: string) {
  const { id } = await streams.open.datasets.get(datasetPath(`web.${name}`));
  return streams.transforms.state(id);
}

describe("a transform", () => {
  test("makes rows of what is there, and of what comes, and reads nothing twice", async () => {
    await define("twice", "SELECT a * 2 AS doubled FROM web.raw WHERE a > 0");
    await streams.settle();
    await commit("raw", ["3", "'z'"], ["-1", "'no'"]);
    await streams.settle();
    expect(await streams.rows('SELECT "offset", op, doubled FROM web.twice')).toEqual([
      { offset: 0, op: 0, doubled: 2 },
      { offset: 1, op: 0, doubled: 4 },
      { offset: 2, op: 0, doubled: 6 },
    ]);
    const runs = streams.runs.filter(({ dataset }) => dataset === "web.twice");
    expect(runs.map(({ rowsRead, rowsWritten }) => [rowsRead, rowsWritten])).toEqual([
      [2, 2],
      [2, 1],
    ]);
  });

  test("over a transform's result goes on from it", async () => {
    await commit("chained", ["1", "'x'"]);
    await define("first", "SELECT a + 1 AS a FROM web.chained");
    await define("second", "SELECT a * 10 AS a FROM web.first");
    await commit("chained", ["2", "'y'"]);
    await streams.settle();
    expect(await streams.rows("SELECT a FROM web.second ORDER BY a")).toEqual([{ a: 20 }, { a: 30 }]);
  });

  test("has one clock a run, which its rows and its block tell", async () => {
    await define("clocked", "SELECT now() AS told, current_timestamp AS also, current_date AS day FROM web.raw");
    await streams.settle();
    const [same] = (await streams.rows(
      "SELECT bool_and(told = system_time AND also = told AND day = told::DATE) AS same, count(DISTINCT told) AS clocks FROM web.clocked",
    )) as unknown[];
    expect(same).toEqual({ same: true, clocks: 1 });
  });

  test("verifies as any dataset does", async () => {
    await define("proven", "SELECT b, a FROM web.raw");
    await streams.settle();
    const { id } = await streams.open.datasets.get(datasetPath("web.proven"));
    const report = await streams.open.datasets.verify(id, { level: "logical", signal: never, progress: () => {} });
    expect(report).toMatchObject({ ok: true });
  });

  test("is made again from its inputs by what its chain says, and what was made otherwise is found", async () => {
    await define("again", "SELECT a, now() AS told FROM web.raw WHERE a > 1");
    await streams.settle();
    await commit("raw", ["0", "'none'"]);
    await commit("raw", ["7", "'more'"]);
    await streams.settle();
    const ref = await streams.open.datasets.get(datasetPath("web.again"));
    const report = await streams.transforms.rebuild(ref, never);
    expect(report).toEqual({ runs: 3, expired: 0, different: null });
    // A process that ran another SELECT than the chain says.
    await define("plus", "SELECT a + 1 AS a FROM web.raw");
    await define("false", "SELECT a FROM web.raw", { paused: true });
    await streams.settle();
    await copyRun("plus", "false");
    const other = await streams.open.datasets.get(datasetPath("web.false"));
    expect(await streams.transforms.rebuild(other, never)).toMatchObject({
      runs: 0,
      different: { object: expect.stringContaining("blocks/f1620"), reason: expect.stringContaining("block 3") },
    });
    const root = await streams.open.datasets.get(datasetPath("web.raw"));
    await expect(streams.transforms.rebuild(root, never)).rejects.toMatchObject({ code: "bad_request" });
  });

  test("that is told of several times at once is declared once", async () => {
    const sql = "SELECT a + 1 AS a FROM web.raw";
    await define("told", sql);
    await streams.settle();
    const declared = { path: datasetPath("web.told"), sql: sql.replace("1", "2"), paused: false };
    await Promise.all([1, 2, 3].map(() => streams.transforms.keep(declared)));
    await streams.settle();
    const { id } = await streams.open.datasets.get(declared.path);
    const kinds: string[] = [];
    for await (const { block } of streams.open.datasets.blocks(id, { from: 0, to: 99, newestFirst: false }, never))
      kinds.push(block.event.kind);
    expect(kinds.filter((kind) => kind === "SetTransform")).toHaveLength(2);
    const raw = await streams.open.datasets.get(datasetPath("web.raw"));
    const readers = streams.transforms.readersOf(raw.id).filter(({ dataset }) => dataset === "told");
    expect(readers).toHaveLength(1);
    const more = "SELECT (SELECT min(a) FROM web.told) - (SELECT min(a) FROM web.raw) AS more";
    expect(await streams.rows(more)).toEqual([{ more: 2 }]);
  });

  test("gets its input's new columns behind its own, and wider types in their places", async () => {
    const path = datasetPath("web.growing");
    await streams.open.commit(path, { a: "INTEGER" }, [["1"]]);
    await define("grown", "SELECT * FROM web.growing");
    await streams.settle();
    await streams.open.commit(path, { a: "BIGINT", c: "VARCHAR" }, [["5000000000", "'new'"]]);
    await streams.settle();
    expect(await streams.rows("SELECT a, c FROM web.grown")).toEqual([
      { a: 1, c: null },
      { a: 5_000_000_000, c: "new" },
    ]);
  });

  test("that fails waits, says why, keeps no other waiting, and goes on when it can", async () => {
    await commit("texts", ["1", "'1'"]);
    await define("numbers", "SELECT CAST(b AS INTEGER) AS n FROM web.texts");
    await define("beside", "SELECT b FROM web.texts");
    await streams.settle();
    await commit("texts", ["2", "'no number'"]);
    await until("it fails", async () => (await stateOf("numbers"))?.state === "failing");
    expect(await stateOf("numbers")).toMatchObject({ error: { code: "sql_runtime" }, nextTryAt: expect.any(Number) });
    await streams.settle();
    expect(await streams.rows("SELECT count(*) AS n FROM web.beside")).toEqual([{ n: 2 }]);
    expect(await streams.rows("SELECT count(*) AS n FROM web.numbers")).toEqual([{ n: 1 }]);
    expect(streams.runs.findLast(({ dataset }) => dataset === "web.numbers")).toMatchObject({
      state: "failed",
      errorCode: "sql_runtime",
      seq: null,
    });
  });

  test("that is paused does nothing until it is resumed", async () => {
    await define("paused", "SELECT a FROM web.raw", { paused: true });
    await commit("raw", ["9", "'q'"]);
    await streams.settle();
    expect(await stateOf("paused")).toMatchObject({ state: "paused" });
    expect(await streams.rows("SELECT count(*) AS n FROM web.paused")).toEqual([{ n: 0 }]);
    const path = datasetPath("web.paused");
    await streams.transforms.keep({ path, sql: "SELECT a FROM web.raw", paused: false });
    await streams.settle();
    const [{ n }] = (await streams.rows("SELECT count(*) AS n FROM web.raw")) as [{ n: number }];
    expect(await streams.rows("SELECT count(*) AS n FROM web.paused")).toEqual([{ n }]);
  });

  test.each([
    ["SELECT count(DISTINCT a) AS n FROM web.raw", "count() makes one value of many rows"],
    ["SELECT row_number() OVER () AS n FROM web.raw", "a window function"],
    ["SELECT x.a FROM web.raw x LEFT JOIN web.raw y ON x.a = y.a", "a join"],
    ["SELECT a, (SELECT max(a) FROM web.raw) AS m FROM web.raw", "a subquery in an expression"],
    ["SELECT a FROM web.raw UNION SELECT a FROM web.raw", "UNION compares"],
    ["SELECT a FROM web.raw EXCEPT SELECT a FROM web.raw", "EXCEPT compares"],
    ["SELECT a FROM web.raw ORDER BY a LIMIT 1", "LIMIT looks at all rows"],
    ["SELECT b, a, count(*) AS n FROM web.raw GROUP BY ROLLUP (a, b)", "grouping sets"],
    ["SELECT COLUMNS(*) FROM web.raw", "COLUMNS"],
  ])("%s is made anew each time, and compared; and told why", async (sql, why) => {
    const { plan } = await streams.transforms.check({ sql }, never);
    expect(plan).toMatchObject({ mode: "full refresh with diff", why: expect.stringContaining(why) });
  });

  test.each([
    ["SELECT a FROM web.raw LIMIT 1", "LIMIT"],
    ["SELECT a FROM web.raw TABLESAMPLE 10%", "a sample"],
    ["SELECT a FROM web.raw AT (VERSION => 1)", "AT reads a past"],
    ["SELECT random() FROM web.raw", "random() is another value each time"],
    ["SELECT age(event_time) FROM web.raw", "age() is another value each time"],
    ["SELECT current_user FROM web.raw", "current_user"],
    ["SELECT current_time FROM web.raw", "current_time is another value each time"],
    ["SELECT a FROM web.raw WHERE LocalTimestamp > '2026-01-01'", "localtimestamp is another value each time"],
    ["SELECT (SELECT localtime) FROM web.raw", "localtime is another value each time"],
    ["SELECT 1", "reads at least one dataset"],
    [
      "SELECT x.b, first(x.a) FROM web.raw x JOIN web.raw y ON x.a = y.a GROUP BY 1",
      "first() is another value each time",
    ],
    ['SELECT "offset", a FROM web.raw', 'the column "offset"'],
    ["SELECT a AS retracts FROM web.raw", 'the column "retracts"'],
    ["SELECT a AS op FROM web.raw UNION ALL SELECT a FROM web.raw", 'the column "op"'],
    ["SELECT sql FROM system.queries", "tells of itself"],
  ])("%s is refused, and told why", async (sql, why) => {
    await expect(streams.transforms.check({ sql }, never)).rejects.toMatchObject({
      code: "sql_unsupported",
      message: expect.stringContaining(why),
    });
  });
});

test("a declaration that is told of late, when a newer one holds, changes nothing", async () => {
  let now: DeclaredTransform | null = null;
  await using own = await openStreams({ declaredNow: async () => now });
  await own.open.commit(datasetPath("web.raw"), columns, [["1", "'x'"]]);
  await own.define("web.late", "SELECT a FROM web.raw");
  const path = datasetPath("web.late");
  now = { path, sql: "SELECT a + 1 AS a FROM web.raw", paused: false };
  await own.transforms.keep({ path, sql: "SELECT a FROM web.raw", paused: false });
  await own.transforms.keep({ path, sql: "SELECT a + 2 AS a FROM web.raw", paused: true });
  const { id } = await own.open.datasets.get(path);
  await until("it is made anew", async () => JSON.stringify(await own.rows("SELECT a FROM web.late")) === '[{"a":2}]');
  expect(own.transforms.state(id)).toMatchObject({ sql: now.sql });
  const kinds: string[] = [];
  const { seq } = await own.open.datasets.head(id);
  for await (const { block } of own.open.datasets.blocks(id, { from: 0, to: seq, newestFirst: false }, never))
    kinds.push(block.event.kind);
  expect(kinds.filter((kind) => kind === "SetTransform")).toHaveLength(2);
}, 30_000);

/** Commits the first run of one derivative as a run of another. */
async function copyRun(from: string, to: string): Promise<void> {
  const { datasets } = streams.open;
  const [source, target] = await Promise.all([from, to].map((name) => datasets.get(datasetPath(`web.${name}`))));
  if (source === undefined || target === undefined) throw new Error("they are not there");
  const { slices, seq } = await datasets.snapshot(source.id);
  await using open = await datasets.openSlices(source.id, slices);
  for await (const { block } of datasets.blocks(source.id, { from: 0, to: seq, newestFirst: false }, never)) {
    const { event, systemTime } = block;
    if (event.kind !== "ExecuteTransform" || event.newData === undefined) continue;
    const { logicalHash, physicalHash, offsetInterval, size: sizeBytes } = event.newData;
    const localPath = `${open.paths[0]}.copy`;
    await copyFile(open.paths[0] ?? "", localPath);
    const data = { localPath, rows: offsetInterval.end + 1, sizeBytes, logicalHash, physicalHash, statistics: [] };
    const { seq: expectedSeq } = await datasets.head(target.id);
    await datasets.execute(target.id, { expectedSeq, data, systemTime, inputs: event.queryInputs });
    return;
  }
}

describe("a run", () => {
  test("that was decided and cut off is done as it was decided", async () => {
    await commit("cut", ["1", "'x'"]);
    await define("later", "SELECT a, now() AS told FROM web.cut", { paused: true });
    const ref = await streams.open.datasets.get(datasetPath("web.later"));
    // Decided, then the process dies before it has done anything: its commits fail.
    await using dying = await streams.beside(failingAt("/blocks/"));
    const path = datasetPath("web.later");
    await dying.transforms.keep({ path, sql: "SELECT a, now() AS told FROM web.cut", paused: false });
    await until("it has failed", async () => dying.transforms.state(ref.id)?.state === "failing");
    const decided = await streams.decisions("web.later");
    expect(decided).toHaveLength(1);
    await commit("cut", ["2", "'y'"]);
    await streams.transforms.keep({ path, sql: "SELECT a, now() AS told FROM web.cut", paused: false });
    await streams.settle();
    const rows = (await streams.rows("SELECT a, epoch_ms(told) AS told FROM web.later ORDER BY a")) as {
      told: number;
    }[];
    expect(rows).toHaveLength(2);
    expect(rows[0]?.told).toBe(decided[0]?.clock);
    expect(rows[1]?.told).not.toBe(decided[0]?.clock);
  });

  test("of two processes that race is committed once", async () => {
    await commit("raced", ["0", "'x'"]);
    await define("once", "SELECT a FROM web.raced");
    const path = datasetPath("web.once");
    await using other = await streams.beside((store) => store);
    await other.transforms.keep({ path, sql: "SELECT a FROM web.raced", paused: false });
    for (let a = 1; a <= 10; a++) {
      await commit("raced", [String(a), "'x'"]);
      other.transforms.committed({ datasetId: (await streams.open.datasets.get(datasetPath("web.raced"))).id });
    }
    await until("all is there", async () => {
      const [{ n }] = (await streams.rows("SELECT count(*) AS n FROM web.once")) as [{ n: number }];
      return n >= 11;
    });
    await streams.settle();
    expect(await streams.rows("SELECT count(*) AS n, count(DISTINCT a) AS values FROM web.once")).toEqual([
      { n: 11, values: 11 },
    ]);
  });
});

/** A store that cannot write under keys that hold this, as one that is away. */
function failingAt(part: string): (store: ObjectStore) => ObjectStore {
  return (store) =>
    new Proxy(store, {
      get(target, member) {
        const value: unknown = Reflect.get(target, member, target);
        if (typeof value !== "function") return value;
        if (member !== "put") return value.bind(target);
        return (key: string, ...rest: unknown[]) =>
          key.includes(part)
            ? Promise.reject(new MillraceError("unavailable", "planted"))
            : Reflect.apply(value, target, [key, ...rest]);
      },
    });
}
