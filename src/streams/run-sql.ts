import type { Instant } from "../base/index.ts";
import type { ResultColumn } from "../engines/index.ts";
import {
  type DataField,
  duckdbType,
  ident,
  isRetracts,
  literal,
  sliceOptions,
  sliceType,
  timestampLiteral,
} from "../slices/index.ts";
import { carried } from "./carry.ts";
import { isTable, wasTable } from "./difference.ts";
import { groupNumber } from "./partial.ts";
import { rowSql, scopeColumn, scopeTable } from "./scope.ts";

/** The file of a run. In another attempt it has another name: under the former one it may be collected. */
export interface RunFile {
  readonly output: string;
  readonly attempt: number;
}

/** What the SQL of a run is made by. */
export interface RunColumns {
  readonly clock: Instant;
  /** The offset of its first row. */
  readonly nextOffset: number;
  /** Columns of the dataset behind the platform's four. */
  readonly fields: readonly DataField[];
  /** What the SELECT makes. */
  readonly made: readonly ResultColumn[];
}

const typeOf = (field: DataField) => sliceType(duckdbType(field));
const time = ident(carried.eventTime);

/** Whether the SELECT makes the event time a column of its result. */
export function saysTime(made: readonly ResultColumn[]): boolean {
  return made.some(({ name }) => name.toLowerCase() === "event_time");
}

/** A row's event time: what the SELECT says, what the row carries, or else when the run was decided. */
function timeSql({ made, clock }: RunColumns): string {
  const said = made.find(({ name }) => name.toLowerCase() === "event_time");
  const isCarried = made.some(({ name }) => name === carried.eventTime);
  const known = [
    ...(said === undefined ? [] : [`CAST(${ident(said.name)} AS TIMESTAMPTZ)`]),
    ...(isCarried ? [time] : []),
    timestampLiteral(clock),
  ];
  return known.length === 1 ? `CAST(${known.join()} AS TIMESTAMPTZ)` : `coalesce(${known.join(", ")})`;
}

/** The user's columns with the types that they are stored in. */
function castColumns(fields: readonly DataField[]): string[] {
  return fields
    .filter((field) => !isRetracts(field))
    .map((field) => `CAST(${ident(field.name)} AS ${typeOf(field)}) AS ${ident(field.name)}`);
}

const namesOf = (fields: readonly DataField[]) =>
  fields.filter((field) => !isRetracts(field)).map(({ name }) => ident(name));

/** Writes the slice of rows that are added as they are. @param order columns that their order is decided by; their own, unless said */
export function appendSql(rows: string, columns: RunColumns, order: readonly string[] = []): (file: RunFile) => string {
  const { fields, clock, nextOffset } = columns;
  const system = timestampLiteral(clock);
  const values = fields.map((field) =>
    isRetracts(field)
      ? `CAST(NULL AS UBIGINT) AS ${ident(field.name)}`
      : `CAST(${ident(field.name)} AS ${typeOf(field)}) AS ${ident(field.name)}`,
  );
  // Rows of one input row each come in the order of the inputs; of joined rows with equal places, the values decide.
  const place = order.length === 0 ? "" : `ORDER BY ${[...order.map(ident), ...namesOf(fields)].join(", ")}`;
  return ({ output, attempt }) => {
    const tag = attempt === 1 ? "" : `, KV_METADATA {attempt: '${attempt}'}`;
    return `COPY (SELECT CAST(row_number() OVER (${place}) - 1 + ${nextOffset} AS UBIGINT) AS "offset",
  CAST(${ident(carried.op)} AS UTINYINT) AS op, ${system} AS system_time,
  ${timeSql(columns)} AS event_time${values.map((value) => `, ${value}`).join("")}
FROM (${rows})) TO ${literal(output)} (${sliceOptions}${tag})`;
  };
}

/** Tables of what the result is now and was before, of the part that a scope says. */
export function resultTables(
  {
    result,
    own,
    values,
    scope,
  }: {
    readonly result: string;
    /** The derivative's rows before; null where there are none. */
    readonly own: OwnRows | null;
    /** Of the scope's values; null where everything is made anew. */
    readonly values: string | null;
    /** Names of the scope's columns in the result. */
    readonly scope: readonly string[];
  },
  columns: RunColumns,
): string[] {
  const { fields } = columns;
  const types = new Map(fields.map((field) => [field.name.toLowerCase(), typeOf(field)]));
  const cast = (sql: string, name: string) => `CAST(${sql} AS ${types.get(name.toLowerCase()) ?? "VARCHAR"})`;
  const owned = rowSql(scope.map((name) => cast(ident(name), name)));
  const wanted = rowSql(scope.map((name, at) => cast(scopeColumn(at), name)));
  const where = scope.length === 0 ? "" : ` WHERE ${owned} IN (SELECT ${wanted} FROM ${ident(scopeTable)})`;
  return [
    ...(values === null ? [] : [`CREATE TEMP TABLE ${ident(scopeTable)} AS ${values}`]),
    isTableSql(result, columns),
    wasSql(own, fields, where),
  ];
}

/** What groups came to before, each with the offset and the event time of its row. */
export function wasTableOf(rows: string, { fields }: RunColumns): string {
  const list = ['"mr:offset"', `"mr:at" AS ${time}`, ...castColumns(fields)];
  return `CREATE TEMP TABLE ${wasTable} AS SELECT ${list.join(", ")} FROM (${rows})`;
}

function isTableSql(result: string, columns: RunColumns, passing: readonly string[] = []): string {
  const list = [...castColumns(columns.fields), `${timeSql(columns)} AS ${time}`, ...passing.map(ident)];
  return `CREATE TEMP TABLE ${isTable} AS SELECT ${list.join(", ")} FROM (${result})`;
}

/** What groups come to, each with its number. */
export function isTableOf(rows: string, columns: RunColumns): string {
  return isTableSql(rows, columns, [groupNumber]);
}

/** Tables of what the result is now and was before, of the rows that changes are of. */
export function changedTables(rows: string, own: OwnRows | null, columns: RunColumns): string[] {
  const { fields } = columns;
  const names = namesOf(fields).join(", ");
  const row = rowSql(namesOf(fields));
  const list = [...castColumns(fields), `${timeSql(columns)} AS ${time}`, ident(carried.op)].join(", ");
  const changed = (ops: string) => `SELECT ${names}, ${time} FROM "mr:changed" WHERE ${ident(carried.op)} IN (${ops})`;
  return [
    `CREATE TEMP TABLE "mr:changed" AS SELECT ${list} FROM (${rows})`,
    wasSql(own, fields, ` WHERE ${row} IN (SELECT ${row} FROM "mr:changed")`),
    `CREATE TEMP TABLE ${isTable} AS (SELECT ${names}, ${time} FROM ${wasTable} UNION ALL ${changed("0, 3")}) EXCEPT ALL ${changed("1, 2")}`,
  ];
}

/** A derivative's rows before a run, and the columns that it had. */
export interface OwnRows {
  readonly sql: string;
  readonly columns: readonly string[];
}

export function wasSql(own: OwnRows | null, fields: readonly DataField[], where: string): string {
  const before = own?.columns ?? [];
  // A column that is new now was NULL in each row before.
  const columns = fields
    .filter((field) => !isRetracts(field))
    .map(({ name, ...field }) => {
      const value = before.includes(name) ? ident(name) : "NULL";
      return `CAST(${value} AS ${typeOf({ name, ...field })}) AS ${ident(name)}`;
    });
  const system =
    own === null
      ? ['CAST(NULL AS UBIGINT) AS "mr:offset"', `CAST(NULL AS TIMESTAMPTZ) AS ${time}`]
      : ['"offset" AS "mr:offset"', `event_time AS ${time}`];
  const from = own === null ? "WHERE false" : `FROM (${own.sql})`;
  return `CREATE TEMP TABLE ${wasTable} AS SELECT * FROM (SELECT ${[...system, ...columns].join(", ")} ${from})${where}`;
}

/** How many values of the key have more than one row. */
export function twiceSql(key: readonly string[]): string {
  const names = key.map(ident).join(", ");
  return `SELECT CAST(count(*) AS INTEGER) AS twice FROM (SELECT 1 FROM ${isTable} GROUP BY ${names} HAVING count(*) > 1)`;
}
