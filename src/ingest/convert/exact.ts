import { z } from "zod";
import { MillraceError } from "../../base/index.ts";
import { literal, timestampLiteral, widen } from "../../slices/index.ts";
import { formatName } from "../formats/spec.ts";
import type { Batch, ConvertContext, Converted, Share } from "./batch.ts";
import { type Evolution, evolve } from "./evolve.ts";
import { judgedSql, timeValue } from "./judge.ts";
import { type Records, writeRecords } from "./normalise.ts";
import { type Observation, observations, observeStatements } from "./observe.ts";
import { recordsSql } from "./records.ts";
import { copySliceSql, own, quarantineOptions } from "./slice-sql.ts";
import { type Column, parseType, typeName } from "./types.ts";

const sampledRecords = 5_000;
const label = "ingest, record by record";

/** Columns of a batch that has none yet, from its first records. */
export async function detectColumns(
  batch: Batch,
  context: ConvertContext,
): Promise<Pick<Evolution, "columns" | "emptyKeys"> & { readonly seen: readonly Observation[] }> {
  const records = await writeRecords(batch, `${batch.workPath}.sample`, sampledRecords);
  const { evolution, seen } = await look(batch, context, records);
  return { columns: evolution.columns, emptyKeys: evolution.emptyKeys, seen };
}

/**
 * The exact path: each record is looked at alone. The schema grows and widens to hold what it can; what does not fit goes to
 * quarantine with its line, column and reason. Slower, and always right.
 */
export async function convertExact(batch: Batch, context: ConvertContext): Promise<Converted> {
  const records = await writeRecords(batch, `${batch.workPath}.records`);
  const { evolution, seen } = await look(batch, context, records);
  const { columns } = evolution;
  const write = async (brokenTime: string | null) => {
    const judged = judgedSql({ batch, columns, seen, fields: records.fields, brokenTime });
    return await writeFiles(batch, context, records, evolution, judged);
  };
  try {
    return await write(null);
  } catch (error) {
    const codes = ["sql_binding", "sql_runtime"];
    const aboutTime = batch.eventTime !== null && error instanceof MillraceError && codes.includes(error.code);
    if (!aboutTime) throw error;
    if (batch.wrongEventTime === "refuse") {
      throw new MillraceError("bad_request", `The event time cannot be read from these rows: ${error.message}`, {
        cause: error,
        hint: `Columns are: ${columns.map((column) => column.name).join(", ")}.`,
      });
    }
    return await write(`the event time: ${error.message}`.slice(0, 300));
  }
}

async function look(
  batch: Batch,
  context: ConvertContext,
  records: Records,
): Promise<{ evolution: Evolution; seen: readonly Observation[] }> {
  const statements = observeStatements(records, batch.format, undeclared(batch));
  const results = await context.engine.script({ traceId: context.traceId, label, statements }, context.signal);
  const seen = observations(results.at(-1) ?? []);
  const evolution = evolve(batch.columns, seen, {
    declared: batch.declared,
    // CSV and patterns name their columns whether or not they have values.
    keepEmpty: batch.format.kind !== "ndjson",
    widen: (a, b) => {
      const wide = widen(typeName(a), typeName(b));
      return wide === null ? null : parseType(wide);
    },
  });
  return { evolution, seen };
}

function undeclared({ columns, declared }: Batch): Column[] {
  return columns.filter((column) => !declared.has(column.name.toLowerCase()));
}

async function writeFiles(
  batch: Batch,
  context: ConvertContext,
  records: Records,
  { columns, emptyKeys }: Evolution,
  judged: string,
): Promise<Converted> {
  const output = `${batch.workPath}.parquet`;
  const quarantine = `${batch.workPath}.quarantine`;
  const [problem, entry, line] = [own("problem"), own("i"), own("n")];
  const accepted = `SELECT row_number() OVER (ORDER BY ${own("o")}) - 1 AS ${own("rn")}, * FROM judged WHERE ${problem} IS NULL ORDER BY ${own("o")}`;
  const statements = [
    { sql: `CREATE TEMP TABLE records AS ${recordsSql(records, batch.format)}` },
    { sql: `CREATE TEMP TABLE judged AS ${judged}` },
    {
      sql: copySliceSql({
        source: accepted,
        columns,
        time: timeValue,
        systemTimeMs: batch.systemTime,
        firstOffset: batch.firstOffset,
        output,
      }),
    },
    { sql: quarantineSql(batch, records, quarantine) },
    {
      sql: `SELECT ${entry} AS i, count(*) FILTER (${problem} IS NULL) AS rows, count(*) FILTER (${problem} IS NOT NULL) AS quarantined FROM judged GROUP BY ALL`,
      rows: true,
    },
    {
      sql: `SELECT ${entry} AS i, ${problem}.reason AS reason, count(*) AS count, min(${line}) AS line FROM judged WHERE ${problem} IS NOT NULL GROUP BY ALL ORDER BY count DESC, line LIMIT 1000`,
      rows: true,
    },
  ];
  const results = await context.engine.script({ traceId: context.traceId, label, statements }, context.signal);
  const shares = sharesOf(batch, results[4] ?? [], results[5] ?? []);
  const rows = shares.reduce((sum, share) => sum + share.rows, 0);
  const quarantined = shares.reduce((sum, share) => sum + share.quarantined, 0);
  return {
    columns,
    emptyKeys,
    rows,
    slicePath: rows === 0 ? null : output,
    quarantinePath: quarantined === 0 ? null : quarantine,
    quarantined,
    shares,
  };
}

function quarantineSql(batch: Batch, { fields }: Records, output: string): string {
  const { format, eventTime } = batch;
  const ofCsv = format.kind === "csv" ? [...(fields ?? [])] : null;
  const reading = { format: formatName(format), fields: ofCsv, eventTime };
  const pick = (values: readonly string[]) => `list_extract([${values.join(", ")}], ${own("i")} + 1)`;
  const ids = pick(batch.entries.map((entry) => literal(entry.ingestId)));
  const times = pick(batch.entries.map((entry) => timestampLiteral(entry.receivedAt)));
  const sources = pick(batch.entries.map((entry) => literal(entry.source)));
  return `COPY (SELECT ${ids} AS ingest_id, ${times} AS received_at, ${sources} AS source, ${own("n")} AS line,
    ${own("problem")}.column_name AS column_name, ${own("problem")}.reason AS reason, ${own("r")} AS raw
  FROM judged WHERE ${own("problem")} IS NOT NULL ORDER BY ${own("o")}) TO ${literal(output)} (${quarantineOptions(batch.systemTime, reading)})`;
}

const countRow = z.object({ i: z.coerce.number(), rows: z.coerce.number(), quarantined: z.coerce.number() });
const reasonRow = z.object({
  i: z.coerce.number(),
  reason: z.string(),
  count: z.coerce.number(),
  line: z.coerce.number().nullable(),
});

function sharesOf(batch: Batch, counts: readonly unknown[], reasons: readonly unknown[]): Share[] {
  const counted = new Map(counts.map((row) => countRow.parse(row)).map((row) => [row.i, row]));
  const why = reasons.map((row) => reasonRow.parse(row));
  return batch.entries.map((_, i) => ({
    rows: counted.get(i)?.rows ?? 0,
    quarantined: counted.get(i)?.quarantined ?? 0,
    reasons: why.filter((row) => row.i === i).map(({ reason, count, line }) => ({ reason, count, firstLine: line })),
  }));
}
