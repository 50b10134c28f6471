import path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type OpenQueries, openQueries, pathOf, requestOf, rowsOf } from "../../test/queries/open.ts";
import { instant, silentTelemetry, systemClock, systemRandom } from "../base/index.ts";
import { Datasets } from "../datasets/index.ts";
import { nodeDisk } from "../storage/index.ts";

let open: OpenQueries;
const signal = AbortSignal.timeout(120_000);
beforeAll(async () => {
  open = await openQueries();
});
afterAll(() => open[Symbol.asyncDispose]());

/** Another server on the same store: it compacts, supersedes and deletes at once. */
async function compactElsewhere(name: string): Promise<void> {
  const other = new Datasets({
    store: open.identity.open.store,
    sql: open.identity.open.database.sql,
    slices: open.pool.pool,
    clock: { ...systemClock, now: () => instant(systemClock.now() + 1) },
    random: systemRandom,
    telemetry: silentTelemetry,
    announce: async () => {},
    copies: {
      worker: open.pool.pool,
      disk: nodeDisk,
      directory: path.join(open.identity.open.folder, "work"),
      graceMs: -10_000,
    },
  });
  const { id } = await other.get(pathOf(name));
  const compacted = await other.layouts.compact(id, signal, () => {});
  expect(compacted).toMatchObject({ regions: 1, unproven: 0 });
  const superseded = await other.layouts.supersede(id, -1_000, signal, () => {});
  expect(superseded.slices).toBeGreaterThan(50);
  await other.layouts.deleteOutdated(id, signal);
}

async function fill(name: string): Promise<void> {
  const first = { n: "INTEGER", big: "UBIGINT" };
  for (let at = 0; at < 66; at++) {
    const columns = at < 30 ? first : { ...first, s: 'STRUCT("x" UTINYINT[])' };
    const more = at < 30 ? [] : [`{'x': [${at}, NULL]}`];
    await open.commit(pathOf(name), columns, [
      [`${at}`, "18446744073709551615", ...more],
      [`${-at}`, "NULL", ...more],
    ]);
  }
}

const questions = (name: string) => [
  `SELECT count(*) AS n, sum(n) AS s, min("offset") AS lo, max("offset") AS hi, max(big) AS b FROM web.${name}`,
  `SELECT typeof("offset") AS a, typeof(op) AS b, typeof(big) AS c, typeof(s) AS d, s FROM web.${name} WHERE "offset" = 130`,
  `SELECT count(*) AS n, sum(n) AS s FROM web.${name} AT (VERSION => 40)`,
  `SELECT n, "offset" FROM web.${name} WHERE n BETWEEN 20 AND 22 ORDER BY ALL`,
  `SELECT count(*) AS n FROM web.${name} a JOIN (FROM web.${name} AT (VERSION => 20)) b ON a."offset" = b."offset"`,
];

const ask = (sql: string, queries = open.queries) => rowsOf(queries.run(requestOf(sql, open.owner), signal));

test("a query whose files another server has compacted and deleted reads the same rows from others, kept plan or not", async () => {
  await fill("elsewhere");
  const before = [];
  for (const question of questions("elsewhere")) before.push(await ask(question));
  const [first] = questions("elsewhere");
  if (first !== undefined) expect(await ask(first)).toEqual(before[0]); // by a kept plan
  await compactElsewhere("elsewhere");
  const after = [];
  for (const question of questions("elsewhere")) after.push(await ask(question));
  expect(after).toEqual(before);
  expect(open.records.at(-1)?.slicesRead).toBeLessThan(20);
}, 60_000);

test("copies and the slices behind them are read as one, so that a count reads no row of either", async () => {
  const columns = { n: "INTEGER", u: "UINTEGER", t: "VARCHAR" };
  for (let at = 0; at < 70; at++)
    await open.commit(pathOf("plain"), columns, [
      [`${at}`, "4294967295", `'text ${at}'`],
      [`${-at}`, "NULL", "NULL"],
    ]);
  const questions = [
    "SELECT count(*) AS n FROM web.plain",
    `SELECT count(*) AS n, sum(n) AS s, sum(u) AS u, count(t) AS t, min("offset") AS lo, max("offset") AS hi FROM web.plain`,
    `SELECT *, typeof("offset") AS a, typeof(op) AS b, typeof(u) AS c FROM web.plain WHERE "offset" % 69 = 1`,
    `SELECT "offset", t FROM web.plain WHERE n > 60 OR op <> 0`,
    "SELECT count(*) AS n, sum(n) AS s FROM web.plain AT (VERSION => 68)",
  ];
  const before = [];
  for (const question of questions) before.push(await ask(question));
  await compactElsewhere("plain");
  const { datasets } = open;
  await datasets.refresh((await datasets.get(pathOf("plain"))).id);
  const reads: number[] = [];
  const engine = new Proxy(open.pool.pool, {
    get(target, name) {
      const member: unknown = Reflect.get(target, name, target);
      if (typeof member !== "function") return member;
      if (name !== "query") return member.bind(target);
      return async (...given: Parameters<typeof target.query>) => {
        reads.push(JSON.stringify(given[0]).split("read_parquet").length - 1);
        return await target.query(...given);
      };
    },
  });
  const after = [];
  for (const question of questions) after.push(await ask(question, open.another({ engine })));
  expect(after).toEqual(before);
  expect(open.records.at(-1)?.slicesRead).toBeGreaterThan(1);
  expect(reads).toEqual([1, 1, 1, 1, 1]);
}, 60_000);

test("rows from before a column became text read the same behind compaction", async () => {
  const types = { n: "DECIMAL(6,2)", at: "TIMESTAMP WITH TIME ZONE", ok: "BOOLEAN", big: "UBIGINT", day: "DATE" };
  const texts = Object.fromEntries(Object.keys(types).map((name) => [name, "VARCHAR"]));
  for (let at = 0; at < 66; at++) {
    if (at < 35)
      await open.commit(pathOf("texts"), types, [
        [`${at}.5`, `'2026-01-01 00:00:${at % 60}+00'`, "true", "18446744073709551615", "'2026-02-28'"],
      ]);
    else await open.commit(pathOf("texts"), texts, [[`'n ${at}'`, "'never'", "'perhaps'", "'many'", "'some day'"]]);
  }
  const questions = [
    'SELECT * FROM web.texts ORDER BY "offset"',
    "SELECT count(*) AS n FROM web.texts WHERE n = '7.50' OR n = 'n 40'",
    "SELECT count(*) AS n FROM web.texts WHERE big > '2' AND day < '3'",
    "SELECT n, typeof(n) AS t FROM web.texts AT (VERSION => 10)",
  ];
  const before = [];
  for (const question of questions) before.push(await ask(question));
  expect(before[1]).toEqual([{ n: 2 }]);
  expect(before[2]).toEqual([{ n: 0 }]);
  await compactElsewhere("texts");
  const { id } = await open.datasets.get(pathOf("texts"));
  await open.datasets.refresh(id);
  const after = [];
  for (const question of questions) after.push(await ask(question));
  expect(after).toEqual(before);
  expect(open.records.at(-1)?.slicesRead).toBeGreaterThan(0);
}, 60_000);

test("files that vanish while a worker opens them cost one more try", async () => {
  await fill("vanishing");
  const [question = ""] = questions("vanishing");
  const before = await ask(question);
  let calls = 0;
  const engine = new Proxy(open.pool.pool, {
    get(target, name) {
      const member: unknown = Reflect.get(target, name, target);
      if (typeof member !== "function") return member;
      if (name !== "query") return member.bind(target);
      return async (...given: Parameters<typeof target.query>) => {
        if (calls++ === 0) await compactElsewhere("vanishing");
        return await target.query(...given);
      };
    },
  });
  expect(await ask(question, open.another({ engine }))).toEqual(before);
  expect(calls).toBe(2);
}, 60_000);

test("rows that expire are not shown by a kept plan either, nor counted, while their file is still there", async () => {
  const name = "expiring";
  for (const value of ["1", "2", "3"]) await open.commit(pathOf(name), { n: "INTEGER" }, [[value], [value]]);
  const sql = `SELECT sum(n)::INTEGER AS s, count(*)::INTEGER AS n FROM web.${name}`;
  for (let times = 0; times < 2; times++) expect(await ask(sql)).toEqual([{ s: 12, n: 6 }]); // the second by a kept plan
  const { id } = await open.datasets.get(pathOf(name));
  const { slices } = await open.datasets.snapshot(id);
  await using _held = await open.datasets.openSlices(id, slices, signal); // so that no file is deleted
  expect(await open.datasets.layouts.expire(id, { rows: 4 }, signal, () => {})).toMatchObject({
    expiredBefore: 2,
    slices: 0,
  });
  expect(await ask(sql)).toEqual([{ s: 10, n: 4 }]);
  expect(await open.datasets.head(id)).toMatchObject({ rows: 4, nextOffset: 6, expiredBefore: 2 });
});
