import { z } from "zod";
import { literal } from "../../slices/index.ts";
import type { ResolvedFormat } from "../formats/detect.ts";
import { isJudged } from "./evolve.ts";
import { fieldName } from "./fields.ts";
import type { Records } from "./normalise.ts";
import { recordsSql } from "./records.ts";
import { misfitting } from "./shapes.ts";
import type { Column } from "./types.ts";
import { fits } from "./values.ts";

/**
 * What a batch holds under one key: how many values of which kind. Kinds are counted so that the schema's change can be
 * decided in JavaScript, by a pure function (evolve.ts), from a few numbers a key.
 */
export interface Observation {
  readonly key: string;
  readonly filled: number;
  readonly booleans: number;
  /** Whole numbers that BIGINT holds, written without a point. */
  readonly integers: number;
  /** Whole numbers beyond BIGINT, up to 38 digits. */
  readonly bigIntegers: number;
  /** Numbers with a point or an exponent; `fractions` of them are not whole. */
  readonly reals: number;
  readonly fractions: number;
  /** Texts; of these, what they would read as. Number-like texts are counted only in formats that know text alone. */
  readonly texts: number;
  readonly dates: number;
  readonly timestamps: number;
  readonly zoned: number;
  readonly textIntegers: number;
  readonly textBigIntegers: number;
  readonly textNumbers: number;
  readonly textBooleans: number;
  /** Values that do not fit the known column exactly; counted only where evolve.ts asks for it. */
  readonly misfits: number;
  readonly objects: number;
  readonly lists: number;
  /** As `json_group_structure` gives it for the objects and lists; null where there are none. */
  readonly structure: string | null;
}

/** What a value is, told once for each: the groups that observations are counted from. */
const valueKinds = [
  "null",
  "boolean",
  "integer",
  "bigInteger",
  "wholeReal",
  "fraction",
  "text",
  "date",
  "timestamp",
  "zoned",
  "textInteger",
  "textBigInteger",
  "textNumber",
  "textBoolean",
  "object",
  "list",
] as const;
type ValueKind = (typeof valueKinds)[number];

const number = z.coerce.number();
const row = z.object({
  key: z.string(),
  kind: z.enum(valueKinds),
  n: number,
  /** Tells which key came first. */
  first: number,
  misfits: number,
  structure: z.string().nullable(),
});
type Group = z.infer<typeof row>;

/** Observations from the rows of the last of `observeStatements`, in the order in which keys first appear. */
export function observations(rows: readonly unknown[]): Observation[] {
  const byKey = new Map<string, Group[]>();
  for (const group of rows.map((one) => row.parse(one)).toSorted((a, b) => a.first - b.first)) {
    byKey.set(group.key, [...(byKey.get(group.key) ?? []), group]);
  }
  return [...byKey].map(([key, groups]) => observation(key, groups));
}

function observation(key: string, groups: readonly Group[]): Observation {
  const of = (...kinds: readonly ValueKind[]) =>
    groups.reduce((sum, group) => sum + (kinds.includes(group.kind) ? group.n : 0), 0);
  const [objects, lists] = [of("object"), of("list")];
  const structures = groups.flatMap(({ structure }) => (structure === null ? [] : [structure]));
  const texts = valueKinds.filter((kind) => kind.startsWith("text"));
  return {
    key,
    filled: of(...valueKinds) - of("null"),
    booleans: of("boolean"),
    integers: of("integer"),
    bigIntegers: of("bigInteger"),
    reals: of("wholeReal", "fraction"),
    fractions: of("fraction"),
    texts: of(...texts, "date", "timestamp", "zoned"),
    dates: of("date"),
    timestamps: of("timestamp"),
    zoned: of("zoned"),
    textIntegers: of("textInteger"),
    textBigIntegers: of("textBigInteger"),
    textNumbers: of("textNumber"),
    textBooleans: of("textBoolean"),
    misfits: groups.reduce((sum, { misfits }) => sum + misfits, 0),
    objects,
    lists,
    // Of objects and lists under one key nothing but JSON holds both.
    structure: objects > 0 && lists > 0 ? '"JSON"' : (structures[0] ?? null),
  };
}

/**
 * Statements whose last one counts the values of each key by their kind. Step by step through temporary tables: as one
 * query, each record is taken apart again for each of its keys.
 */
export function observeStatements(
  records: Records,
  format: ResolvedFormat,
  known: readonly Column[],
): { sql: string; rows?: boolean }[] {
  const seen = { sql: `CREATE OR REPLACE TEMP TABLE seen AS ${recordsSql(records, format)}` };
  if (records.fields !== null) return [seen, { sql: observeFieldsSql(records.fields, known), rows: true }];
  return [seen, { sql: keysSql }, { sql: observeKeysSql(known), rows: true }];
}

const iso = "^\\d{4}-\\d\\d-\\d\\d";
const clock = "[T ]\\d\\d:\\d\\d(:\\d\\d([.,]\\d{1,9})?)?";

const digits = (s: string) => `regexp_full_match(${s}, '-?[1-9][0-9]{0,37}')`;
const whole = (s: string) => `coalesce(CAST(TRY_CAST(${s} AS BIGINT) AS VARCHAR) = ${s}, false)`;

/** A text's kind, if it is a time; of one with no digit in front nothing more is asked. */
function timeKind(s: string): string {
  const time = (form: string, type: string, kind: ValueKind) =>
    `WHEN regexp_full_match(${s}, '${form}') THEN CASE WHEN TRY_CAST(${s} AS ${type}) IS NOT NULL THEN '${kind}' ELSE 'text' END`;
  return `CASE WHEN NOT (${s} >= '0' AND ${s} < ':') OR length(${s}) < 10 THEN 'text' ${time(iso, "DATE", "date")}
    ${time(`${iso}${clock}`, "TIMESTAMP", "timestamp")} ${time(`${iso}${clock} ?(Z|[+-]\\d\\d(:?\\d\\d)?)`, "TIMESTAMPTZ", "zoned")} ELSE 'text' END`;
}

/** A field's kind: in formats that know text alone, texts may be numbers and booleans. */
function fieldKind(s: string): string {
  const numeric = `regexp_full_match(${s}, '-?(0|[1-9][0-9]*)([.][0-9]+)?([eE][+-]?[0-9]+)?')`;
  return `CASE WHEN ${s} IS NULL THEN 'null' WHEN length(${s}) < 6 AND lower(${s}) IN ('true', 'false') THEN 'textBoolean'
    WHEN NOT (${s} >= '-' AND ${s} < ':') THEN 'text' WHEN ${whole(s)} THEN 'textInteger' WHEN ${digits(s)} THEN 'textBigInteger'
    WHEN ${numeric} THEN 'textNumber' ELSE ${timeKind(s)} END`;
}

/** A JSON value's kind, from DuckDB's name of its type and its text. */
const valueKind = `CASE t WHEN 'NULL' THEN 'null' WHEN 'BOOLEAN' THEN 'boolean' WHEN 'OBJECT' THEN 'object' WHEN 'ARRAY' THEN 'list'
  WHEN 'VARCHAR' THEN ${timeKind("s")}
  ELSE CASE WHEN ${whole("s")} THEN 'integer' WHEN ${digits("s")} THEN 'bigInteger'
    WHEN coalesce(TRY_CAST(s AS DOUBLE) = trunc(TRY_CAST(s AS DOUBLE)) AND abs(TRY_CAST(s AS DOUBLE)) <= 9007199254740991, false) THEN 'wholeReal'
    ELSE 'fraction' END END`;

/** Of a column that is known, only that is counted which may widen it (evolve.ts). */
function observeFieldsSql(names: readonly string[], known: readonly Column[]): string {
  if (names.length === 0) return "SELECT 1 WHERE false";
  const types = new Map(known.map((column) => [column.name.toLowerCase(), column.type]));
  const selects = names.map((name, at) => {
    const type = types.get(name.toLowerCase());
    const field = fieldName(at);
    const isSettled =
      type !== undefined && (type.kind !== "scalar" || ["VARCHAR", "JSON", "BOOLEAN"].includes(type.name));
    const kind = isSettled ? `CASE WHEN ${field} IS NULL THEN 'null' ELSE 'text' END` : fieldKind(field);
    const isAsked = type !== undefined && !isSettled && isJudged(type);
    const misfits = isAsked ? `count(*) FILTER (NOT ${fits(type, field)})` : "0";
    return `SELECT ${literal(name)} AS key, ${kind} AS kind, count(*) AS n, ${at} AS first, ${misfits} AS misfits, NULL::VARCHAR AS structure
FROM seen WHERE e IS NULL GROUP BY kind`;
  });
  return selects.join("\nUNION ALL\n");
}

/** By way of a map, which takes a record apart in half the time that json_each takes. */
const keysSql = `CREATE OR REPLACE TEMP TABLE k AS SELECT o, p, m.key AS key, m.value AS value, coalesce(json_type(m.value), 'NULL') AS t,
  CASE WHEN json_type(m.value) NOT IN ('OBJECT', 'ARRAY') THEN m.value ->> '$' END AS s
FROM (SELECT o, unnest(map_entries(from_json(j, '"MAP(VARCHAR,JSON)"'))) AS m, generate_subscripts(json_keys(j), 1) AS p
  FROM seen WHERE e IS NULL AND json_type(j) = 'OBJECT')`;

const observeKeysSql = (known: readonly Column[]) => `SELECT key, kind, count(*) AS n, min(o * 1000000000 + p) AS first,
  ${keyMisfits(known)} AS misfits,
  CAST(json_group_structure(CASE WHEN kind IN ('object', 'list') THEN value END) AS VARCHAR) AS structure
FROM (SELECT *, ${valueKind} AS kind FROM k) GROUP BY key, kind`;

/** A key's value as it stands in `k` against the column of its name, where evolve.ts wants to know. */
function keyMisfits(known: readonly Column[]): string {
  const judged = known.filter((column) => isJudged(column.type));
  if (judged.length === 0) return "0";
  const cases = judged.map(({ name, type }) => `WHEN ${literal(name.toLowerCase())} THEN ${misfitting(type, "value")}`);
  return `count(*) FILTER (t <> 'NULL' AND CASE lower(key) ${cases.join(" ")} ELSE false END)`;
}
