import { rmSync, statSync } from "node:fs";
import type { DuckDBConnection } from "@duckdb/node-api";
import { type CopyColumn, duckdbTypeName, type FieldId, parseDuckdbType } from "../../slices/index.ts";
import type { CopyOrder, WrittenCopy } from "../contract.ts";
import { JobFailure } from "./failure.ts";
import { hashBytes } from "./hash.ts";
import type { Interruptible } from "./interruptible.ts";
import { ident, literal } from "./names.ts";
import { columnStatistics, readOffsets } from "./slices.ts";

/** As slices are written, but packed harder: a copy is written by few and read by many. */
const parquetOptions =
  "FORMAT parquet, PARQUET_VERSION V2, COMPRESSION zstd, COMPRESSION_LEVEL 3, DICTIONARY_SIZE_LIMIT 6000, ROW_GROUP_SIZE 122880";

/** Writes a copy; what stands in `output` after a failure is removed. */
export async function writeCopy(
  connection: DuckDBConnection,
  order: CopyOrder,
  running: Interruptible,
): Promise<WrittenCopy> {
  try {
    return await write(connection, order, running);
  } catch (error) {
    rmSync(order.output, { force: true });
    throw error;
  }
}

async function write(connection: DuckDBConnection, order: CopyOrder, running: Interruptible): Promise<WrittenCopy> {
  const { inputs, columns, output } = order;
  const fields = columns.map((column) => `${ident(column.name)}: ${fieldIds(column.field)}`).join(", ");
  await running.on(connection, async () => {
    const groups = await groupsOf(connection, inputs);
    for (const [first] of groups) if (first !== undefined) await checkColumns(connection, first.path, columns);
    const rows = groups.map((group) => rowsOf(group, columns)).join(" UNION ALL ");
    await connection.run(`COPY (${rows}) TO ${literal(output)} (${parquetOptions}, FIELD_IDS {${fields}})`);
  });
  const wanted = order.lastOffset - order.firstOffset + 1;
  const found = await readOffsets(connection, output, running);
  if (found.rows !== wanted || found.first !== order.firstOffset || !found.gapFree)
    throw new JobFailure({
      code: "bad_input",
      message: "The rows of the copy are not those that its inputs should have.",
    });
  running.check();
  return {
    sizeBytes: statSync(output).size,
    physicalHash: await hashBytes(output),
    statistics: await columnStatistics(connection, output, running),
  };
}

type Input = CopyOrder["inputs"][number];

/** Files that follow each other and have the same columns: DuckDB reads many as one by the columns of the first. */
async function groupsOf(connection: DuckDBConnection, inputs: readonly Input[]): Promise<Input[][]> {
  const paths = inputs.map((input) => literal(input.path)).join(", ");
  const described = await connection.runAndReadAll(`
    SELECT file_name, list(row(name, type, type_length, repetition_type, num_children, converted_type, scale, "precision", logical_type))::VARCHAR
    FROM parquet_schema([${paths}]) GROUP BY file_name`);
  const schemas = new Map(described.getRowsJson().map(([file, schema]) => [String(file), String(schema)]));
  const groups: Input[][] = [];
  for (const [index, input] of inputs.entries()) {
    const before = inputs[index - 1];
    const group = groups.at(-1);
    const isSame = before !== undefined && schemas.get(before.path) === schemas.get(input.path);
    if (isSame && before.lastOffset + 1 === input.firstOffset && group !== undefined) group.push(input);
    else groups.push([input]);
  }
  return groups;
}

function rowsOf(group: readonly Input[], columns: readonly CopyColumn[]): string {
  const values = columns.map(({ name, copyType }) => `CAST(${ident(name)} AS ${copyType}) AS ${ident(name)}`);
  const files = group.map((input) => literal(input.path)).join(", ");
  const range = `"offset" BETWEEN ${group[0]?.firstOffset} AND ${group.at(-1)?.lastOffset}`;
  return `SELECT ${values.join(", ")} FROM read_parquet([${files}]) WHERE ${range}`;
}

/** A column that a cast would change in silence, or that would be left out, is no copy's. */
async function checkColumns(connection: DuckDBConnection, path: string, columns: readonly CopyColumn[]): Promise<void> {
  const described = await connection.runAndReadAll(`DESCRIBE SELECT * FROM read_parquet(${literal(path)})`);
  const found = described.getRowsJson().map((row) => [String(row[0]), duckdbTypeName(parseDuckdbType(String(row[1])))]);
  const asWanted = (type: (column: CopyColumn) => string) =>
    found.length === columns.length &&
    columns.every((column, index) => found[index]?.[0] === column.name && found[index]?.[1] === type(column));
  if (asWanted((column) => column.sliceType) || asWanted((column) => column.copyType)) return;
  throw new JobFailure({ code: "bad_input", message: "A file has other columns than its schema says." });
}

function fieldIds({ id, members }: FieldId): string {
  const nested = Object.entries(members).map(([name, member]) => `, ${ident(name)}: ${fieldIds(member)}`);
  return `{__duckdb_field_id: ${id}${nested.join("")}}`;
}
