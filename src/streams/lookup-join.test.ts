import fc from "fast-check";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { until } from "../../test/kit/index.ts";
import { type OpenStreams, openStreams } from "../../test/streams/open.ts";
import { datasetPath, instant } from "../base/index.ts";

let streams: OpenStreams;
const names: string[] = [];
const never = new AbortController().signal;
const columns = { event_time: "TIMESTAMPTZ", k: "BIGINT", v: "VARCHAR" } as const;
const at = (second: number, k: number | null, v: string) => [
  `make_timestamptz(${second * 1_000_000})`,
  `${k}`,
  `'${v}'`,
];

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

const refOf = (name: string) => streams.open.datasets.get(datasetPath(`web.${name}`));

async function stateOf(name: string) {
  return streams.transforms.state((await refOf(name)).id);
}

const runsOf = (name: string) => streams.runs.filter(({ dataset }) => dataset === `web.${name}`);
const left = (t: string, u: string) =>
  `SELECT t.k, t.v, u.v AS found FROM web.${t} t LEFT JOIN web.${u} u AT (TIMESTAMP => now()) ON u.k = t.k`;

describe("a lookup join", () => {
  test("joins each new row once, with what the other dataset has then, and no commit of that one makes a run", async () => {
    await commit("once_u", at(0, 1, "one"));
    await commit("once_t", at(1, 1, "a"), at(2, 2, "b"));
    await define("once", left("once_t", "once_u"));
    await streams.settle();
    await commit("once_u", at(3, 2, "two"));
    await streams.settle();
    expect(runsOf("once")).toHaveLength(1);
    expect(await stateOf("once")).toMatchObject({ mode: "lookup join", state: "idle", awaited: null });
    await commit("once_t", at(4, 2, "c"), at(5, 1, "d"));
    await streams.settle();
    const rows = [
      { offset: 0, k: 1, v: "a", found: "one" },
      { offset: 1, k: 2, v: "b", found: null },
      { offset: 2, k: 2, v: "c", found: "two" },
      { offset: 3, k: 1, v: "d", found: "one" },
    ];
    expect(await streams.rows('SELECT "offset", k, v, found FROM web.once ORDER BY ALL')).toEqual(rows);
    expect(runsOf("once").map(({ rowsRead, rowsWritten }) => [rowsRead, rowsWritten])).toEqual([
      [2, 2],
      [2, 2],
    ]);
    expect(await streams.transforms.rebuild(await refOf("once"), never)).toEqual({
      runs: 2,
      expired: 0,
      different: null,
    });
    const progress = await streams.transforms.progress((await refOf("once")).id, never);
    expect(progress?.map(({ behindRows }) => behindRows)).toEqual([0, 0]);
    // A backfill joins all rows anew.
    await streams.transforms.backfill((await refOf("once")).id);
    await streams.settle();
    expect(await streams.rows("SELECT v, found FROM web.once WHERE v = 'b'")).toEqual([{ v: "b", found: "two" }]);
    expect(await streams.transforms.rebuild(await refOf("once"), never)).toMatchObject({ runs: 3, different: null });
  });

  test("makes a row of each that it finds, in an order that is decided, and its watermark is that of what drives it", async () => {
    await commit("many_u", at(50, 1, "y"), at(60, 1, "x"), at(70, 1, "x"), at(90, 2, "z"));
    await commit("many_t", at(1, 2, "a"), at(2, 1, "b"), at(3, 3, "c"));
    await define(
      "many",
      "SELECT t.v, u.v AS found, u.event_time FROM web.many_t t JOIN web.many_u u AT (TIMESTAMP => current_timestamp) USING (k)",
    );
    await streams.settle();
    expect(await streams.rows('SELECT v, found, epoch(event_time) AS s FROM web.many ORDER BY "offset"')).toEqual([
      { v: "a", found: "z", s: 90 },
      { v: "b", found: "y", s: 50 },
      { v: "b", found: "x", s: 60 },
      { v: "b", found: "x", s: 70 },
    ]);
    expect((await stateOf("many"))?.watermark).toBe(3_000);
    expect(await streams.transforms.rebuild(await refOf("many"), never)).toMatchObject({ different: null });
  });

  test("looks up what holds in a result that changes, in itself, beside UNION ALL, unnested lists, SEMI and ANTI", async () => {
    await commit("ways_u", at(1, 1, "old"), at(2, 1, "new"), at(2, 2, "two"));
    await commit("ways_t", at(1, 1, "a"), at(2, 3, "b"));
    await define("ways_l", "SELECT k, v FROM web.ways_u", { key: ["k"] });
    await streams.settle();
    const mark = "AT (TIMESTAMP => now())";
    const ways = [
      `SELECT t.v, l.v AS w FROM web.ways_t t LEFT JOIN web.ways_l l ${mark} ON l.k = t.k`,
      `SELECT t.v, o.v AS w FROM web.ways_t t, web.ways_t o ${mark} WHERE o.k = t.k + 2`,
      `SELECT v FROM web.ways_t t SEMI JOIN web.ways_l l ${mark} ON l.k = t.k UNION ALL SELECT v FROM web.ways_t t ANTI JOIN web.ways_l l ${mark} ON l.k = t.k`,
      `WITH q AS (SELECT t.k, n FROM web.ways_t t, unnest([t.k, t.k + 1]) AS x(n)) SELECT q.k, n, l.v, o.v AS o FROM q JOIN web.ways_l l ${mark} ON l.k = n LEFT JOIN web.ways_u o ${mark} ON o.k = l.k AND o.v <> l.v`,
    ];
    for (const [index, sql] of ways.entries()) await define(`ways_${index}`, sql);
    await streams.settle();
    const states = await Promise.all(ways.map((_, index) => stateOf(`ways_${index}`)));
    expect(states.map((state) => [state?.mode, state?.error])).toEqual(ways.map(() => ["lookup join", null]));
    const made = await Promise.all(
      ways.map((_, index) => streams.rows(`SELECT * FROM web.ways_${index} ORDER BY "offset"`)),
    );
    expect(made.map((rows) => own(rows))).toEqual([
      [
        { v: "a", w: "new" },
        { v: "b", w: null },
      ],
      [{ v: "a", w: "b" }],
      [{ v: "a" }, { v: "b" }],
      [
        { k: 1, n: 1, v: "new", o: "old" },
        { k: 1, n: 2, v: "two", o: null },
      ],
    ]);
    for (const [index] of ways.entries())
      expect(await streams.transforms.rebuild(await refOf(`ways_${index}`), never)).toMatchObject({ different: null });
  });

  test("waits for the columns of what it looks up, and says so", async () => {
    await commit("cols_t", at(1, 1, "a"));
    await streams.open.datasets.create(datasetPath("web.cols_u"), {});
    await define("cols", left("cols_t", "cols_u"));
    const awaited = { dataset: datasetPath("web.cols_u"), watermark: null };
    await until("it waits", async () => (await stateOf("cols"))?.awaited !== null);
    expect(await stateOf("cols")).toMatchObject({ state: "waiting", awaited });
    await commit("cols_u", at(2, 1, "one"));
    await streams.settle();
    // Its columns are a block of their own: a run may see it before its first row.
    expect(await streams.rows("SELECT v, coalesce(found, 'one') AS found FROM web.cols")).toEqual([
      { v: "a", found: "one" },
    ]);
    expect(await stateOf("cols")).toMatchObject({ state: "idle", awaited: null });
  });

  test("with SYNC reads no block that is ahead of what it looks up, and goes on with that one's commits", async () => {
    await commit("sync_u", at(10, 1, "at 10"));
    for (const second of [5, 10, 12, 11, 20]) await commit("sync_t", at(second, 1, `${second}`));
    await define("sync", `${left("sync_t", "sync_u")} EMIT CHANGES SYNC`);
    await streams.settle();
    const found = () => streams.rows('SELECT v, max(found) AS found FROM web.sync GROUP BY ALL ORDER BY min("offset")');
    expect(await found()).toEqual([
      { v: "5", found: "at 10" },
      { v: "10", found: "at 10" },
    ]);
    const dataset = datasetPath("web.sync_u");
    expect(await stateOf("sync")).toMatchObject({ state: "waiting", awaited: { dataset, watermark: instant(12_000) } });
    await commit("sync_u", at(11, 2, "at 11"));
    await streams.settle();
    expect(await found()).toHaveLength(2);
    await commit("sync_u", at(13, 1, "at 13"));
    await streams.settle();
    expect((await found()) as unknown[]).toHaveLength(4);
    expect(await stateOf("sync")).toMatchObject({ state: "waiting", awaited: { dataset, watermark: instant(20_000) } });
    await streams.restart();
    await commit("sync_u", at(21, 3, "at 21"));
    await streams.settle();
    expect((await found()) as unknown[]).toHaveLength(5);
    expect(await stateOf("sync")).toMatchObject({ state: "idle", awaited: null });
    expect(await streams.transforms.rebuild(await refOf("sync"), never)).toMatchObject({ runs: 3, different: null });
  });

  test("knows of which columns its own are", async () => {
    await commit("line_u", at(1, 1, "x"));
    await commit("line_t", at(1, 1, "a"));
    await define("line", left("line_t", "line_u"));
    await streams.settle();
    expect(await streams.transforms.columns((await refOf("line")).id, never)).toEqual([
      { name: "k", sources: [{ dataset: datasetPath("web.line_t"), column: "k" }] },
      { name: "v", sources: [{ dataset: datasetPath("web.line_t"), column: "v" }] },
      { name: "found", sources: [{ dataset: datasetPath("web.line_u"), column: "v" }] },
    ]);
  });

  const mark = "AT (TIMESTAMP => now())";
  test.each([
    [`SELECT u.v, count(*) FROM web.t t JOIN web.u u ${mark} USING (k) GROUP BY 1`, "GROUP BY makes one row of many"],
    [`SELECT t.v FROM web.t t RIGHT JOIN web.u u ${mark} USING (k)`, "a join looks at more than one row"],
    [`SELECT t.v FROM web.u t ${mark} JOIN web.t u USING (k)`, "a join looks at more than one row"],
    [`SELECT v FROM web.u ${mark}`, "it stands elsewhere than behind a JOIN"],
    [`SELECT v FROM web.t WHERE k IN (SELECT k FROM web.u ${mark})`, "a subquery in an expression"],
    [`WITH u AS (FROM web.u) SELECT t.v FROM web.t t JOIN u ${mark} USING (k)`, "it stands at a CTE"],
    [`SELECT t.v FROM web.t t JOIN web.u u ${mark} USING (k), web.t o`, "a join looks at more than one row"],
    [`SELECT t.v FROM web.t t JOIN web.u u AT (TIMESTAMP => now() - INTERVAL 1 DAY) USING (k)`, "AT reads a past"],
    [`SELECT t.v FROM web.t t JOIN web.u u AT (VERSION => 1) USING (k)`, "AT reads a past"],
    ["SELECT v FROM web.t EMIT CHANGES SYNC", "SYNC waits for what is looked up"],
  ])("%s is refused, and told why", async (sql, why) => {
    await commit("t", at(1, 1, "x"));
    await commit("u", at(1, 1, "x"));
    const refused = { code: "sql_unsupported", message: expect.stringContaining(why) };
    await expect(streams.transforms.check({ sql }, never)).rejects.toMatchObject(refused);
  });

  test("is refused over rows that may be taken back, and with a KEY", async () => {
    await commit("back_t", at(1, 1, "x"));
    await commit("back_u", at(1, 1, "x"));
    await define("back_c", "SELECT k, count(*) AS v FROM web.back_t GROUP BY k");
    await streams.settle();
    const check = (sql: string, key?: readonly string[]) => streams.transforms.check({ sql, key }, never);
    await expect(check(left("back_c", "back_u"))).rejects.toMatchObject({
      code: "sql_unsupported",
      message: expect.stringContaining("web.back_c may be taken back"),
    });
    await expect(check(left("back_t", "back_u"), ["k"])).rejects.toMatchObject({
      code: "sql_unsupported",
      message: expect.stringContaining("a KEY picks one row"),
    });
  });
});

/** Rows without what every dataset has. */
function own(rows: unknown): unknown {
  const platforms = new Set(["offset", "op", "system_time", "event_time"]);
  const entries = (row: object) => Object.entries(row).filter(([name]) => !platforms.has(name));
  return (rows as object[]).map((row) => Object.fromEntries(entries(row)));
}

const key = fc.option(fc.integer({ min: 0, max: 3 }), { nil: null, freq: 6 });
const step = fc.record({
  into: fc.constantFrom("t", "t", "u"),
  rows: fc.array(fc.tuple(fc.integer({ min: 0, max: 60 }), key), { minLength: 1, maxLength: 4 }),
  restart: fc.boolean(),
  settle: fc.boolean(),
});

/** Each run's block says which rows it read and at which block it looked up: queries AT that version say what it had to make. */
test("each row is joined with what held at its run's block, however commits, runs and restarts fall", async () => {
  let made = 0;
  const holds = fc.asyncProperty(
    fc.array(step, { minLength: 2, maxLength: 7 }),
    fc.constantFrom("JOIN", "LEFT JOIN"),
    fc.boolean(),
    fc.boolean(),
    fc.constantFrom(1, 3, 1_000),
    async (steps, join, keyed, sync, maxRows) => {
      const [t, u, l, d] = ["t", "u", "l", "d"].map((name) => `h${made}_${name}`) as [string, string, string, string];
      made++;
      await commit(t, at(1, 0, "first"));
      await commit(u, at(1, 0, "first"));
      if (keyed) await define(l, `SELECT k, v FROM web.${u}`, { key: ["k"] });
      const looked = keyed ? l : u;
      await define(
        d,
        `SELECT t.k, t.v, o.v AS w FROM web.${t} t ${join} web.${looked} o AT (TIMESTAMP => now()) ON o.k = t.k${sync ? " EMIT CHANGES SYNC" : ""}`,
        { maxRows },
      );
      let number = 0;
      for (const { into, rows, restart, settle } of steps) {
        await commit(into === "t" ? t : u, ...rows.map(([second, k]) => at(second, k, `${into}${number++}`)));
        if (settle) await streams.settle();
        if (restart) await streams.restart();
      }
      // What SYNC waits for comes at last.
      await commit(u, at(61, 9, "last"));
      await streams.settle();
      await holdsByRun({ t, looked, d, join });
      for (const name of names.splice(0).reverse()) await streams.forget(name);
    },
  );
  await fc.assert(holds, { numRuns: 12, seed: 7, endOnFailure: true });
}, 120_000);

async function holdsByRun({
  t,
  looked,
  d,
  join,
}: {
  t: string;
  looked: string;
  d: string;
  join: string;
}): Promise<void> {
  const { datasets } = streams.open;
  const [driving, other, result] = await Promise.all([t, looked, d].map(refOf));
  if (driving === undefined || other === undefined || result === undefined) throw new Error("they are there");
  const { seq, nextOffset } = await datasets.head(result.id);
  let [read, told] = [0, 0];
  for await (const { block } of datasets.blocks(result.id, { from: 0, to: seq, newestFirst: false }, never)) {
    const { event } = block;
    if (event.kind !== "ExecuteTransform") continue;
    const [from, seen] = [driving, other].map(({ id }) => event.queryInputs.find(({ datasetId }) => datasetId === id));
    const until = (from?.newOffset ?? from?.prevOffset ?? -1) + 1;
    const version = await datasets.blockByHash(
      other.id,
      seen?.newBlockHash ?? seen?.prevBlockHash ?? ("" as never),
      never,
    );
    const range = `t."offset" >= ${read} AND t."offset" < ${until}`;
    const wanted = `SELECT t.k, t.v, o.v AS w FROM (SELECT * FROM web.${t} t WHERE ${range}) t ${join} web.${looked} o AT (VERSION => ${version?.seq}) ON o.k = t.k`;
    const rows =
      event.newData === undefined ? 0 : event.newData.offsetInterval.end - event.newData.offsetInterval.start + 1;
    const kept = `SELECT k, v, w FROM web.${d} WHERE "offset" >= ${told} AND "offset" < ${told + rows}`;
    expect(await streams.rows(`(${kept} EXCEPT ALL ${wanted}) UNION ALL (${wanted} EXCEPT ALL ${kept})`)).toEqual([]);
    [read, told] = [until, told + rows];
  }
  expect({ read, told }).toEqual({ read: (await datasets.head(driving.id)).nextOffset, told: nextOffset });
  expect(await streams.transforms.rebuild(result, never)).toMatchObject({ different: null });
}
