export interface TypedColumn {
  readonly name: string;
  /** DuckDB's name of the type. */
  readonly type: string;
}

/** Files that share their columns. */
export interface FileGroup {
  readonly paths: readonly string[];
  /** Only rows whose offset is below this, where the files hold later ones too. */
  readonly belowOffset?: number;
  /** Only rows from this offset on, where the files hold earlier ones that have expired. */
  readonly fromOffset?: number;
  readonly columns: readonly TypedColumn[];
}

const ident = (name: string) => `"${name.replaceAll('"', '""')}"`;
const literal = (text: string) => `'${text.replaceAll("'", "''")}'`;

/**
 * SQL of a dataset's rows at one schema: each group of files read with its own columns, cast to the wanted types, with NULL
 * for columns that came later; in order of offsets. No file gives the empty relation of the schema.
 */
export function relationSql(columns: readonly TypedColumn[], groups: readonly FileGroup[]): string {
  const filled = groups.filter((group) => group.paths.length > 0);
  if (filled.length === 0) {
    const empty = columns.map((column) => `CAST(NULL AS ${column.type}) AS ${ident(column.name)}`);
    return `SELECT ${empty.join(", ")} WHERE false`;
  }
  return filled.map((group) => groupSql(columns, group)).join(" UNION ALL ");
}

function groupSql(columns: readonly TypedColumn[], group: FileGroup): string {
  const values = columns.map(({ name, type }) => {
    const own = group.columns.find((candidate) => candidate.name === name);
    if (own === undefined) return `CAST(NULL AS ${type}) AS ${ident(name)}`;
    return own.type === type ? ident(name) : `CAST(${ident(name)} AS ${type}) AS ${ident(name)}`;
  });
  const from = `SELECT ${values.join(", ")} FROM read_parquet([${group.paths.map(literal).join(", ")}])`;
  const bounds = [
    ...(group.fromOffset === undefined ? [] : [`"offset" >= ${group.fromOffset}`]),
    ...(group.belowOffset === undefined ? [] : [`"offset" < ${group.belowOffset}`]),
  ];
  return bounds.length === 0 ? from : `${from} WHERE ${bounds.join(" AND ")}`;
}

/** Columns of a quarantine file; see ingest. */
const quarantineColumns = [
  ["ingest_id", "VARCHAR"],
  ["received_at", "TIMESTAMP WITH TIME ZONE"],
  ["source", "VARCHAR"],
  ["line", "BIGINT"],
  ["column_name", "VARCHAR"],
  ["reason", "VARCHAR"],
  ["raw", "VARCHAR"],
] as const;

export function quarantineSql(paths: readonly string[]): string {
  const columns = quarantineColumns.map(([name, type]) =>
    paths.length === 0 ? `CAST(NULL AS ${type}) AS ${name}` : name,
  );
  return paths.length === 0
    ? `SELECT ${columns.join(", ")} WHERE false`
    : `SELECT ${columns.join(", ")} FROM read_parquet([${paths.map(literal).join(", ")}])`;
}

/** A relation of constants, as SHOW TABLES answers. */
export function valuesSql(columns: readonly string[], rows: readonly (readonly string[])[]): string {
  const names = columns.map(ident).join(", ");
  if (rows.length === 0)
    return `SELECT ${columns.map((name) => `CAST(NULL AS VARCHAR) AS ${ident(name)}`).join(", ")} WHERE false`;
  return `SELECT * FROM (VALUES ${rows.map((row) => `(${row.map(literal).join(", ")})`).join(", ")}) AS t(${names})`;
}
