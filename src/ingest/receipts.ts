import { z } from "zod";
import type { DatasetId } from "../base/index.ts";
import type { Sql } from "../storage/index.ts";
import { deleteOldIngests, insertIngest, selectIngest, selectIngestByKey } from "./sql/ingests.ts";

export const receiptShape = z.object({
  id: z.string(),
  /** `project.dataset`. */
  dataset: z.string(),
  state: z.enum(["staged", "committed", "failed"]),
  rows: z.number().nullable(),
  quarantined: z.number().nullable(),
  firstOffset: z.number().nullable(),
  lastOffset: z.number().nullable(),
  block: z.string().nullable(),
  seq: z.number().nullable(),
  duplicate: z.boolean(),
  reasons: z.array(z.object({ reason: z.string(), count: z.number(), firstLine: z.number().nullable() })).optional(),
});
export type IngestReceipt = z.infer<typeof receiptShape>;

/** The receipt of what a chain holds; `share` is missing only where the chain forgot. */
export function committedReceipt(
  id: string,
  dataset: string,
  share:
    | {
        seq: number;
        block: string;
        firstOffset: number | null;
        rows: number;
        quarantined: number;
        reasons: readonly { reason: string; count: number; firstLine: number | null }[];
      }
    | undefined,
): IngestReceipt {
  const rows = share?.rows ?? 0;
  const firstOffset = share?.firstOffset ?? null;
  return {
    id,
    dataset,
    state: "committed",
    rows,
    quarantined: share?.quarantined ?? 0,
    firstOffset,
    lastOffset: firstOffset === null ? null : firstOffset + rows - 1,
    block: share?.block ?? null,
    seq: share?.seq ?? null,
    duplicate: false,
    reasons: (share?.reasons ?? []).map((reason) => ({ ...reason })),
  };
}

/** Receipts of committed ingests, kept for a day. */
export class Receipts {
  readonly #sql: Sql;

  constructor(sql: Sql) {
    this.#sql = sql;
  }

  async save(
    receipt: IngestReceipt,
    about: { datasetId: DatasetId; key: string | null; bodyHash: string | null; atMs: number },
  ): Promise<void> {
    const json = { ...receipt, reasons: (receipt.reasons ?? []).map((reason) => ({ ...reason })) };
    await insertIngest(this.#sql, {
      id: receipt.id,
      datasetId: about.datasetId,
      dataset: receipt.dataset,
      key: about.key,
      bodyHash: about.bodyHash,
      receipt: json,
      createdAt: new Date(about.atMs),
    });
  }

  async get(id: string): Promise<IngestReceipt | null> {
    const [row] = await selectIngest(this.#sql, id);
    return row === undefined ? null : receiptShape.parse(row.receipt);
  }

  async byKey(datasetId: DatasetId, key: string): Promise<{ receipt: IngestReceipt; bodyHash: string | null } | null> {
    const [row] = await selectIngestByKey(this.#sql, datasetId, key);
    return row === undefined ? null : { receipt: receiptShape.parse(row.receipt), bodyHash: row.body_hash };
  }

  /** Deletes at most `most` of the receipts from before; tells how many. */
  async deleteBefore(before: Date, most: number): Promise<number> {
    return (await deleteOldIngests(this.#sql, before, most)).count;
  }
}
