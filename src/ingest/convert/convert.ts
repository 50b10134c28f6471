import { MillraceError } from "../../base/index.ts";
import type { Batch, ConvertContext, Converted } from "./batch.ts";
import { convertColumnar } from "./columnar.ts";
import { convertExact, detectColumns } from "./exact.ts";
import { convertFast } from "./fast.ts";

/**
 * Turns a batch into a slice and, where rows do not fit, a quarantine file. Both paths of NDJSON accept the same rows with
 * the same values; the fast one gives up on anything unusual.
 * @throws bad_input where a columnar body cannot be read; worker_lost, out_of_memory, disk_full of the engine
 */
export async function convert(batch: Batch, context: ConvertContext): Promise<Converted> {
  switch (batch.format.kind) {
    case "parquet":
    case "arrow":
      return await convertColumnar(batch, context);
    case "csv":
    case "text":
      return await convertExact(batch, context);
    case "ndjson": {
      const known = batch.columns.length > 0 ? batch : { ...batch, columns: await detectColumns(batch, context) };
      if (known.columns.length === 0) return await convertExact(batch, context);
      try {
        return await convertFast(known, context);
      } catch (error) {
        if (!isAboutData(error)) throw error;
        return await convertExact(batch, context);
      }
    }
  }
}

/** Whether another way of reading may help: a lost worker or a full disk is not about the data. */
function isAboutData(error: unknown): boolean {
  if (!(error instanceof MillraceError)) return error instanceof Error && error.message.startsWith("the fast path");
  return ["sql_runtime", "sql_binding", "bad_input", "sql_unsupported"].includes(error.code);
}
