import { MillraceError, unreachable } from "../../base/index.ts";
import type { ResolvedFormat } from "../formats/detect.ts";
import type { Batch, ConvertContext, Converted } from "./batch.ts";
import { convertColumnar } from "./columnar.ts";
import { convertExact, detectColumns } from "./exact.ts";
import { convertFastCsv } from "./fast-csv.ts";
import { convertFastJson, FastPathEnded } from "./fast-json.ts";
import { convertFastText } from "./fast-text.ts";

/**
 * Turns a batch into a slice and, where rows do not fit, a quarantine file. Both paths accept the same rows with the same
 * values; the fast one gives up on anything unusual.
 *
 *   columns known? --no--> detected from the first records
 *         |                     |
 *         +---------------------+--> fast path --gives up--> exact path
 *
 * @throws bad_input where a columnar body cannot be read; bad_request for an event time that no row can have; worker_lost,
 *   out_of_memory, disk_full of the engine
 */
export async function convert(batch: Batch, context: ConvertContext): Promise<Converted> {
  switch (batch.format.kind) {
    case "parquet":
    case "arrow":
      return await convertColumnar(batch, context);
    case "csv":
    case "text":
    case "ndjson":
      return (await tryFast(batch, batch.format, context)) ?? (await convertExact(batch, context));
    default:
      return unreachable(batch.format);
  }
}

type RecordFormat = ResolvedFormat & { kind: "ndjson" | "csv" | "text" };

async function tryFast(batch: Batch, format: RecordFormat, context: ConvertContext): Promise<Converted | null> {
  try {
    switch (format.kind) {
      case "csv":
        return await convertFastCsv(batch, format, context);
      case "text":
        return await convertFastText(batch, format, context);
      case "ndjson":
        return await fastJson(batch, context);
    }
  } catch (error) {
    if (error instanceof FastPathEnded || isAboutData(error)) return null;
    throw error;
  }
}

async function fastJson(batch: Batch, context: ConvertContext): Promise<Converted | null> {
  const { columns, emptyKeys } = batch.columns.length > 0 ? batch : await detectColumns(batch, context);
  return columns.length === 0 ? null : await convertFastJson({ ...batch, columns, emptyKeys }, context);
}

/** Whether another way of reading may help: a lost worker or a full disk is not about the data. */
function isAboutData(error: unknown): boolean {
  if (!(error instanceof MillraceError)) return false;
  return ["sql_runtime", "sql_binding", "bad_input", "sql_unsupported"].includes(error.code);
}
