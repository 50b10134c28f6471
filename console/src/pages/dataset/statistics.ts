import { quoteName, type SqlResult } from "../../api/sql.ts";

/** How a column's values are looked at: numbers and times have a range, all others have values that come often. */
export type Look = "number" | "time" | "text";

export function lookOf(type: string): Look {
  if (/^(U?(TINYINT|SMALLINT|INTEGER|BIGINT|HUGEINT)|FLOAT|DOUBLE|DECIMAL\(\d+,\d+\))$/.test(type)) return "number";
  if (/^(DATE|TIMESTAMP( WITH TIME ZONE|_NS|_MS|_S)?)$/.test(type)) return "time";
  return "text";
}

export const bins = 24;
const topValues = 4;
/** What a long text is cut to, so that a picture of it is no download of it. */
const textLength = 80;

export interface Statistics {
  /** Rows that were looked at, and those of them that have a value. */
  readonly rows: number;
  readonly filled: number;
  /** How many different values: counted, as the rows are bounded; an estimate is off by a quarter now and then. */
  readonly distinct: number;
  readonly min: string | null;
  readonly max: string | null;
  readonly mean: number | null;
  /** Rows by equal parts of the range from the smallest to the largest; null for texts. */
  readonly histogram: readonly number[] | null;
  /** What comes most often; null for numbers and times. */
  readonly top: readonly { readonly value: string; readonly rows: number }[] | null;
}

/** One statement for one column. `table` is quoted already; of a large dataset only the rows behind `afterOffset` count. */
export function statisticsSql(
  table: string,
  column: { readonly name: string; readonly type: string },
  afterOffset: number | null,
): string {
  const where = afterOffset === null ? "" : ` WHERE "offset" > ${Math.trunc(afterOffset)}`;
  const rows = `t AS MATERIALIZED (SELECT ${quoteName(column.name)} AS v FROM ${table}${where})`;
  const look = lookOf(column.type);
  if (look === "text") {
    const cut = `left(v::VARCHAR, ${textLength})`;
    return `WITH ${rows},
s AS (SELECT count(*) AS "rows", count(v) AS filled, count(DISTINCT v::VARCHAR) AS "distinct",
  left(min(v::VARCHAR), ${textLength}) AS "min", left(max(v::VARCHAR), ${textLength}) AS "max", NULL AS mean FROM t),
k AS (SELECT ${cut} AS value, count(*) AS n FROM t WHERE v IS NOT NULL GROUP BY ${cut} ORDER BY n DESC, value LIMIT ${topValues})
SELECT s.*, (SELECT list({value: k.value, n: k.n} ORDER BY k.n DESC, k.value) FROM k) AS top FROM s`;
  }
  const place = look === "time" ? "epoch(v)" : "v::DOUBLE";
  const isUsable = look === "time" ? "isfinite(v)" : "isfinite(v::DOUBLE)";
  return `WITH ${rows},
s AS (SELECT count(*) AS "rows", count(v) AS filled, count(DISTINCT v) AS "distinct",
  min(v) FILTER (WHERE ${isUsable})::VARCHAR AS "min", max(v) FILTER (WHERE ${isUsable})::VARCHAR AS "max",
  ${look === "time" ? "NULL" : `avg(v::DOUBLE) FILTER (WHERE ${isUsable})`} AS mean,
  min(${place}) FILTER (WHERE ${isUsable}) AS lo, max(${place}) FILTER (WHERE ${isUsable}) AS hi FROM t),
h AS (SELECT CASE WHEN hi > lo THEN least(${bins - 1}, floor((${place} - lo) / (hi - lo) * ${bins}))::INTEGER ELSE 0 END AS bin, count(*) AS n
  FROM t, s WHERE v IS NOT NULL AND ${isUsable} GROUP BY bin)
SELECT s.*, (SELECT list({bin: h.bin, n: h.n}) FROM h) AS histogram FROM s`;
}

interface Bin {
  readonly bin: number;
  readonly n: number;
}
interface Top {
  readonly value: string;
  readonly n: number;
}

export function statisticsFrom({ rows: [row] }: SqlResult, look: Look): Statistics {
  const found = row ?? {};
  const text = (value: unknown) => (value === null || value === undefined ? null : String(value));
  const histogram = Array.from({ length: bins }, () => 0);
  for (const { bin, n } of (found.histogram ?? []) as readonly Bin[]) histogram[bin] = Number(n);
  return {
    rows: Number(found.rows ?? 0),
    filled: Number(found.filled ?? 0),
    distinct: Number(found.distinct ?? 0),
    min: text(found.min),
    max: text(found.max),
    mean: found.mean === null || found.mean === undefined ? null : Number(found.mean),
    histogram: look === "text" ? null : histogram,
    top:
      look === "text"
        ? ((found.top ?? []) as readonly Top[]).map(({ value, n }) => ({ value, rows: Number(n) }))
        : null,
  };
}
