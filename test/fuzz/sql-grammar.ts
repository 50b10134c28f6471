import type { Dice } from "./dice.ts";
import { mutateBytes, mutateWords } from "./mutate.ts";
import { anyText } from "./values.ts";

const tables = [
  "fuzz.a",
  "fuzz.b",
  "fuzz.a__quarantine",
  "system.queries",
  "range(3) r(i)",
  "generate_series(1, 5) r(i)",
  "(VALUES (1, 'x'), (2, NULL)) v(i, s)",
  "tumble(fuzz.a, event_time, INTERVAL '1 minute')",
  "hop(fuzz.b, event_time, INTERVAL 1 SECOND, INTERVAL 1 DAY)",
  "session(t, i, INTERVAL '3 hours', name)",
  "no_such.t",
  "unnest([1, 2]) u(i)",
  "fuzz.a AT (VERSION => 1)",
  "fuzz.a AT (TIMESTAMP => TIMESTAMPTZ '2030-01-01')",
];
const columns = ["i", "id", "name", "*", "r.i", '"offset"', "event_time", "x", "s", "tags[1]", "geo.lat", "COLUMNS(*)"];
const constants = [
  "0",
  "1",
  "-1",
  "1.5",
  "1e308",
  "9223372036854775807",
  "9223372036854775808",
  "'x'",
  "''",
  "NULL",
  "true",
  "DATE '2024-01-31'",
  "INTERVAL 1 MONTH",
  "TIMESTAMPTZ '2024-01-31 10:00+02'",
  "[1, 2]",
  "{'a': 1}",
  "MAP {'k': 1}",
  "'\\xAA'::BLOB",
  "1::HUGEINT",
  "'NaN'::DOUBLE",
  "$1",
  "?",
  "$name",
];
const functions = [
  "abs",
  "sum",
  "count",
  "min",
  "max",
  "avg",
  "median",
  "length",
  "upper",
  "substr",
  "regexp_replace",
  "regexp_matches",
  "strftime",
  "date_trunc",
  "list",
  "list_sort",
  "list_transform",
  "struct_pack",
  "json_extract",
  "to_json",
  "coalesce",
  "greatest",
  "round",
  "hash",
  "md5",
  "repeat",
  "lpad",
  "string_split",
  "array_agg",
  "quantile_cont",
  "row_number",
  "lag",
  "concat",
  "format",
  "printf",
  "unnest",
  "epoch_ms",
  "make_date",
  "bit_count",
  "levenshtein",
  "getenv",
  "read_text",
  "current_setting",
  "no_such_function",
  "histogram",
  "approx_count_distinct",
  "mode",
  "from_json",
  "age",
  "time_bucket",
];
const types = [
  "BIGINT",
  "VARCHAR",
  "DOUBLE",
  "DECIMAL(38,10)",
  "DATE",
  "TIMESTAMPTZ",
  "BOOLEAN",
  "BLOB",
  "UUID",
  "INTEGER[]",
  "STRUCT(a INT)",
  "MAP(VARCHAR, INT)",
  "JSON",
  "BIT",
  "INTERVAL",
  "HUGEINT",
  "ENUM('a','b')",
  "NO_TYPE",
];
const operators = [
  "+",
  "-",
  "*",
  "/",
  "//",
  "%",
  "||",
  "=",
  "<>",
  "<",
  ">=",
  "AND",
  "OR",
  "LIKE",
  "ILIKE",
  "SIMILAR TO",
  "IS DISTINCT FROM",
  "<<",
  "&",
  "^",
  "->",
  "->>",
  "~",
  "IN",
  "**",
  "@>",
  "<=>",
];
const words = [
  "SELECT",
  "FROM",
  "WHERE",
  "GROUP BY ALL",
  "ORDER BY ALL",
  "LIMIT",
  "OFFSET",
  "UNION",
  "EXCEPT",
  "WITH",
  "RECURSIVE",
  "AS",
  "MATERIALIZED",
  "OVER",
  "(",
  ")",
  ",",
  ";",
  "--",
  "/*",
  "*/",
  "$$",
  "'",
  '"',
  "PIVOT",
  "UNPIVOT",
  "QUALIFY",
  "TABLESAMPLE",
  "EXCLUDE",
  "REPLACE",
  "LATERAL",
  "ASOF",
  "USING",
  "FILTER",
  "WITHIN GROUP",
  "VALUES",
  "CASE",
  "END",
  "CAST",
  "TRY_CAST",
  "EXISTS",
  "ATTACH",
  "COPY",
  "PRAGMA",
  "SET",
  "EXPLAIN",
  "DESCRIBE",
  "SUMMARIZE",
  "TRANSFORM",
  "CREATE LOOKUP",
  "KEY",
  "EMIT CHANGES",
  "AT",
  "VERSION",
  "=>",
  "::",
  "[",
  "]",
  "{",
  "}",
  "lambda",
  ...functions,
  ...constants,
  ...columns,
];

/** A statement grown from the grammar, or one with its words or bytes bent. */
export function anyStatement(dice: Dice): string {
  const grown = statement(dice, 3);
  const choice = dice.below(10);
  if (choice < 6) return grown;
  if (choice < 9) return mutateWords(dice, grown, words);
  return dice.chance(0.1)
    ? Buffer.from(dice.bytes(dice.few(200))).toString("latin1")
    : Buffer.from(mutateBytes(dice, Buffer.from(grown))).toString("utf8");
}

function statement(dice: Dice, depth: number): string {
  switch (dice.below(24)) {
    case 0:
      return `EXPLAIN ${select(dice, depth)}`;
    case 1:
      return `DESCRIBE ${select(dice, depth)}`;
    case 2:
      return `SUMMARIZE ${select(dice, depth)}`;
    case 3:
      return `WITH t AS (${select(dice, depth - 1)}) SELECT * FROM t`;
    case 4:
      return `WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + ${dice.between(0, 2)} FROM t WHERE n < ${dice.pick([3, 50, 1_000])}) ${select(dice, depth)}`;
    case 5:
      return `PIVOT (${select(dice, depth - 1)}) ON ${dice.pick(columns)} IN (1, 2) USING count(*)`;
    case 6:
      return `FROM ${dice.pick(tables)} ${select(dice, 1).replace(/FROM.*/s, "")}`;
    case 7:
      return dice.pick([
        "SHOW TABLES",
        "SHOW DATASETS",
        "SHOW PROJECTS",
        "USE fuzz",
        "SET x = 1",
        "CREATE TABLE t(i INT)",
        "SELECT 1; SELECT 2",
        "",
        ";",
        "EXPLAIN",
        "DESCRIBE fuzz.a",
        "TABLE fuzz.a",
        "VALUES (1)",
      ]);
    case 8:
      return `${select(dice, depth)} ${dice.pick(["UNION", "UNION ALL BY NAME", "INTERSECT", "EXCEPT ALL"])} ${select(dice, depth - 1)}`;
    case 9:
      return `EXPLAIN TRANSFORM ${select(dice, depth)}`;
    case 10:
      return dice.pick([
        `CREATE DATASET fuzz.a KEY (id, "n") WITH (max_rows = 3) AS ${select(dice, depth)}`,
        `CREATE LOOKUP IF NOT EXISTS nowhere.l KEY (id) AS ${select(dice, depth)}`,
        "DROP LOOKUP IF EXISTS fuzz.a",
        "PAUSE LOOKUP fuzz.a",
        "ALTER DATASET fuzz.a SET (max_rows = 'x')",
        `ALTER DATASET fuzz.a AS ${select(dice, depth)}`,
        "BACKFILL DATASET fuzz.a",
      ]);
    default:
      return select(dice, depth);
  }
}

function select(dice: Dice, depth: number): string {
  const items = Array.from({ length: dice.between(1, 4) }, () =>
    dice.chance(0.3) ? dice.pick(columns) : expression(dice, depth),
  ).join(", ");
  const parts = [`SELECT ${dice.chance(0.1) ? "DISTINCT " : ""}${items}`];
  if (dice.chance(0.8)) parts.push(`FROM ${from(dice, depth)}`);
  if (dice.chance(0.4)) parts.push(`WHERE ${expression(dice, depth)}`);
  if (dice.chance(0.2)) parts.push(`GROUP BY ${dice.pick(["ALL", "1", "i", "GROUPING SETS ((i), ())", "CUBE (i)"])}`);
  if (dice.chance(0.1)) parts.push(`HAVING ${expression(dice, 1)}`);
  if (dice.chance(0.1)) parts.push(`QUALIFY row_number() OVER (ORDER BY ${dice.pick(columns)}) = 1`);
  if (dice.chance(0.3)) parts.push(`ORDER BY ${dice.pick(["ALL", "1", "99", "random()", "i DESC NULLS FIRST"])}`);
  if (dice.chance(0.5)) parts.push(`LIMIT ${dice.pick(["0", "1", "10", "10%", "-1", "NULL", "(SELECT 1)"])}`);
  return parts.join(" ");
}

function from(dice: Dice, depth: number): string {
  const first = depth > 0 && dice.chance(0.2) ? `(${select(dice, depth - 1)}) q` : dice.pick(tables);
  if (!dice.chance(0.25)) return first;
  const kind = dice.pick([
    "JOIN",
    "LEFT JOIN",
    "ASOF JOIN",
    "SEMI JOIN",
    "CROSS JOIN",
    "POSITIONAL JOIN",
    "NATURAL JOIN",
    ",",
  ]);
  const on = /CROSS|POSITIONAL|NATURAL|,/.test(kind) ? "" : ` ON ${expression(dice, 1)}`;
  return `${first} ${kind} ${dice.pick(tables)}${on}`;
}

function expression(dice: Dice, depth: number): string {
  if (depth <= 0) return dice.chance(0.5) ? dice.pick(columns.slice(0, 8)) : dice.pick(constants);
  const inner = () => expression(dice, depth - 1);
  switch (dice.below(12)) {
    case 0:
    case 1:
      return dice.pick(constants);
    case 2:
    case 3:
      return `${dice.pick(functions)}(${dice.list(3, inner).join(", ")})`;
    case 4:
    case 5:
      return `(${inner()} ${dice.pick(operators)} ${inner()})`;
    case 6:
      return `${dice.chance(0.5) ? "CAST" : "TRY_CAST"}(${inner()} AS ${dice.pick(types)})`;
    case 7:
      return `CASE WHEN ${inner()} THEN ${inner()} ELSE ${inner()} END`;
    case 8:
      return `(SELECT ${inner()}${dice.chance(0.5) ? ` FROM ${dice.pick(tables)} LIMIT 1` : ""})`;
    case 9:
      return `${dice.pick(functions)}(${inner()}) OVER (PARTITION BY ${inner()} ORDER BY ${inner()} ROWS BETWEEN ${dice.pick(["UNBOUNDED PRECEDING", "1 PRECEDING", "-1 PRECEDING"])} AND CURRENT ROW)`;
    case 10:
      return `'${anyText(dice).slice(0, 100).replaceAll("'", "''")}'`;
    default:
      return `list_transform(${inner()}, lambda e: ${inner()})`;
  }
}

/** Parameters as the endpoint takes them. */
export function anyParameters(dice: Dice): unknown {
  const value = (): unknown =>
    dice.pick([
      null,
      true,
      1,
      1.5,
      "x",
      [1, [2]],
      { type: "BIGINT", value: "12" },
      { type: "NO_TYPE", value: "" },
      { type: "DECIMAL(3,1)", value: "99.9" },
      { type: "BLOB", value: "\\xZZ" },
      { type: "DATE", value: "x" },
    ]);
  if (dice.chance(0.5)) return dice.list(4, value);
  return { name: value(), ...(dice.chance(0.5) ? { "1": value() } : {}) };
}
