import fc from "fast-check";

// Random data and statements for the test of pruning.

export type Columns = Readonly<Record<string, string>>;
export interface SliceData {
  readonly version: 1 | 2;
  /** Values as text, by column; what a type does not take is NULL. */
  readonly rows: readonly Readonly<Record<string, string | null>>[];
}

/** Of a dataset whose columns were widened once. */
export const first: Columns = {
  i: "INTEGER",
  f: "SMALLINT",
  g: "FLOAT",
  d: "BIGINT",
  e: "DOUBLE",
  n: "DECIMAL(9,2)",
  m: "DECIMAL(38,0)",
  u: "UBIGINT",
  h: "HUGEINT",
  y: "DATE",
  z: "DATE",
  t: "TIMESTAMP",
  w: "TIMESTAMP",
  x: "TIMESTAMP WITH TIME ZONE",
  r: "TIMESTAMP_S",
  s: "INTEGER",
  v: "DATE",
  b: "BOOLEAN",
  p: "VARCHAR",
};
export const second: Columns = {
  ...first,
  i: "BIGINT",
  f: "FLOAT",
  d: "DOUBLE",
  n: "DECIMAL(18,5)",
  z: "TIMESTAMP",
  w: "TIMESTAMP WITH TIME ZONE",
  s: "VARCHAR",
  v: "VARCHAR",
  later: "INTEGER",
  "a, b": "INTEGER",
  a: 'STRUCT("b" INTEGER)',
};
const numbers = [
  "0",
  "-0.0",
  "1",
  "-1",
  "5",
  "127",
  "300",
  "16777216",
  "16777217",
  "9007199254740993",
  "0.3",
  "0.30000001",
].concat([
  "0.5",
  "-2.55",
  "1e-30",
  "1e-45",
  "nan",
  "inf",
  "-inf",
  "18446744073709551615",
  "99999999999999999999999999999999999999",
]);
const times = [
  "2024-05-17",
  "2024-05-17 10:00:00",
  "2024-05-17 23:30:00.000001",
  "2024-05-18 00:00:00",
  "0050-01-02 03:04:05",
].concat(["1969-12-31 23:59:59.999999", "1950-01-02", "9999-12-31 23:59:59.999999", "infinity", "2024-05-17 01:00:00"]);
const [numeric, temporal] = [
  ["i", "f", "g", "d", "e", "n", "m", "u", "h", "later", "a, b", "s"],
  ["y", "z", "t", "w", "x", "r", "v"],
];

/** Rows of a slice lie near each other, so that bounds are narrow and constants fall between slices. */
const cell = (pool: readonly string[]) => fc.option(fc.constantFrom(...pool), { freq: 6 });
const row = fc.record(
  Object.fromEntries([
    ...numeric.map((name) => [name, cell(numbers)] as const),
    ...temporal.map((name) => [name, cell(times)] as const),
    ["b", cell(["true", "false"])],
    ["p", cell(["", "a", "2024-05-17"])],
    ["a", cell(["{'b': 1}", "{'b': NULL}"])],
  ]),
);
const sliceData: fc.Arbitrary<SliceData> = fc.record({
  version: fc.constantFrom(1, 2),
  rows: fc.array(row, { minLength: 1, maxLength: 2 }),
});
export const dataset = fc.array(sliceData, { minLength: 3, maxLength: 7 });

const quoted = (name: string) => `"${name}"`;
const number = fc.oneof(
  fc.constantFrom(
    "0",
    "1",
    "-1",
    "5",
    "127",
    "300",
    "0.3",
    "0.30000001",
    "0.5",
    "-2.55",
    "-0.0",
    "16777217",
    "16777216.5",
  ),
  fc.constantFrom(
    "9007199254740993",
    "9007199254740992",
    "1e0",
    "0.3e0",
    "1e-30",
    "1e300",
    "18446744073709551615",
    "NULL",
  ),
  fc.constantFrom("0.00000000000000000000000000000000000001", "9.9999999", "'5'", "'nan'", "'inf'", "CAST(5 AS FLOAT)"),
);
const time = fc
  .tuple(
    fc.constantFrom("", "DATE ", "TIMESTAMP ", "TIMESTAMPTZ "),
    fc.constantFrom(...times.filter((text) => text !== "infinity")),
    fc.constantFrom("", "", "", "+02", "-05:30", "Z"),
  )
  .map(([type, text, zone]) => `${type}'${text}${text.includes(":") ? zone : ""}'`);
/** A column and constants that it can be compared with. */
const operand = fc.oneof(
  fc.tuple(fc.constantFrom(...numeric), fc.array(number, { minLength: 2, maxLength: 4 })),
  fc.tuple(fc.constantFrom(...temporal), fc.array(time, { minLength: 2, maxLength: 4 })),
  fc.tuple(
    fc.constant("offset"),
    fc.array(fc.constantFrom("0", "1", "2", "3.5", "5e0"), { minLength: 2, maxLength: 3 }),
  ),
);
const comparison = fc.constantFrom("=", "<", "<=", ">", ">=", "<>", "IS DISTINCT FROM", "IS NOT DISTINCT FROM");
/** `T.` stands for the table. */
const { predicate } = fc.letrec<{ predicate: string }>((tie) => ({
  predicate: fc.oneof(
    { maxDepth: 2, depthSize: "small" },
    fc.tuple(operand, comparison).map(([[column, [a]], sign]) => `T.${quoted(column)} ${sign} ${a}`),
    fc.tuple(operand, comparison).map(([[column, [a]], sign]) => `${a} ${sign} T.${quoted(column)}`),
    operand.map(([column, [a, b]]) => `T.${quoted(column)} BETWEEN ${a} AND ${b}`),
    operand.map(([column, all]) => `T.${quoted(column)} IN (${all.join(", ")})`),
    operand.map(([column, all]) => `T.${quoted(column)} NOT IN (${all.join(", ")})`),
    fc
      .tuple(fc.constantFrom(...Object.keys(second)), fc.constantFrom("IS NULL", "IS NOT NULL"))
      .map(([column, is]) => `T.${quoted(column)} ${is}`),
    operand.map(([column, [a]]) => `CAST(T.${quoted(column)} AS VARCHAR) >= CAST(${a} AS VARCHAR)`),
    fc.tuple(tie("predicate"), tie("predicate")).map(([a, b]) => `(${a} AND ${b})`),
    fc.tuple(tie("predicate"), tie("predicate")).map(([a, b]) => `(${a} OR ${b})`),
    tie("predicate").map((a) => `NOT (${a})`),
  ),
}));
const shapes: readonly ((p: (table: string) => string, q: (table: string) => string) => string)[] = [
  (p) => `SELECT "offset" FROM p.d WHERE ${p("")}`,
  (p) => `SELECT "offset" FROM p.d WHERE ${p("d.")}`,
  (p) => `SELECT count(*), sum("offset") FROM p.d k WHERE ${p("k.")}`,
  (p, q) => `SELECT j."offset", k."offset" FROM p.d j, p.d k WHERE ${p("j.")} AND ${q("k.")}`,
  (p) => `SELECT j."offset", k."offset" FROM p.d j JOIN p.d k ON j."offset" = k."offset" + 1 WHERE ${p("k.")}`,
  (p) => `SELECT j."offset", k."offset" FROM p.d j LEFT JOIN p.d k ON j."offset" = k."offset" + 1 WHERE ${p("k.")}`,
  (p) => `SELECT j."offset", k."offset" FROM p.d j ASOF JOIN p.d k ON j."offset" >= k."offset" WHERE ${p("k.")}`,
  (p) => `SELECT j."offset", k."offset" FROM p.d j POSITIONAL JOIN p.d k WHERE ${p("k.")}`,
  (p) => `SELECT "offset", window_start FROM tumble(p.d, x, INTERVAL 1 DAY) WHERE ${p("")}`,
  (p) => `SELECT h."offset", h.window_end FROM hop(p.d, t, INTERVAL 6 HOURS, INTERVAL 1 DAY) h WHERE ${p("h.")}`,
  (p, q) =>
    `SELECT j."offset", k."offset" FROM tumble(p.d, y, INTERVAL 1 WEEK) j, p.d k WHERE ${p("j.")} AND ${q("k.")}`,
  (p) => `SELECT "offset", window_start FROM session(p.d, x, INTERVAL 3 DAYS, i) WHERE ${p("")}`,
  (p) => `SELECT "offset" FROM p.d TABLESAMPLE reservoir(2 ROWS) REPEATABLE (3) WHERE ${p("")}`,
  (p) => `SELECT "offset" FROM p.d WHERE ${p("")} USING SAMPLE reservoir(2 ROWS) REPEATABLE (3)`,
  (p, q) =>
    `SELECT "offset" FROM p.d j WHERE ${p("j.")} AND NOT EXISTS (SELECT 1 FROM p.d k WHERE ${q("k.")} AND k."offset" > j."offset")`,
  (p, q) => `WITH c AS (SELECT * FROM p.d WHERE ${p("")}) SELECT "offset" FROM c WHERE ${q("")}`,
  (p, q) => `SELECT "offset" FROM p.d WHERE ${p("")} UNION ALL SELECT "offset" FROM p.d WHERE ${q("")}`,
  (p, q) => `SELECT (SELECT count(*) FROM p.d WHERE ${p("")}) AS n FROM p.d WHERE ${q("")}`,
];
export const statement = fc
  .tuple(fc.oneof(fc.constant(shapes[0]), fc.constantFrom(...shapes)), predicate, predicate)
  .map(
    ([shape, p, q]) =>
      shape?.(
        (table) => p.replaceAll("T.", table),
        (table) => q.replaceAll("T.", table),
      ) ?? "",
  );
