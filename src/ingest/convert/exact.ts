import { z } from "zod";
import type { TraceId } from "../../base/index.ts";
import { widen } from "../../slices/index.ts";
import type { Batch, ConvertContext, Converted, Share } from "./batch.ts";
import { evolve, structureFits } from "./evolve.ts";
import { writeRecords } from "./normalise.ts";
import { observations, observeStatements } from "./observe.ts";
import { ident, literal, timestampLiteral } from "./quote.ts";
import { recordsSql } from "./records.ts";
import { copySliceSql } from "./slice-sql.ts";
import { type Column, parseType, typeName } from "./types.ts";
import { fits, gentle, jsonShape } from "./values.ts";

const sampledRecords = 5_000;
const mostStructures = 1_000;
const label = "ingest, record by record";

/** Columns of a batch that has none yet, from its first records. */
export async function detectColumns(batch: Batch, context: ConvertContext): Promise<readonly Column[]> {
  const path = `${batch.workPath}.sample`;
  await writeRecords(batch, path, sampledRecords);
  return await evolveColumns(batch, context, path, false);
}

/**
 * The exact path: each record is looked at alone. The schema grows and widens to hold what it can; what does not fit goes to
 * quarantine with its line, column and reason. Slower, and always right.
 */
export async function convertExact(batch: Batch, context: ConvertContext): Promise<Converted> {
  const path = `${batch.workPath}.records`;
  await writeRecords(batch, path);
  const columns = await evolveColumns(batch, context, path, batch.format.kind !== "ndjson");
  const output = `${batch.workPath}.parquet`;
  const quarantine = `${batch.workPath}.quarantine`;
  const wrongStructures = await findWrongStructures(batch, context, path, columns);
  const statements = [
    { sql: `CREATE OR REPLACE TEMP TABLE records AS ${recordsSql(path, batch.format)}` },
    { sql: `CREATE OR REPLACE TEMP TABLE judged AS ${judgedSql(batch, columns, wrongStructures)}` },
    { sql: copySliceSql({ ...sliceQuery(batch, columns), output }) },
    { sql: quarantineSql(batch, quarantine) },
    {
      sql: "SELECT i, count(*) FILTER (problem IS NULL) AS rows, count(*) FILTER (problem IS NOT NULL) AS quarantined FROM judged GROUP BY i",
      rows: true,
    },
    {
      sql: "SELECT i, problem.reason AS reason, count(*) AS count, min(n) AS line FROM judged WHERE problem IS NOT NULL GROUP BY ALL ORDER BY count DESC, line LIMIT 1000",
      rows: true,
    },
  ];
  const results = await context.engine.script({ traceId: "" as TraceId, label, statements }, context.signal);
  const shares = sharesOf(batch, results[4] ?? [], results[5] ?? []);
  const rows = shares.reduce((sum, share) => sum + share.rows, 0);
  const quarantined = shares.reduce((sum, share) => sum + share.quarantined, 0);
  return {
    columns,
    rows,
    slicePath: rows === 0 ? null : output,
    quarantinePath: quarantined === 0 ? null : quarantine,
    quarantined,
    shares,
  };
}

async function evolveColumns(
  batch: Batch,
  context: ConvertContext,
  path: string,
  keepEmpty: boolean,
): Promise<readonly Column[]> {
  const statements = observeStatements(path, batch.format);
  const results = await context.engine.script({ traceId: "" as TraceId, label, statements }, context.signal);
  const seen = observations(results.at(-1) ?? []);
  const { columns } = evolve(batch.columns, seen, {
    declared: batch.declared,
    keepEmpty,
    widen: (a, b) => {
      const wide = widen(typeName(a), typeName(b));
      return wide === null ? null : parseType(wide);
    },
  });
  return columns;
}

const structureRow = z.object({ column: z.string(), structure: z.string() });

/** Shapes of nested values that their columns cannot hold, by column. Judged in JavaScript from the few shapes there are. */
async function findWrongStructures(
  batch: Batch,
  context: ConvertContext,
  path: string,
  columns: readonly Column[],
): Promise<ReadonlyMap<string, readonly string[]>> {
  const nested = columns.filter((column) => column.type.kind !== "scalar");
  const wrong = new Map<string, readonly string[]>();
  if (nested.length === 0) return wrong;
  const selects = nested.map(
    (column) =>
      `SELECT DISTINCT ${literal(column.name)} AS "column", CAST(json_structure(${member(column.name)}) AS VARCHAR) AS structure FROM rec WHERE ${member(column.name)} IS NOT NULL`,
  );
  const sql = `WITH rec AS (${recordsSql(path, batch.format)}) SELECT * FROM (${selects.join(" UNION ALL ")}) LIMIT ${mostStructures}`;
  const [rows] = await context.engine.script(
    { traceId: "" as TraceId, label, statements: [{ sql, rows: true }] },
    context.signal,
  );
  for (const column of nested) {
    const found = z
      .array(structureRow)
      .parse(rows ?? [])
      .filter((row) => row.column === column.name);
    wrong.set(
      column.name,
      found.map((row) => row.structure).filter((structure) => !structureFits(JSON.parse(structure), column.type)),
    );
  }
  return wrong;
}

/** The record's value under a key, as JSON. */
function member(name: string): string {
  return `(j -> ${literal(`$."${name.replaceAll("\\", "\\\\").replaceAll('"', '\\"')}"`)})`;
}

/** A column's value before it is typed: text for scalars, text in its nesting for the rest. */
function rawValue(column: Column): string {
  if (column.type.kind === "scalar") {
    const value = member(column.name);
    return column.type.name === "JSON"
      ? `CASE WHEN json_type(${value}) <> 'NULL' THEN ${value} END`
      : `(${value} ->> '$')`;
  }
  return `from_json(${member(column.name)}, ${literal(JSON.stringify(jsonShape(column.type)))})`;
}

/** Each record with its raw values and the first thing that stands against it. */
function judgedSql(
  batch: Batch,
  columns: readonly Column[],
  wrongStructures: ReadonlyMap<string, readonly string[]>,
): string {
  const raw = columns.map((column, at) => `${rawValue(column)} AS x${at}`);
  const cases = columns.map((column, at) => {
    const wrong = wrongStructures.get(column.name) ?? [];
    const structure =
      wrong.length === 0
        ? ""
        : ` OR CAST(json_structure(${member(column.name)}) AS VARCHAR) IN (${wrong.map(literal).join(", ")})`;
    const reason = `'cannot be read as ' || ${literal(typeName(column.type))}`;
    return `WHEN NOT (${fits(column.type, `x${at}`)})${structure} THEN {'column_name': ${literal(column.name)}, 'reason': ${reason}}`;
  });
  const typed = columns.map((column, at) => `${gentle(column.type, `x${at}`)} AS ${ident(column.name)}`);
  const dataTime = `(${member("event_time")} ->> '$')`;
  const eventTime = batch.eventTime === null ? "x_event" : `CAST((${batch.eventTime}) AS VARCHAR)`;
  return `SELECT * EXCLUDE (first_problem, said_time), coalesce(first_problem,
    CASE WHEN said_time IS NOT NULL AND TRY_CAST(said_time AS TIMESTAMPTZ) IS NULL
      THEN {'column_name': 'event_time', 'reason': 'cannot be read as a point in time'} END) AS problem,
    TRY_CAST(said_time AS TIMESTAMPTZ) AS "event_time"
  FROM (SELECT *, ${eventTime} AS said_time FROM (
    SELECT o, i, n, raw, x_event, first_problem${typed.length === 0 ? "" : `, ${typed.join(", ")}`} FROM (
      SELECT *, CASE WHEN e IS NOT NULL THEN {'column_name': NULL::VARCHAR, 'reason': e} ${cases.join(" ")} END AS first_problem FROM (
        SELECT o, i, n, r AS raw, j, e, ${dataTime} AS x_event${raw.length === 0 ? "" : `, ${raw.join(", ")}`} FROM records))))`;
}

function sliceQuery(batch: Batch, columns: readonly Column[]) {
  return {
    source: `SELECT row_number() OVER (ORDER BY o) - 1 AS rn, * FROM judged WHERE problem IS NULL ORDER BY o`,
    columns,
    hasEventTime: true,
    eventTime: null,
    systemTimeMs: batch.systemTime,
    firstOffset: batch.firstOffset,
  };
}

function quarantineSql(batch: Batch, output: string): string {
  const pick = (values: readonly string[]) => `list_extract([${values.join(", ")}], i + 1)`;
  const ids = pick(batch.entries.map((entry) => literal(entry.ingestId)));
  const times = pick(batch.entries.map((entry) => timestampLiteral(entry.receivedAt)));
  const sources = pick(batch.entries.map((entry) => literal(entry.source)));
  return `COPY (SELECT ${ids} AS ingest_id, ${times} AS received_at, ${sources} AS source, n AS line,
    problem.column_name AS column_name, problem.reason AS reason, raw FROM judged WHERE problem IS NOT NULL ORDER BY o)
  TO ${literal(output)} (FORMAT parquet, COMPRESSION zstd)`;
}

const countRow = z.object({ i: z.coerce.number(), rows: z.coerce.number(), quarantined: z.coerce.number() });
const reasonRow = z.object({
  i: z.coerce.number(),
  reason: z.string(),
  count: z.coerce.number(),
  line: z.coerce.number().nullable(),
});

function sharesOf(batch: Batch, counts: readonly unknown[], reasons: readonly unknown[]): Share[] {
  const counted = new Map(
    z
      .array(countRow)
      .parse(counts)
      .map((row) => [row.i, row]),
  );
  const why = z.array(reasonRow).parse(reasons);
  return batch.entries.map((_, i) => ({
    rows: counted.get(i)?.rows ?? 0,
    quarantined: counted.get(i)?.quarantined ?? 0,
    reasons: why.filter((row) => row.i === i).map(({ reason, count, line }) => ({ reason, count, firstLine: line })),
  }));
}
