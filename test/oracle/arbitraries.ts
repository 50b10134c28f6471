import fc from "fast-check";

/** What a history is made of: inputs in batches, SELECTs over them, and where the process is restarted. */
export interface History {
  /** Batches of rows of `t` and `u`, in the order of their commits. */
  readonly batches: readonly Batch[];
  /** Rows of `v`, which are there before any SELECT is. */
  readonly lookedUp: readonly Row[];
  readonly cases: readonly Case[];
  /** Batches behind which another process takes over. */
  readonly restarts: readonly number[];
  /** Most rows of one run. */
  readonly maxRows: number;
}

interface Batch {
  readonly into: "t" | "u";
  readonly rows: readonly Row[];
  /** Whether it has been read before the next one comes; else a run may read both. */
  readonly isAlone: boolean;
}

/** A SELECT that is kept; `{t}`, `{u}` and `{v}` stand for the inputs' names. */
export interface Case {
  readonly select: string;
  readonly key?: readonly string[];
  /** What it is compared with, where that is not itself. */
  readonly full?: string;
  /** A SELECT over its result, which is kept too: `{d}` stands for its name. */
  readonly over?: string;
}

/** Values as SQL, in the order of `columns`. */
export type Row = readonly string[];
export const columns = {
  event_time: "TIMESTAMPTZ",
  a: "BIGINT",
  b: "VARCHAR",
  l: "BIGINT[]",
  x: "DOUBLE",
} as const;

const quoted = (text: string) => `'${text.replaceAll("'", "''")}'`;
const orNull = (value: fc.Arbitrary<string>) => fc.option(value, { nil: "NULL", freq: 5 });
const word = fc.constantFrom("", "a", "B", "straße", "日本", "a'b", "x".repeat(40));
/** Out of order, also before 1970, at the borders of windows, and twice. */
const time = fc.oneof(
  fc.integer({ min: -10, max: 30 }).map((half) => `make_timestamptz(${half * 30_000_000})`),
  fc.integer({ min: -300_000_000, max: 900_000_000 }).map((us) => `make_timestamptz(${us})`),
  // Many rows of one time: what comes first is decided by more than that.
  fc.constantFrom(0, 60).map((second) => `make_timestamptz(${second * 1_000_000})`),
);
const row: fc.Arbitrary<Row> = fc.tuple(
  time,
  orNull(fc.integer({ min: -5, max: 5 }).map(String)),
  orNull(word.map(quoted)),
  orNull(fc.array(fc.integer({ min: 0, max: 3 }), { maxLength: 3 }).map((items) => `[${items.join(", ")}]`)),
  orNull(fc.constantFrom("0.5", "-1.25", "'inf'", "'nan'", "1e300")),
);
/** Some rows come again. */
const rows = fc
  .tuple(fc.array(row, { minLength: 1, maxLength: 6 }), fc.nat(2))
  .map(([some, again]) => [...some, ...some.slice(0, again)]);
const batch: fc.Arbitrary<Batch> = fc.record({
  into: fc.constantFrom("t", "t", "u"),
  rows,
  isAlone: fc.constantFrom(true, true, false),
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
  fc.constant(""),
  test.map((one) => ` WHERE ${one}`),
  fc.tuple(test, fc.constantFrom("AND", "OR"), test).map((parts) => ` WHERE ${parts.join(" ")}`),
);
const named = fc
  .array(value, { minLength: 1, maxLength: 3 })
  .map((values) => values.map((one, at) => `${one} AS c${at}`).join(", "));

/** Each gives columns of one type where it is to be one side of a UNION ALL. */
const part = (input: "{t}" | "{u}") =>
  fc.tuple(value, where).map(([one, filter]) => `SELECT a, CAST(${one} AS VARCHAR) AS c FROM ${input}${filter}`);

const stateless = fc.oneof(
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
  where.map(
    (filter) => `SELECT a, window_start FROM hop({t}, event_time, INTERVAL 1 MINUTE, INTERVAL 2 MINUTES)${filter}`,
  ),
);

const group = fc.constantFrom("a % 3", "b", "upper(b)", "a > 0", "l[1]", "a", "length(b) % 2");
const aggregate = fc.constantFrom(
  "count(*)",
  "count(a)",
  "sum(a)",
  "avg(a)",
  "min(b)",
  "max(x)",
  "sum(x)",
  "count(DISTINCT b)",
  "list(a ORDER BY a, b)",
  "string_agg(b, ',' ORDER BY b)",
  'first(a ORDER BY event_time, "offset")',
  'last(b ORDER BY event_time, "offset")',
  "bool_or(a > 0)",
  "median(a)",
  "quantile_disc(a, 0.5)",
  "approx_count_distinct(b)",
  "sum(a) FILTER (WHERE x > 0)",
  "min(event_time)",
);
const aggregates = fc
  .array(aggregate, { minLength: 1, maxLength: 3 })
  .map((some) => some.map((one, at) => `${one} AS n${at}`).join(", "));
const groups = fc.uniqueArray(group, { minLength: 1, maxLength: 2 });
const items = (some: readonly string[]) => some.map((one, at) => `${one} AS k${at}`).join(", ");
const ordinals = (some: readonly string[]) => some.map((_, at) => at + 1).join(", ");
const having = fc.constantFrom("", "", " HAVING count(*) > 1", " HAVING max(a) > 1", " HAVING NOT bool_and(a > 0)");

const grouped = fc.oneof(
  fc
    .tuple(groups, aggregates, where, having)
    .map(([by, some, filter, has]) => `SELECT ${items(by)}, ${some} FROM {t}${filter} GROUP BY ${ordinals(by)}${has}`),
  fc
    .tuple(groups, aggregates, where)
    .map(([by, some, filter]) => `SELECT ${some}, ${items(by)} FROM {t}${filter} GROUP BY ALL`),
  fc.tuple(groups, aggregates).map(([by, some]) => `SELECT ${some} FROM {t} GROUP BY ${by.join(", ")}`),
  fc.tuple(aggregates, where).map(([some, filter]) => `SELECT ${some} FROM {t}${filter}`),
  fc
    .tuple(fc.constantFrom("count(*)", "sum(a)", "min(x)", "median(a)"), where)
    .map(([of, filter]) => `SELECT b, ${of} AS n FROM (FROM {t} UNION ALL BY NAME FROM {u})${filter} GROUP BY b`),
);

const window = fc.constantFrom(
  "tumble({t}, event_time, INTERVAL '1 minute')",
  "tumble({t}, event_time, INTERVAL 90 SECONDS) AS w",
  "hop({t}, event_time, INTERVAL '1 minute', INTERVAL '3 minutes')",
  "session({t}, event_time, INTERVAL '1 minute', b)",
  "session({t}, event_time, INTERVAL '2 minutes', b, a)",
  "session({t}, event_time, INTERVAL '1 minute')",
);
const windowed = fc.oneof(
  fc
    .tuple(window, aggregates, where)
    .map(([of, some, filter]) => `SELECT b, window_start, window_end, ${some} FROM ${of}${filter} GROUP BY ALL`),
  fc
    .tuple(window, aggregates, having)
    .map(([of, some, has]) => `SELECT window_start AS s, ${some} FROM ${of} GROUP BY 1${has}`),
  fc
    .tuple(
      fc.constantFrom("time_bucket(INTERVAL '1 minute', event_time)", "date_trunc('minute', event_time)"),
      aggregates,
    )
    .map(([bucket, some]) => `SELECT ${bucket} AS minute, b, ${some} FROM {t} GROUP BY minute, b`),
  window.map(
    (of) =>
      `SELECT window_start, b, count(*) AS n FROM ${of} GROUP BY 1, 2
       QUALIFY row_number() OVER (PARTITION BY window_start ORDER BY n DESC, b) <= 2`,
  ),
);

const lists = fc.constantFrom("b", "a, b", "b, x", "a % 3 AS m, b", "upper(b) AS u");
const total = 'event_time, "offset"';
const totalDescending = 'event_time DESC, "offset" DESC';
const single = fc.oneof(
  fc.tuple(lists, where).map(([list, filter]) => `SELECT DISTINCT ${list} FROM {t}${filter}`),
  fc
    .constantFrom(total, totalDescending)
    .chain((order) => where.map((filter) => `SELECT DISTINCT ON (b) b, a, x FROM {t}${filter} ORDER BY b, ${order}`)),
  fc
    .tuple(fc.constantFrom("b", "a", "a, b", "a % 3"), fc.constantFrom(total, totalDescending), where)
    .map(
      ([by, order, filter]) =>
        `SELECT a, b, l, a % 3 AS m FROM {t}${filter} QUALIFY row_number() OVER (PARTITION BY ${by} ORDER BY ${order}) = 1`,
    ),
  where.map(
    (filter) =>
      `SELECT * FROM {t}${filter} QUALIFY row_number() OVER (PARTITION BY b ORDER BY ${totalDescending}) <= 2`,
  ),
  fc
    .tuple(
      fc.constantFrom("sum(a)", "count(*)", "lag(a)", "row_number()", "first_value(a)", "max(x)", "rank()"),
      fc.constantFrom("b", "a % 3"),
    )
    .map(([of, by]) => `SELECT a % 3 AS m, b, a, ${of} OVER (PARTITION BY ${by} ORDER BY ${total}) AS w FROM {t}`),
);

const whole = fc.oneof(
  where.map(
    (filter) => `SELECT t.a, u.b FROM {t} AS t JOIN {u} AS u ON t.a = u.a${filter.replace(/\b([abxl])\b/g, "t.$1")}`,
  ),
  fc.constantFrom("LEFT", "FULL", "SEMI", "ANTI").map((join) => {
    const columns = join === "LEFT" || join === "FULL" ? "t.a AS a, u.b AS ub" : "t.a AS a, t.b AS ub";
    return `SELECT ${columns} FROM {t} AS t ${join} JOIN {u} AS u ON t.b = u.b`;
  }),
  fc
    .constantFrom("UNION", "EXCEPT", "INTERSECT", "EXCEPT ALL", "INTERSECT ALL")
    .map((op) => `SELECT a, b FROM {t} ${op} SELECT a, b FROM {u}`),
  where.map((filter) => `SELECT a, b FROM {t}${filter} ORDER BY a NULLS FIRST, b NULLS FIRST LIMIT 3`),
  fc.constant("SELECT a, (SELECT max(u.a) FROM {u} AS u WHERE u.b = t.b) AS m FROM {t} AS t"),
  fc.constant("SELECT a, b FROM {t} WHERE b IN (SELECT b FROM {u})"),
  fc.constant("SELECT b, a % 2 AS odd, count(*) AS n FROM {t} GROUP BY ROLLUP (b, odd)"),
  fc.constant("SELECT n, count(*) AS groups FROM (SELECT b, count(*) AS n FROM {t} GROUP BY b) GROUP BY n"),
  fc.constant("SELECT b, sum(a) OVER () AS s FROM {t}"),
  fc.constant(
    "WITH q AS (SELECT b, sum(a) AS s FROM {t} GROUP BY b) SELECT q.b, q.s, u.a FROM q JOIN {u} AS u USING (b)",
  ),
);

const near = fc.constantFrom(
  "u.event_time BETWEEN t.event_time AND t.event_time + INTERVAL '1 minute'",
  "u.event_time >= t.event_time - INTERVAL 90 SECONDS AND t.event_time > u.event_time - INTERVAL '2 minutes'",
  "u.event_time = t.event_time",
  "true",
);
const joined = fc.oneof(
  fc.tuple(near, where).map(([on, filter]) => {
    const of = filter.replace(/\b([abxl])\b(?!')/g, "t.$1");
    return `SELECT t.a, u.a AS ua, t.b || u.b AS both FROM {t} AS t JOIN {u} AS u ON t.b = u.b AND ${on}${of}`;
  }),
  near.map((on) => `SELECT t.a, u.x FROM {t} AS t, {u} AS u WHERE ${on} AND t.a > u.a`),
  near.map(
    (on) =>
      `SELECT t.a, u.n FROM {t} AS t JOIN (SELECT event_time, a, unnest(l) AS n FROM {u}) AS u ON t.a = u.a AND ${on}`,
  ),
  fc.constant("SELECT t.a AS a, v.b AS b, u.x FROM {t} AS t JOIN {t} AS v ON t.a = v.a JOIN {u} AS u ON u.b = v.b"),
);

/** What is looked up stays as it is: its changes would change no older row, and the SELECT over everything would see them. */
const lookup = fc.oneof(
  fc
    .tuple(fc.constantFrom("LEFT JOIN", "JOIN"), near, where)
    .map(
      ([join, on, filter]) =>
        `SELECT t.a, v.x, t.b || v.b AS both FROM {t} AS t ${join} {v} AS v AT (TIMESTAMP => now()) ON t.a = v.a AND ${on.replace(/\bu\./g, "v.")}${filter.replace(/\b([abxl])\b(?!')/g, "t.$1")}`,
    ),
  fc
    .constantFrom("SEMI", "ANTI")
    .map((join) => `SELECT t.a, t.l FROM {t} AS t ${join} JOIN {v} AS v AT (TIMESTAMP => now()) ON t.b = v.b`),
);

const keyed: fc.Arbitrary<Case> = fc
  .tuple(fc.constantFrom(["a"], ["b"], ["a", "b"], ["m"]), where)
  .map(([key, filter]) => {
    const select = `SELECT a, b, x, a % 3 AS m FROM {t}${filter}`;
    const by = key.map((name) => (name === "m" ? "a % 3" : name)).join(", ");
    return {
      select,
      key,
      full: `${select} QUALIFY row_number() OVER (PARTITION BY ${by} ORDER BY ${totalDescending}) = 1`,
    };
  });

/** SELECTs over a result that changes. */
const chained: fc.Arbitrary<Case> = fc
  .tuple(
    fc.constantFrom(
      "SELECT b, count(*) AS n, sum(a) AS s FROM {t} GROUP BY b",
      'SELECT b, a AS s, a % 2 AS n FROM {t} QUALIFY row_number() OVER (PARTITION BY b ORDER BY event_time DESC, "offset" DESC) = 1',
      "SELECT t.b, count(*) AS n, max(u.a) AS s FROM {t} AS t LEFT JOIN {u} AS u ON t.a = u.a GROUP BY t.b",
    ),
    fc.constantFrom(
      "SELECT n, s FROM {d}",
      "SELECT b, n * 2 AS m FROM {d} WHERE n > 1",
      "SELECT n, count(*) AS c, max(s) AS m FROM {d} GROUP BY n",
      "SELECT DISTINCT n FROM {d}",
      "SELECT sum(n) AS total FROM {d}",
      "SELECT d.n, u.a FROM {d} AS d JOIN {u} AS u ON d.b = u.b",
      "SELECT 'd' AS of, n FROM {d} UNION ALL SELECT 'u', a FROM {u}",
    ),
  )
  .map(([select, over]) => ({ select, over }));

const one: fc.Arbitrary<Case> = fc.oneof(
  ...[stateless, grouped, windowed, single, joined, lookup, whole].map((some) => some.map((select) => ({ select }))),
  keyed,
  chained,
);

export const casesOfHistory = 16;
export const history: fc.Arbitrary<History> = fc.record({
  batches: fc.array(batch, { minLength: 1, maxLength: 4 }),
  lookedUp: rows,
  cases: fc.array(one, { minLength: casesOfHistory, maxLength: casesOfHistory }),
  restarts: fc.uniqueArray(fc.integer({ min: 0, max: 3 }), { maxLength: 1 }),
  maxRows: fc.constantFrom(1, 4, 1_000),
});
