import { z } from "zod";
import { MillraceError } from "../../base/index.ts";
import { ident, literal, timestampLiteral, widen } from "../../slices/index.ts";
import type { Batch, ConvertContext, Converted } from "./batch.ts";
import { timeProblem, timeSql, timeValue } from "./judge.ts";
import { copySliceSql, own, quarantineOptions } from "./slice-sql.ts";
import { type Column, parseType, typeName } from "./types.ts";

const label = "ingest of columns";
const reserved = ["offset", "op", "system_time"];
const describeRow = z.object({ column_name: z.string(), column_type: z.string() });

/** Parquet and Arrow bodies, one at a time: their columns have types, so rows need no reading one by one. */
export async function convertColumnar(batch: Batch, context: ConvertContext): Promise<Converted> {
  const [entry] = batch.entries;
  if (entry === undefined || batch.entries.length !== 1) throw new Error("columnar bodies come alone");
  const input = batch.format.kind === "arrow" ? await fromArrow(batch, context) : batch.path;
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
  const ownTime = theirs.find((column) => column.name.toLowerCase() === "event_time");
  const typed = [
    ...judged.map(({ value, name }) => `${value} AS ${ident(name)}`),
    ownTime === undefined ? `NULL::TIMESTAMPTZ AS "event_time"` : `"event_time"`,
  ].join(", ");
  const noProblem = "NULL::STRUCT(column_name VARCHAR, reason VARCHAR)";
  const problem = problems.length === 0 ? noProblem : `CASE ${problems.join(" ")} ELSE ${noProblem} END`;
  const valued = `SELECT file_row_number AS ${own("at")}, ${problem} AS ${own("first")}, ${typed} FROM ${source}`;
  const timed = `SELECT *, ${timeSql(batch.eventTime)} FROM (${valued})`;
  const rows = `SELECT *, coalesce(${own("first")}, ${timeProblem(null)}) AS ${own("problem")} FROM (${timed})`;
  const clean = problems.length === 0 && batch.eventTime === null && isTime(ownTime);
  const accepted = clean
    ? `SELECT ${own("at")} AS ${own("rn")}, * FROM (${timed})`
    : `SELECT row_number() OVER (ORDER BY ${own("at")}) - 1 AS ${own("rn")}, * FROM (${rows}) WHERE ${own("problem")} IS NULL ORDER BY ${own("at")}`;
  const copy = copySliceSql({
    source: accepted,
    columns,
    time: timeValue,
    systemTimeMs: batch.systemTime,
    firstOffset: batch.firstOffset,
    output,
  });
  const aside = `SELECT ${literal(entry.ingestId)} AS ingest_id, ${timestampLiteral(entry.receivedAt)} AS received_at, ${literal(entry.source)} AS source,
    ${own("at")} + 1 AS line, ${own("problem")}.column_name AS column_name, ${own("problem")}.reason AS reason, CAST(${own("row")} AS VARCHAR) AS raw
    FROM (${rows}) JOIN (SELECT file_row_number AS ${own("key")}, to_json(t) AS ${own("row")} FROM (SELECT * FROM ${source}) AS t) ON ${own("key")} = ${own("at")}
    WHERE ${own("problem")} IS NOT NULL ORDER BY line`;
  const quarantineCopy = { sql: `COPY (${aside}) TO ${literal(quarantine)} (${quarantineOptions(batch.systemTime)})` };
  const count = clean
    ? { sql: `SELECT count(*) AS rows, 0 AS quarantined FROM read_parquet(${literal(input)})`, rows: true }
    : {
        sql: `SELECT count(*) FILTER (${own("problem")} IS NULL) AS rows, count(*) FILTER (${own("problem")} IS NOT NULL) AS quarantined FROM (${rows})`,
        rows: true,
      };
  const statements = [{ sql: copy }, ...(clean ? [] : [quarantineCopy]), count];
  const results = await context.engine
    .script({ traceId: context.traceId, label, statements }, context.signal)
    .catch((cause: unknown) => {
      throw isUnreadable(cause, ["sql_binding"]) ? unreadable(cause) : cause;
    });
  const counted = z.object({ rows: z.coerce.number(), quarantined: z.coerce.number() }).parse(results.at(-1)?.[0]);
  const reasons =
    counted.quarantined === 0
      ? []
      : [
          {
            reason: "a value does not fit its column, or the event time is none",
            count: counted.quarantined,
            firstLine: null,
          },
        ];
  return {
    columns,
    emptyKeys: [],
    rows: counted.rows,
    slicePath: counted.rows === 0 ? null : output,
    quarantinePath: counted.quarantined === 0 ? null : quarantine,
    quarantined: counted.quarantined,
    shares: [{ ...counted, reasons }],
  };
}

async function fromArrow(batch: Batch, context: ConvertContext): Promise<string> {
  const path = `${batch.workPath}.arrow.parquet`;
  await context.engine.arrowToParquet(batch.path, path, context.signal);
  return path;
}

async function describe(source: string, context: ConvertContext): Promise<Column[]> {
  const sql = `DESCRIBE SELECT * EXCLUDE (file_row_number) FROM ${source}`;
  const statements = [{ sql, rows: true }];
  const [rows] = await context.engine
    .script({ traceId: context.traceId, label, statements }, context.signal)
    .catch((cause: unknown) => {
      throw isUnreadable(cause, []) ? unreadable(cause) : cause;
    });
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

/** How DuckDB words what the disk, not the file's content, refuses. */
const ofTheDisk = /^(Cannot|Could not) (open|read from|write|seek|sync|create|stat)/;

/** Whether an error blames the body: DuckDB refuses what it reads, or cannot make sense of the file's own numbers. */
function isUnreadable(cause: unknown, notCodes: readonly string[]): cause is MillraceError {
  if (!(cause instanceof MillraceError) || notCodes.includes(cause.code)) return false;
  const detail = cause.cause instanceof Error ? cause.cause.message : "";
  const isOfFile = cause.message.startsWith("A file could not be read") && detail !== "" && !ofTheDisk.test(detail);
  return cause.code.startsWith("sql_") || (cause.code === "internal" && isOfFile);
}

/** DuckDB names the file by its path, which says nothing to who sent it and tells of the inside. */
const quotedPath = /(file )?(["'])\/[^"']*\2/g;

function unreadable(cause: MillraceError): MillraceError {
  const said = cause.code === "internal" ? "its metadata makes no sense" : cause.message.replace(quotedPath, "it");
  return new MillraceError("bad_input", `The body cannot be read as Parquet: ${said}.`.replace("..", "."), { cause });
}

/** Absent, or of a type that always is a time. */
function isTime(column: Column | undefined): boolean {
  if (column === undefined) return true;
  const name = typeName(column.type);
  if (name === "DATE" || name.startsWith("TIMESTAMP")) return true;
  if (name === "VARCHAR") return false;
  throw new MillraceError("bad_input", `The column event_time is ${name}, which is no time.`, {
    hint: "Give it a timestamp type, or rename it and say the event time as an expression.",
  });
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
