import { unreachable } from "../../base/index.ts";
import type { ResolvedFormat } from "../formats/detect.ts";
import type { Batch, ConvertContext, Converted } from "./batch.ts";
import { convertColumnar } from "./columnar.ts";
import { convertExact, detectColumns } from "./exact.ts";
import { convertFastCsv } from "./fast-csv.ts";
import { convertFastJson } from "./fast-json.ts";
import { orSlower } from "./fast-path.ts";
import { convertFastText } from "./fast-text.ts";

/**
 * Turns a batch into a slice and, where rows do not fit, a quarantine file. All paths accept the same rows with the same
 * values; the faster ones give up on anything unusual.
 *
 *   columns known? --no--> detected from the first records
 *         |                     |
 *         +---------------------+--> fast path (JSON: by type, then as text) --gives up--> exact path
 *
 * @throws bad_input where a columnar body cannot be read; bad_request for an event time that no row can have; worker_lost,
 *   out_of_memory, disk_full of the engine
 */
export async function convert(batch: Batch, context: ConvertContext): Promise<Converted> {
  const { format } = batch;
  switch (format.kind) {
    case "parquet":
    case "arrow":
      return await convertColumnar(batch, context);
    case "csv":
    case "text":
    case "ndjson":
      return (await orSlower(() => convertFast(batch, format, context))) ?? (await convertExact(batch, context));
    default:
      return unreachable(format);
  }
}

type RecordFormat = ResolvedFormat & { kind: "ndjson" | "csv" | "text" };

async function convertFast(batch: Batch, format: RecordFormat, context: ConvertContext): Promise<Converted | null> {
  switch (format.kind) {
    case "csv":
      return await convertFastCsv(batch, format, context);
    case "text":
      return await convertFastText(batch, format, context);
    case "ndjson":
      return await fastJson(batch, context);
  }
}

async function fastJson(batch: Batch, context: ConvertContext): Promise<Converted | null> {
  const { columns, emptyKeys } =
    batch.columns.length > 0 ? batch : await (context.detect ?? detectColumns)(batch, context);
  return columns.length === 0 ? null : await convertFastJson({ ...batch, columns, emptyKeys }, context);
}
