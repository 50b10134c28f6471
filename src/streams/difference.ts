import type { Instant } from "../base/index.ts";
import { type DataField, ident, isRetracts, literal, sliceOptions, timestampLiteral } from "../slices/index.ts";
import { carried } from "./carry.ts";

/** Tables of a run: what its part of the result was, and what it is now. Both have the columns, and `mr:time`. */
export const wasTable = '"mr:was"';
export const isTable = '"mr:is"';

export interface Difference {
  /** Columns of the dataset behind the platform's four; `retracts` among them. */
  readonly fields: readonly DataField[];
  /** Those that tell which rows are changes of one another. */
  readonly pairBy: readonly string[];
  /** Whether rows that differ in nothing but their event time differ. */
  readonly comparesTime: boolean;
  readonly nextOffset: number;
  readonly clock: Instant;
  readonly output: string;
  readonly attempt: number;
}

/** Writes the slice that turns what was into what is. @param rows its rows, those of `differenceRows` */
export function differenceSql(difference: Difference, rows = differenceRows(difference)): string {
  const { output, attempt } = difference;
  const tag = attempt === 1 ? "" : `, KV_METADATA {attempt: '${attempt}'}`;
  return `COPY (${rows} ORDER BY "offset") TO ${literal(output)} (${sliceOptions}${tag})`;
}

/**
 * What turns what was into what is: rows taken back first, then rows that change (2, then 3), then new ones. Its order is that of the values, so
 * that it is decided too.
 */
export function differenceRows(difference: Omit<Difference, "output" | "attempt">): string {
  const { fields, pairBy, comparesTime, nextOffset, clock } = difference;
  const names = fields.filter((field) => !isRetracts(field)).map(({ name }) => ident(name));
  const time = ident(carried.eventTime);
  const compared = comparesTime ? [...names, time] : names;
  const all = compared.join(", ");
  const pair = pairBy.map(ident);
  const same = (left: string, right: string, by: readonly string[]) =>
    [...by, '"mr:n"'].map((name) => `${left}.${name} IS NOT DISTINCT FROM ${right}.${name}`).join(" AND ");
  const numbered = (table: string, order: string) =>
    `SELECT *, row_number() OVER (PARTITION BY ${all} ORDER BY ${order}) AS "mr:n" FROM ${table}`;
  const without = (left: string, right: string) =>
    `SELECT * FROM ${left} AS "mr:l" ANTI JOIN ${right} AS "mr:r" ON ${same('"mr:l"', '"mr:r"', compared)}`;
  const paired = (table: string, order: string) =>
    `SELECT * REPLACE (row_number() OVER (PARTITION BY ${pair.join(", ") || "NULL"} ORDER BY ${order}) AS "mr:n") FROM ${table}`;
  const isPaired = (other: string) =>
    pair.length === 0 ? "false" : `EXISTS (SELECT 1 FROM ${other} AS "mr:o" WHERE ${same('"mr:o"', '"mr:t"', pair)})`;
  const system = timestampLiteral(clock);
  const place = ['"mr:class"', ...pair, '"mr:n"', "op", ...names, time].join(", ");
  return `WITH
  "mr:i" AS MATERIALIZED (${numbered(isTable, time)}),
  "mr:w" AS MATERIALIZED (${numbered(wasTable, '"mr:offset"')}),
  "mr:plus" AS MATERIALIZED (${paired(`(${without('"mr:i"', '"mr:w"')})`, [...names, time].join(", "))}),
  "mr:minus" AS MATERIALIZED (${paired(`(${without('"mr:w"', '"mr:i"')})`, '"mr:offset"')}),
  "mr:rows" AS (
    SELECT CASE WHEN ${isPaired('"mr:plus"')} THEN 2 ELSE 1 END AS op, *, "mr:offset" AS retracts FROM "mr:minus" AS "mr:t"
    UNION ALL BY NAME
    SELECT CASE WHEN ${isPaired('"mr:minus"')} THEN 3 ELSE 0 END AS op, *, CAST(NULL AS UBIGINT) AS retracts FROM "mr:plus" AS "mr:t"
  ),
  "mr:placed" AS (SELECT *, CASE op WHEN 1 THEN 0 WHEN 0 THEN 2 ELSE 1 END AS "mr:class" FROM "mr:rows")
SELECT CAST(row_number() OVER (ORDER BY ${place}) - 1 + ${nextOffset} AS UBIGINT) AS "offset",
  CAST(op AS UTINYINT) AS op, ${system} AS system_time, ${time} AS event_time, ${fields.map(({ name }) => ident(name)).join(", ")}
FROM "mr:placed"`;
}
