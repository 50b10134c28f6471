import type { DuckDBConnection } from "@duckdb/node-api";
import type { ColumnStatistics, SliceOffsets } from "../contract.ts";
import type { Interruptible } from "./interruptible.ts";
import { literal } from "./names.ts";

/** Of each top-level column, from the file's metadata: null counts added up, least and greatest over the row groups. */
export async function columnStatistics(
  connection: DuckDBConnection,
  path: string,
  running: Interruptible,
): Promise<ColumnStatistics[]> {
  return await running.on(connection, async () => {
    const described = await connection.runAndReadAll(`DESCRIBE SELECT * FROM read_parquet(${literal(path)})`);
    const columns = described.getRowsJson().map((row) => ({ column: String(row[0]), type: String(row[1]) }));
    const parts = await columnParts(connection, path);
    const bounds = await readBounds(connection, columns, parts);
    return columns.map(({ column, type }) => ({
      column,
      type,
      nullCount: nullsOf(parts.get(column) ?? []),
      min: bounds.get(column)?.min ?? null,
      max: bounds.get(column)?.max ?? null,
    }));
  });
}

/** What the metadata says of a column in one row group, as it says it. */
interface ColumnPart {
  readonly min: string | null;
  readonly max: string | null;
  readonly nulls: number | null;
  readonly values: number;
}

async function columnParts(connection: DuckDBConnection, path: string): Promise<ReadonlyMap<string, ColumnPart[]>> {
  const parts = new Map<string, ColumnPart[]>();
  const found = await connection.runAndReadAll(
    `SELECT path_in_schema, stats_min_value, stats_max_value, stats_null_count, num_values FROM parquet_metadata(${literal(path)})`,
  );
  const text = (value: unknown) => (typeof value === "string" ? value : null);
  for (const [column, min, max, nulls, values] of found.getRowsJson()) {
    const part = {
      min: text(min),
      max: text(max),
      nulls: nulls === null ? null : Number(nulls),
      values: Number(values),
    };
    const name = String(column);
    const known = parts.get(name);
    if (known === undefined) parts.set(name, [part]);
    else known.push(part);
  }
  return parts;
}

/** null where no row group says. */
function nullsOf(parts: readonly ColumnPart[]): number | null {
  const said = parts.flatMap(({ nulls }) => (nulls === null ? [] : [nulls]));
  return said.length === 0 ? null : said.reduce((sum, nulls) => sum + nulls, 0);
}

/**
 * Least and greatest over the row groups, compared as the column's type, where each group that has a value says both. Text bounds may
 * be cut, so they are left out.
 */
async function readBounds(
  connection: DuckDBConnection,
  columns: readonly { readonly column: string; readonly type: string }[],
  parts: ReadonlyMap<string, readonly ColumnPart[]>,
) {
  const bounds = new Map<string, { min: string; max: string }>();
  const comparable = columns.flatMap(({ column, type }) => {
    const filled = (parts.get(column) ?? []).filter(({ nulls, values }) => nulls !== values);
    return isComparable.test(type) && filled.length > 0 ? [{ column, type, filled }] : [];
  });
  if (comparable.length === 0) return bounds;
  const casts = comparable.flatMap(({ type, filled }, at) => {
    const list = (texts: readonly (string | null)[]) =>
      `TRY_CAST([${texts.map((text) => (text === null ? "NULL" : literal(text))).join(", ")}] AS ${type}[])`;
    return [`${list(filled.map(({ min }) => min))} AS l${at}`, `${list(filled.map(({ max }) => max))} AS h${at}`];
  });
  const values = comparable.map(
    ({ filled }, at) =>
      `list_min(l${at})::VARCHAR, list_max(h${at})::VARCHAR, list_count(l${at}) + list_count(h${at}) = ${2 * filled.length}`,
  );
  const found = await connection.runAndReadAll(`SELECT ${values.join(", ")} FROM (SELECT ${casts.join(", ")})`);
  const [row = []] = found.getRowsJson();
  for (const [at, { column }] of comparable.entries()) {
    const [min, max, known] = row.slice(at * 3, at * 3 + 3);
    if (known === true && typeof min === "string" && typeof max === "string") bounds.set(column, { min, max });
  }
  return bounds;
}

const isComparable = /^(U?(TINY|SMALL|BIG)?INT(EGER)?|FLOAT|DOUBLE|DATE|TIMESTAMP.*|DECIMAL.*)$/;

export async function readOffsets(
  connection: DuckDBConnection,
  path: string,
  running: Interruptible,
): Promise<SliceOffsets> {
  const read = await running.on(connection, () =>
    connection.runAndReadAll(`
      SELECT count(*), min(start), max(start), count(start) = count(*)
      FROM (SELECT "offset"::BIGINT - file_row_number AS start FROM read_parquet(${literal(path)}, file_row_number = true))`),
  );
  const [rows, least, greatest, allThere] = read.getRowsJson()[0] ?? [];
  const first = least === null || least === undefined ? null : Number(least);
  return { rows: Number(rows ?? 0), first, gapFree: least === greatest && allThere === true };
}
