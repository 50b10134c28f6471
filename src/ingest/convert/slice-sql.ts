import { z } from "zod";
import { ident, literal, sliceOptions, timestampLiteral } from "../../slices/index.ts";
import { type Column, typeName } from "./types.ts";

/**
 * Names of our own beside the user's columns in a statement. A colon keeps them apart from any name a person would write.
 */
export const own = (name: string) => ident(`mr:${name}`);

export interface SliceQuery {
  /** SQL of rows with `own("rn")` (from 0, in order) and the typed columns. */
  readonly source: string;
  readonly columns: readonly Column[];
  /** SQL of the row's event time as TIMESTAMPTZ; null where it has none, and takes the system time. */
  readonly time: string;
  readonly systemTimeMs: number;
  readonly firstOffset: number;
  readonly output: string;
}

/** The event time of a row with typed columns: its own `event_time`, else the expression. */
export function eventTimeSql(expression: string | null, columns: readonly Column[]): string {
  const said = `CAST("event_time" AS TIMESTAMPTZ)`;
  if (expression === null) return said;
  // The engine's own cast goes through a calendar, in UTC for nothing: it takes twenty times as long.
  const naive = columns.some(({ name, type }) => ident(name) === expression && typeName(type) === "TIMESTAMP");
  const given = naive ? `make_timestamptz(epoch_us(${expression}))` : `CAST((${expression}) AS TIMESTAMPTZ)`;
  return `coalesce(${said}, ${given})`;
}

/** Writes a slice: the system columns, then the dataset's own, in order of offsets. */
export function copySliceSql(query: SliceQuery): string {
  const system = timestampLiteral(query.systemTimeMs);
  const columns = query.columns.map((column) => `, ${ident(column.name)}`).join("");
  return `COPY (SELECT CAST(${own("rn")} + ${query.firstOffset} AS UBIGINT) AS "offset", 0::UTINYINT AS op, ${system} AS system_time,
  coalesce(${query.time}, ${system}) AS event_time${columns}
FROM (${query.source})) TO ${literal(query.output)} (${sliceOptions})`;
}

/**
 * How quarantined rows are written. The time is for the file's name alone: a batch that is written anew must not have an old one.
 * @param reading how the rows' own text is to be read again; absent where it is no text that was sent
 */
export function quarantineOptions(systemTimeMs: number, reading?: Reading): string {
  const said = reading === undefined ? "" : `, reading: ${literal(JSON.stringify(reading))}`;
  return `FORMAT parquet, COMPRESSION zstd, KV_METADATA {system_time: '${systemTimeMs}'${said}}`;
}

/** How the text of quarantined rows was read, in the metadata of their file. */
export const reading = z.object({
  /** As `parseFormat` wants it. */
  format: z.string(),
  /** Names of the fields of a CSV: its header. */
  fields: z.array(z.string()).nullable(),
  /** The event time as it was asked for. */
  eventTime: z.string().nullable(),
});
export type Reading = z.infer<typeof reading>;

/** Writes a slice once more, at other offsets and with the system time of its new commit. */
export function renumberSql(input: string, output: string, delta: number, systemTimeMs: number): string {
  const moved = `CAST(CAST("offset" AS BIGINT) + ${delta} AS UBIGINT) AS "offset"`;
  return `COPY (SELECT * REPLACE (${moved}, ${timestampLiteral(systemTimeMs)} AS system_time) FROM read_parquet(${literal(input)}))
TO ${literal(output)} (${sliceOptions})`;
}
