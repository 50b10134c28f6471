import { ident, literal } from "../../slices/index.ts";
import type { Batch } from "./batch.ts";
import { fieldName } from "./fields.ts";
import type { Observation } from "./observe.ts";
import { misshapen, pointer } from "./shapes.ts";
import { own } from "./slice-sql.ts";
import { type Column, typeName } from "./types.ts";
import { fits, gentle, jsonShape } from "./values.ts";

/** A column's value in a record, as JSON: under its name, however the record spells its case. SQL null where absent. */
function memberSql(column: string, seen: readonly Observation[]): string {
  const folded = column.toLowerCase();
  const spellings = new Set([column, ...seen.map(({ key }) => key).filter((key) => key.toLowerCase() === folded)]);
  const values = [...spellings].map((key) => `(j -> ${pointer(key)})`);
  return values.length === 1 ? values.join("") : `coalesce(${values.join(", ")})`;
}

/**
 * A column's value before it is typed: text for leaves, in its nesting. By `from_json`, which writes values just as
 * `read_json` does; `->>` does not (1e+21 becomes 1e21). A field of CSV or text is text as it stands.
 */
function rawSql(column: Column, { seen, fields }: Judgement): string {
  const shape = literal(JSON.stringify(jsonShape(column.type)));
  if (fields === null) return `from_json(${memberSql(column.name, seen)}, ${shape})`;
  const field = fieldSql(column.name, fields);
  if (field === null || column.type.kind !== "scalar") return `from_json(NULL::JSON, ${shape})`;
  return column.type.name === "JSON" ? `to_json(${field})` : field;
}

/** Whether a value is of another shape than its column. No text reads as a nested value. */
function shapeSql(column: Column, { seen, fields }: Judgement): string {
  if (fields === null) return misshapen(column.type, memberSql(column.name, seen));
  const field = column.type.kind === "scalar" ? null : fieldSql(column.name, fields);
  return field === null ? "false" : `${field} IS NOT NULL`;
}

/** The field that a column takes its text from; null where the body has none of its name. */
function fieldSql(column: string, fields: readonly string[]): string | null {
  const at = fields.findIndex((name) => name.toLowerCase() === column.toLowerCase());
  return at < 0 ? null : fieldName(at);
}

export interface Judgement {
  readonly batch: Batch;
  readonly columns: readonly Column[];
  readonly seen: readonly Observation[];
  /** Names of the fields that every record has; null for NDJSON. */
  readonly fields: readonly string[] | null;
  /** Why no event time can be had of any row. */
  readonly brokenTime: string | null;
}

/**
 * Rows of the temporary table `records` with their typed columns and, beside them, `own("problem")`: the first thing that
 * stands against the row, or null.
 *
 *   records --take apart--> raw --does each fit?--> checked --type--> typed --event time--> timed --> judged
 */
export function judgedSql(judgement: Judgement): string {
  const { batch, columns, seen, fields, brokenTime } = judgement;
  const raw = columns.map((column, at) => `, ${rawSql(column, judgement)} AS x${at}`).join("");
  const said =
    fields === null
      ? `from_json(${memberSql("event_time", seen)}, '"VARCHAR"')`
      : (fieldSql("event_time", fields) ?? "NULL::VARCHAR");
  // What a nested column's misfit is told from.
  const whole = fields === null ? ", j" : fields.map((_, at) => `, ${fieldName(at)}`).join("");
  const cases = columns.map((column, at) => {
    const shape = shapeSql(column, judgement);
    const reason = literal(`cannot be read as ${typeName(column.type)}`);
    return `WHEN NOT (${fits(column.type, `x${at}`)}) OR ${shape} THEN {'column_name': ${literal(column.name)}, 'reason': ${reason}}`;
  });
  const typed = columns.map((column, at) => `, ${gentle(column.type, `x${at}`)} AS ${ident(column.name)}`).join("");
  const ours = ["o", "i", "n", "r"].map((name) => `${name} AS ${own(name)}`).join(", ");
  return `WITH raw AS (SELECT o, i, n, r${whole}, e, ${said} AS said${raw} FROM records),
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
