import type { Batch } from "./batch.ts";
import type { Observation } from "./observe.ts";
import { ident, literal } from "./quote.ts";
import { own } from "./slice-sql.ts";
import type { Misfits } from "./structures.ts";
import { type Column, typeName } from "./types.ts";
import { fits, gentle, jsonShape } from "./values.ts";

/** A column's value in a record, as JSON: under its name, however the record spells its case. SQL null where absent. */
export function memberSql(column: string, seen: readonly Observation[]): string {
  const folded = column.toLowerCase();
  const spellings = new Set([column, ...seen.map(({ key }) => key).filter((key) => key.toLowerCase() === folded)]);
  const values = [...spellings].map((key) => `(j -> ${literal(pointer(key))})`);
  return values.length === 1 ? values.join("") : `coalesce(${values.join(", ")})`;
}

/** JSON pointer (RFC 6901): any key can be said in it. */
function pointer(key: string): string {
  return `/${key.replaceAll("~", "~0").replaceAll("/", "~1")}`;
}

/**
 * A column's value before it is typed: text for leaves, in its nesting. By `from_json`, which writes values just as
 * `read_json` does; `->>` does not (1e+21 becomes 1e21).
 */
function rawSql(column: Column, seen: readonly Observation[]): string {
  return `from_json(${memberSql(column.name, seen)}, ${literal(JSON.stringify(jsonShape(column.type)))})`;
}

export interface Judgement {
  readonly batch: Batch;
  readonly columns: readonly Column[];
  readonly seen: readonly Observation[];
  readonly misfits: Misfits;
  /** Why no event time can be had of any row. */
  readonly brokenTime: string | null;
}

/**
 * Rows of the temporary table `records` with their typed columns and, beside them, `own("problem")`: the first thing that
 * stands against the row, or null.
 *
 *   records --take apart--> raw --does each fit?--> checked --type--> typed --event time--> timed --> judged
 */
export function judgedSql({ batch, columns, seen, misfits, brokenTime }: Judgement): string {
  const raw = columns.map((column, at) => `, ${rawSql(column, seen)} AS x${at}`).join("");
  const cases = columns.map((column, at) => {
    const misfit = misfits.get(column.name);
    const structure = misfit === undefined ? "" : ` OR ${misfit}`;
    const reason = literal(`cannot be read as ${typeName(column.type)}`);
    return `WHEN NOT (${fits(column.type, `x${at}`)})${structure} THEN {'column_name': ${literal(column.name)}, 'reason': ${reason}}`;
  });
  const typed = columns.map((column, at) => `, ${gentle(column.type, `x${at}`)} AS ${ident(column.name)}`).join("");
  const ours = ["o", "i", "n", "r"].map((name) => `${name} AS ${own(name)}`).join(", ");
  return `WITH raw AS (SELECT o, i, n, r, j, e, from_json(${memberSql("event_time", seen)}, '"VARCHAR"') AS said${raw} FROM records),
checked AS (SELECT *, CASE WHEN e IS NOT NULL THEN {'column_name': NULL::VARCHAR, 'reason': e} ${cases.join("\n  ")} END AS problem FROM raw),
typed AS (SELECT ${ours}, problem AS ${own("first")}, said AS "event_time"${typed} FROM checked),
timed AS (SELECT *, ${timeSql(brokenTime === null ? batch.eventTime : null)} FROM typed)
SELECT *, coalesce(${own("first")}, ${timeProblem(brokenTime)}) AS ${own("problem")} FROM timed`;
}

/**
 * The row's own `event_time` counts, else the expression. An expression that gives null for the row's values is no fault
 * (the system time stands in); one that fails, or gives what is no point in time, is. TRY gives null for a failure; the
 * struct around the value tells that from a null. The expression stands in the statement once: of a repeated part, the
 * optimizer would move the first computation out of TRY.
 */
export function timeSql(expression: string | null): string {
  const said = `TRY_CAST("event_time" AS TIMESTAMPTZ)`;
  const given =
    expression === null
      ? "{'at': NULL::TIMESTAMPTZ}"
      : `TRY(struct_pack("at" := CAST((${expression}) AS TIMESTAMPTZ)))`;
  return `${said} AS ${own("said")}, CASE WHEN "event_time" IS NULL THEN ${given} END AS ${own("given")}`;
}

/** SQL of the event time, over the columns of `timeSql`. */
export const timeValue = `coalesce(${own("said")}, ${own("given")}."at")`;

export function timeProblem(brokenTime: string | null): string {
  const because = (reason: string) => `{'column_name': 'event_time', 'reason': ${literal(reason)}}`;
  return brokenTime === null
    ? `CASE WHEN ${own("said")} IS NULL AND ${own("given")} IS NULL THEN ${because("cannot be read as a point in time")} END`
    : because(brokenTime);
}
