import { ident, literal, timestampLiteral } from "./quote.ts";
import type { Column } from "./types.ts";

/** zstd, and row groups of DuckDB's usual size, so that a reader can skip. */
const parquetOptions = "FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 122880";

export interface SliceQuery {
  /** Rows with `rn` (from 0, in order) and the typed columns; `event_time` where the data has one. */
  readonly source: string;
  readonly columns: readonly Column[];
  readonly hasEventTime: boolean;
  readonly eventTime: string | null;
  readonly systemTimeMs: number;
  readonly firstOffset: number;
  readonly output: string;
}

/** The event time of a typed row: the expression, else the data's own column, else null. */
export function eventTimeSql(query: Pick<SliceQuery, "eventTime" | "hasEventTime">): string {
  if (query.eventTime !== null) return `CAST((${query.eventTime}) AS TIMESTAMPTZ)`;
  return query.hasEventTime ? `CAST("event_time" AS TIMESTAMPTZ)` : "NULL";
}

/** Writes a slice: the system columns, then the dataset's own, in order of offsets. */
export function copySliceSql(query: SliceQuery): string {
  const system = timestampLiteral(query.systemTimeMs);
  const columns = query.columns.map((column) => ident(column.name)).join(", ");
  return `COPY (SELECT CAST(rn + ${query.firstOffset} AS UBIGINT) AS "offset", 0::UTINYINT AS op, ${system} AS system_time,
  coalesce(${eventTimeSql(query)}, ${system}) AS event_time${columns === "" ? "" : `, ${columns}`}
FROM (${query.source})) TO ${literal(query.output)} (${parquetOptions})`;
}
