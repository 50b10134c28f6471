import fc from "fast-check";

/** What a case is made of: inputs in batches, a SELECT over them, and where the process is restarted. */
export interface Case {
  /** Batches of rows of `t` and `u`, in the order of their commits. */
  readonly batches: readonly { readonly into: "t" | "u"; readonly rows: readonly Row[] }[];
  /** `{t}` and `{u}` stand for the inputs' names. */
  readonly select: string;
  /** Batches behind which another process takes over. */
  readonly restarts: readonly number[];
  /** Most rows of one run. */
  readonly maxRows: number;
}

/** Values as SQL, in the order of `columns`. */
export type Row = readonly string[];
export const columns = { a: "BIGINT", b: "VARCHAR", l: "BIGINT[]", x: "DOUBLE" } as const;

const quoted = (text: string) => `'${text.replaceAll("'", "''")}'`;
const orNull = (value: fc.Arbitrary<string>) => fc.option(value, { nil: "NULL", freq: 5 });
const word = fc.constantFrom("", "a", "B", "straße", "日本", "a'b", "x".repeat(40));
const row: fc.Arbitrary<Row> = fc.tuple(
  orNull(fc.integer({ min: -5, max: 5 }).map(String)),
  orNull(word.map(quoted)),
  orNull(fc.array(fc.integer({ min: 0, max: 3 }), { maxLength: 3 }).map((items) => `[${items.join(", ")}]`)),
  orNull(fc.constantFrom("0.5", "-1.25", "'inf'", "'nan'", "1e300")),
);
const batch = fc.record({
  into: fc.constantFrom("t", "u"),
  rows: fc.array(row, { minLength: 1, maxLength: 6 }),
});

const value = fc.constantFrom(
  "a",
  "b",
  "a * 2",
  "a % 3",
  "upper(b)",
  "length(b)",
  "b || '!'",
  "coalesce(a, -1)",
  "CASE WHEN a > 0 THEN b ELSE 'none' END",
  "list_sum(l)",
  "l[1]",
  "list_sort(l)",
  "x",
  "x > 0",
  "{'a': a, 'b': b}",
  "regexp_replace(coalesce(b, ''), '[aeiou]', '_')",
);
const test = fc.constantFrom(
  "a > 0",
  "a IS NULL",
  "b LIKE '%a%'",
  "a IN (1, 2, 3)",
  "len(l) > 1",
  "x < 1",
  "true",
  "false",
);
const where = fc.oneof(
  fc.constant(""),
  test.map((one) => ` WHERE ${one}`),
  fc.tuple(test, fc.constantFrom("AND", "OR"), test).map((parts) => ` WHERE ${parts.join(" ")}`),
);
const named = fc
  .array(value, { minLength: 1, maxLength: 3 })
  .map((values) => values.map((one, at) => `${one} AS c${at}`).join(", "));

/** Each gives three columns of one type where it is to be one side of a UNION ALL. */
const part = (input: "{t}" | "{u}") =>
  fc.tuple(value, where).map(([one, filter]) => `SELECT a, CAST(${one} AS VARCHAR) AS c FROM ${input}${filter}`);

const select = fc.oneof(
  fc.tuple(named, where).map(([list, filter]) => `SELECT ${list} FROM {t}${filter}`),
  where.map((filter) => `SELECT * FROM {t}${filter}`),
  where.map((filter) => `SELECT x.*, a + 1 AS next FROM {t} AS x${filter}`),
  where.map((filter) => `SELECT * EXCLUDE (l) REPLACE (a + 1 AS a) FROM {t}${filter}`),
  fc
    .tuple(where, where)
    .map(([inner, outer]) => `SELECT a, n FROM (SELECT a, x, b, l, a * a AS n FROM {t}${inner}) AS q${outer}`),
  fc.tuple(where, where).map(([inner, outer]) => `WITH q AS (SELECT * FROM {t}${inner}) SELECT a, b FROM q${outer}`),
  where.map((filter) => `SELECT a, unnest(l) AS item FROM {t}${filter}`),
  where.map((filter) => `SELECT t.a, item FROM {t} AS t, unnest(t.l) AS u(item)${filter}`),
  fc.tuple(part("{t}"), part("{u}")).map(([left, right]) => `${left} UNION ALL ${right}`),
  fc.tuple(part("{t}"), part("{t}")).map(([left, right]) => `${left} UNION ALL ${right}`),
  fc
    .tuple(part("{t}"), part("{u}"), where)
    .map(
      ([left, right, filter]) =>
        `SELECT a, c FROM (SELECT a, c, c AS b, [a] AS l, 0.0 AS x FROM (${left} UNION ALL ${right}))${filter}`,
    ),
);

export const oracleCase: fc.Arbitrary<Case> = fc.record({
  batches: fc.array(batch, { minLength: 1, maxLength: 5 }),
  select,
  restarts: fc.uniqueArray(fc.integer({ min: 0, max: 4 }), { maxLength: 2 }),
  maxRows: fc.constantFrom(1, 3, 1_000),
});
