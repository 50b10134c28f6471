import { type DuckDBConnection, DuckDBInstance } from "@duckdb/node-api";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { datasetName, datasetPath, formatDatasetPath, projectName } from "../base/index.ts";
import { openStatement, parseStatement, readStatementText } from "../compiler/index.ts";
import { columnLineage, derivedColumns, type Sources } from "./lineage.ts";

// The oracle is DuckDB: whatever of a result changes with an input's column has to name it.
const columns = {
  d: { a: "BIGINT", b: "VARCHAR", l: "BIGINT[]", s: "STRUCT(f BIGINT, g VARCHAR)", t: "TIMESTAMP" },
  e: { a: "BIGINT", c: "DOUBLE" },
} as const;
const values: Record<string, readonly [string, string]> = {
  a: ["range", "range + 100"],
  b: ["'b' || range", "'other' || range"],
  l: ["[range, range + 1]", "[range + 50, range + 51]"],
  s: ["{f: range, g: 'g' || range}", "{f: range + 7, g: 'h' || range}"],
  t: ["TIMESTAMP '2030-01-01' + to_minutes(range)", "TIMESTAMP '2031-01-01' + to_minutes(range)"],
  c: ["range / 2", "range * 3 + 0.5"],
};

let connection: DuckDBConnection;
beforeAll(async () => {
  connection = await (await DuckDBInstance.create(":memory:", { threads: "1" })).connect();
  await connection.run("CREATE SCHEMA p");
});
afterAll(() => connection.closeSync());

/** Makes the tables, of which one column may have other values. */
async function fill(other: string | null): Promise<void> {
  for (const [table, has] of Object.entries(columns)) {
    const list = Object.entries(has).map(([name, type]) => {
      const [plain = "", changed = ""] = values[name] ?? [];
      return `CAST(${other === `${table}.${name}` ? changed : plain} AS ${type}) AS ${name}`;
    });
    await connection.run(`CREATE OR REPLACE TABLE p.${table} AS SELECT ${list.join(", ")} FROM range(4)`);
  }
}

async function lineageOf(sql: string) {
  const serialize = async (text: string) => {
    const reader = await connection.runAndReadAll("SELECT json_serialize_sql($1::VARCHAR)", [text]);
    return String(reader.getRowsJson()[0]?.[0]);
  };
  const text = readStatementText(sql);
  const statement = openStatement(text, await parseStatement(text, { serialize, deserialize: async () => "" }));
  const inputs = (path: { project: string; dataset: string }) => {
    const found = Object.entries(columns).find(([table]) => `p.${table}` === `${path.project}.${path.dataset}`);
    return found === undefined ? null : Object.keys(found[1]);
  };
  const pathOf = (project: string, dataset: string) => ({
    project: projectName(project.toLowerCase()),
    dataset: datasetName(dataset.toLowerCase()),
  });
  return columnLineage(statement.node, { inputs, pathOf });
}

const told = (sources: Sources) =>
  sources === null
    ? "?"
    : sources.map(({ dataset, column }) => `${formatDatasetPath(dataset).slice(2)}.${column}`).join();

const star = { a: "d.a", b: "d.b", l: "d.l", s: "d.s", t: "d.t" };
/** A SELECT, what its columns come of, and the input columns that decide which rows there are. */
type Case = [sql: string, expected: Readonly<Record<string, string>>, decides?: string];
const cases: Case[] = [
  ["SELECT a, b AS x, 1 AS one FROM p.d", { a: "d.a", x: "d.b", one: "" }],
  ["SELECT * FROM p.d", star],
  ["SELECT d.* EXCLUDE (b, s) FROM P.D", { a: "d.a", l: "d.l", t: "d.t" }],
  ["SELECT * REPLACE (a + len(b) AS a) FROM p.d", { ...star, a: "d.a,d.b" }],
  ["SELECT * EXCLUDE (l) RENAME (a AS z) FROM p.d", { z: "d.a", b: "d.b", s: "d.s", t: "d.t" }],
  ["SELECT upper(q.b) || q.a::VARCHAR AS v FROM p.d AS q", { v: "d.b,d.a" }],
  ["SELECT s.f AS f, d.s.g AS g, p.d.a AS a, (s).f + a AS m FROM p.d", { f: "d.s", g: "d.s", a: "d.a", m: "d.s,d.a" }],
  ["SELECT x, y FROM p.d AS q (x, y)", { x: "d.a", y: "d.b" }],
  ["SELECT a + 1 AS a2, a2 * 2 AS a4 FROM p.d", { a2: "d.a", a4: "d.a" }],
  ["SELECT list_transform(l, a -> a + len(b)) AS m FROM p.d", { m: "d.l,d.b" }],
  ["SELECT unnest(l) AS one, b FROM p.d", { one: "d.l", b: "d.b" }],
  ["SELECT u.x + a AS sum FROM p.d, UNNEST(d.l) AS u(x)", { sum: "d.l,d.a" }],
  ["SELECT unnest AS one FROM p.d, UNNEST(l)", { one: "d.l" }],
  ["SELECT k FROM (SELECT a + len(b) AS k FROM p.d) WHERE k > 0", { k: "d.a,d.b" }],
  [
    "WITH c AS (SELECT a AS k, b FROM p.d), e AS (SELECT k FROM c) SELECT k, k * 2 AS k2 FROM e",
    { k: "d.a", k2: "d.a" },
  ],
  ["WITH c (m, n) AS (SELECT a, b FROM p.d) SELECT n, m FROM c", { n: "d.b", m: "d.a" }],
  ["SELECT a, b FROM p.d UNION ALL SELECT a, c::VARCHAR FROM p.e", { a: "d.a,e.a", b: "d.b,e.c" }],
  ["SELECT a, b FROM p.d UNION ALL BY NAME SELECT c, a FROM p.e", { a: "d.a,e.a", b: "d.b", c: "e.c" }],
  ["SELECT b, c FROM p.d JOIN p.e ON d.a = e.a", { b: "d.b", c: "e.c" }, "d.a,e.a"],
  ["SELECT a, c FROM p.d JOIN p.e USING (a)", { a: "d.a,e.a", c: "e.c" }, "d.a,e.a"],
  ["SELECT g.v FROM p.d, LATERAL (SELECT d.a * 2 AS v) AS g", { v: "d.a" }],
  ["SELECT a FROM p.d, LATERAL (SELECT a FROM (SELECT b AS a) AS i) AS g (i)", { a: "d.a" }],
  ["SELECT g.i FROM p.d, LATERAL (SELECT a FROM (SELECT b AS a) AS i) AS g (i)", { i: "d.b" }],
  [
    "SELECT b, count(*) AS n, sum(a) FILTER (WHERE l IS NOT NULL) AS total FROM p.d GROUP BY b",
    { b: "d.b", n: "", total: "d.a,d.l" },
  ],
  [
    "SELECT time_bucket(INTERVAL '1 minute', t) AS minute, max(a) AS most FROM p.d GROUP BY ALL",
    { minute: "d.t", most: "d.a" },
    "d.t",
  ],
  ["SELECT a, row_number() OVER (PARTITION BY b ORDER BY t) AS nth FROM p.d", { a: "d.a", nth: "d.b,d.t" }],
  ["SELECT a, (SELECT max(c) FROM p.e) AS most FROM p.d", { a: "d.a", most: "?" }],
  ["SELECT a + v.n AS n, col1 FROM p.d, (VALUES (1, 2), (2, 3)) AS v(n)", { n: "d.a", col1: "" }],
];

describe("columns come of", () => {
  test.each<Case>(cases)("%s", async (sql, expected) => {
    const made = await lineageOf(sql);
    expect(Object.fromEntries((made ?? []).map(({ name, sources }) => [name, told(sources)]))).toEqual(expected);
  });

  test.each<Case>(cases)("all that changes them: %s", async (sql, _expected, decides = "") => {
    const made = (await lineageOf(sql)) ?? [];
    const result = async (other: string | null) => {
      await fill(other);
      const reader = await connection.runAndReadAll(sql);
      const rows = reader.getRowsJson();
      return made.map((_, at) =>
        rows
          .map((row) => JSON.stringify(row[at]))
          .sort()
          .join(),
      );
    };
    const plain = await result(null);
    let changes = 0;
    for (const [table, has] of Object.entries(columns)) {
      for (const column of Object.keys(has).filter((name) => !decides.split(",").includes(`${table}.${name}`))) {
        const changed = await result(`${table}.${column}`);
        for (const [at, { name, sources }] of made.entries()) {
          if (changed[at] === plain[at]) continue;
          changes++;
          expect(
            sources === null || told(sources).split(",").includes(`${table}.${column}`),
            `${name} of ${table}.${column}`,
          ).toBe(true);
        }
      }
    }
    expect(changes).toBeGreaterThan(0);
  });

  test.each(["tumble(p.d, t, INTERVAL '1 minute')", "session(p.d, t, INTERVAL '1 minute', b) AS w"])(
    "a window: %s",
    async (call) => {
      const made = await lineageOf(
        `SELECT window_start, count(*) AS n, max(a) AS most FROM ${call} GROUP BY window_start`,
      );
      expect(made?.map(({ sources }) => told(sources))).toEqual(["d.t", "", "d.a"]);
    },
  );

  test.each([
    "SELECT COLUMNS('a|b') FROM p.d",
    "SELECT * FROM p.absent",
    "SELECT * FROM p.d PIVOT (sum(a) FOR b IN ('b0', 'b1'))",
    `SELECT * FROM ${"(SELECT * FROM ".repeat(40)}p.d${")".repeat(40)}`,
  ])("what nobody can tell: %#", async (sql) => {
    expect(await lineageOf(sql)).toBeNull();
  });
});

test("columns that DuckDB named are found by their place, and no other is guessed", async () => {
  const made = await lineageOf("SELECT a, count(*), b AS x, max(l) FROM p.d GROUP BY ALL");
  const of = (own: readonly string[]) => derivedColumns(own, made).map(({ name, sources }) => [name, told(sources)]);
  expect(of(["a", "count_star()", "x", "max(l)"])).toEqual([
    ["a", "d.a"],
    ["count_star()", ""],
    ["x", "d.b"],
    ["max(l)", "d.l"],
  ]);
  expect(of(["x", "count_star()", "gone"])).toEqual([
    ["x", "d.b"],
    ["count_star()", "?"],
    ["gone", "?"],
  ]);
  const twice = [
    { name: "a", sources: [{ dataset: datasetPath("p.d"), column: "a" }] },
    { name: "a", sources: [] },
    { name: "event_time", sources: [] },
  ];
  expect(derivedColumns(["a"], twice)).toEqual([{ name: "a", sources: null }]);
});
