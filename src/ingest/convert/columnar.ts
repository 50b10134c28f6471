import { z } from "zod";
import { MillraceError, type TraceId } from "../../base/index.ts";
import { widen } from "../../slices/index.ts";
import type { Batch, BatchEntry, ConvertContext, Converted } from "./batch.ts";
import { ident, literal, timestampLiteral } from "./quote.ts";
import { copySliceSql } from "./slice-sql.ts";
import { type Column, parseType, typeName } from "./types.ts";

const label = "ingest of columns";
const reserved = ["offset", "op", "system_time"];
const describeRow = z.object({ column_name: z.string(), column_type: z.string() });

/** Parquet and Arrow bodies, one at a time: their columns have types, so rows need no reading one by one. */
export async function convertColumnar(batch: Batch, context: ConvertContext): Promise<Converted> {
  const [entry] = batch.entries;
  if (entry === undefined || batch.entries.length !== 1) throw new Error("columnar bodies come alone");
  const input = batch.format.kind === "arrow" ? await fromArrow(batch, entry, context) : entry.path;
  const source = `read_parquet(${literal(input)}, file_row_number = true)`;
  const theirs = await describe(source, context);
  const columns = evolveTyped(batch, theirs);
  const output = `${batch.workPath}.parquet`;
  const quarantine = `${batch.workPath}.quarantine`;
  const judged = columns.map((column) =>
    typedValue(
      column,
      theirs.find((one) => one.name.toLowerCase() === column.name.toLowerCase()),
    ),
  );
  const problems = judged.flatMap(({ problem }) => (problem === null ? [] : [problem]));
  const hasEventTime = theirs.some((column) => column.name.toLowerCase() === "event_time");
  const typed = [
    ...judged.map(({ value, name }) => `${value} AS ${ident(name)}`),
    ...(hasEventTime ? [`"event_time"`] : []),
  ].join(", ");
  const problem =
    problems.length === 0 ? "NULL::STRUCT(column_name VARCHAR, reason VARCHAR)" : `CASE ${problems.join(" ")} END`;
  const rows = `SELECT file_row_number, ${problem} AS problem${typed === "" ? "" : `, ${typed}`} FROM ${source}`;
  const clean = problems.length === 0;
  const accepted = clean
    ? `SELECT file_row_number AS rn, * EXCLUDE (file_row_number, problem) FROM (${rows})`
    : `SELECT row_number() OVER (ORDER BY file_row_number) - 1 AS rn, * FROM (${rows}) WHERE problem IS NULL ORDER BY file_row_number`;
  const copy = copySliceSql({
    source: accepted,
    columns,
    hasEventTime,
    eventTime: batch.eventTime,
    systemTimeMs: batch.systemTime,
    firstOffset: batch.firstOffset,
    output,
  });
  const quarantineCopy = `COPY (SELECT ${literal(entry.ingestId)} AS ingest_id, ${timestampLiteral(entry.receivedAt)} AS received_at, ${literal(entry.source)} AS source,
    file_row_number + 1 AS line, problem.column_name AS column_name, problem.reason AS reason, CAST(to_json(t) AS VARCHAR) AS raw
    FROM (SELECT file_row_number, ${problem} AS problem, * EXCLUDE (file_row_number) FROM ${source}) AS t WHERE problem IS NOT NULL ORDER BY line) TO ${literal(quarantine)} (FORMAT parquet, COMPRESSION zstd)`;
  const count = {
    sql: `SELECT count(*) FILTER (problem IS NULL) AS rows, count(*) FILTER (problem IS NOT NULL) AS quarantined FROM (${rows})`,
    rows: true,
  };
  const statements = [{ sql: copy }, ...(clean ? [] : [{ sql: quarantineCopy }]), count];
  const results = await context.engine.script({ traceId: "" as TraceId, label, statements }, context.signal);
  const counted = z.object({ rows: z.coerce.number(), quarantined: z.coerce.number() }).parse(results.at(-1)?.[0]);
  const reasons =
    counted.quarantined === 0
      ? []
      : [{ reason: "a value does not fit its column", count: counted.quarantined, firstLine: null }];
  return {
    columns,
    rows: counted.rows,
    slicePath: counted.rows === 0 ? null : output,
    quarantinePath: counted.quarantined === 0 ? null : quarantine,
    quarantined: counted.quarantined,
    shares: [{ ...counted, reasons }],
  };
}

async function fromArrow(batch: Batch, entry: BatchEntry, context: ConvertContext): Promise<string> {
  const path = `${batch.workPath}.arrow.parquet`;
  await context.engine.arrowToParquet(entry.path, path, context.signal);
  return path;
}

async function describe(source: string, context: ConvertContext): Promise<Column[]> {
  const sql = `DESCRIBE SELECT * EXCLUDE (file_row_number) FROM ${source}`;
  const [rows] = await context.engine.script(
    { traceId: "" as TraceId, label, statements: [{ sql, rows: true }] },
    context.signal,
  );
  const columns = z
    .array(describeRow)
    .parse(rows ?? [])
    .map((row) => ({ name: row.column_name, type: parseType(row.column_type) }));
  const taken = columns.find((column) => reserved.includes(column.name.toLowerCase()));
  if (taken !== undefined) {
    throw new MillraceError("bad_input", `The column name "${taken.name}" belongs to Millrace.`, {
      hint: "Rename it in the file: offset, op and system_time are taken.",
    });
  }
  return columns;
}

/** DuckDB writes these into Parquet with loss: they are kept as exact decimals. */
const exactTypes: Readonly<Record<string, string>> = { HUGEINT: "DECIMAL(38,0)", UHUGEINT: "DECIMAL(38,0)" };

function evolveTyped(batch: Batch, theirs: readonly Column[]): readonly Column[] {
  const after = [...batch.columns];
  for (const column of theirs) {
    const name = column.name.toLowerCase();
    if (name === "event_time") continue;
    const at = after.findIndex((known) => known.name.toLowerCase() === name);
    const known = after[at];
    const type = parseType(exactTypes[typeName(column.type)] ?? typeName(column.type));
    if (known === undefined) after.push({ name: column.name, type });
    else if (!batch.declared.has(name)) {
      const wide = widen(typeName(known.type), typeName(type));
      if (wide !== null) after[at] = { name: known.name, type: parseType(wide) };
    }
  }
  return after;
}

/** A column's value from the file's, and the condition under which a row cannot give it. */
function typedValue(
  column: Column,
  theirs: Column | undefined,
): { name: string; value: string; problem: string | null } {
  const { name } = column;
  const type = typeName(column.type);
  if (theirs === undefined) return { name, value: `CAST(NULL AS ${type})`, problem: null };
  const x = ident(theirs.name);
  const from = typeName(theirs.type);
  if (from === type) return { name, value: x, problem: null };
  if (widen(from, type) === type) return { name, value: `CAST(${x} AS ${type})`, problem: null };
  const fits = `TRY_CAST(${x} AS ${type}) IS NOT NULL AND CAST(TRY_CAST(${x} AS ${type}) AS VARCHAR) = CAST(${x} AS VARCHAR)`;
  const problem = `WHEN ${x} IS NOT NULL AND NOT coalesce(${fits}, false) THEN {'column_name': ${literal(name)}, 'reason': ${literal(`cannot be read as ${type}`)}}`;
  return { name, value: `TRY_CAST(${x} AS ${type})`, problem };
}
