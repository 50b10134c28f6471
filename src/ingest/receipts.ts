import { z } from "zod";
import type { DatasetId } from "../base/index.ts";
import type { Sql } from "../storage/index.ts";
import {
  deleteClaim,
  deleteOldIngests,
  deleteOtherClaims,
  endClaim,
  insertClaim,
  insertIngest,
  moveClaim,
  selectIngest,
  selectIngestByKey,
} from "./sql/ingests.ts";

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

/** Who has the key of a request: the one that asked, an ended one with its receipt, or one that another log holds. */
export type Claim =
  | { readonly kind: "taken" }
  | { readonly kind: "ended"; readonly receipt: IngestReceipt; readonly bodyHash: string | null }
  | { readonly kind: "elsewhere" };

export interface ClaimRequest {
  readonly receipt: IngestReceipt;
  readonly datasetId: DatasetId;
  readonly key: string;
  readonly logId: string;
  readonly atMs: number;
}

/** Tries of a claim that others keep ending and taking. */
const mostClaims = 10;

/**
 * Receipts of committed ingests, kept for a day, and claims: the key of a request belongs to the log that is about to stage
 * it, over all servers, until its receipt stands in the claim's place. Only that log ever commits the request.
 *
 *   free --claim--> claimed --committed or failed--> receipt --a day--> free
 *                     '--never staged: released, or taken over by a later request of the same log
 */
export class Receipts {
  readonly #sql: Sql;

  constructor(sql: Sql) {
    this.#sql = sql;
  }

  async save(
    receipt: IngestReceipt,
    about: { datasetId: DatasetId; key: string | null; bodyHash: string | null; atMs: number },
  ): Promise<void> {
    const json = jsonOf(receipt);
    if (about.key !== null) {
      const ended = await endClaim(this.#sql, { id: receipt.id, bodyHash: about.bodyHash, receipt: json });
      if (ended.count === 1) return;
    }
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

  /**
   * Takes a key for a request that is about to be staged. A claim that its own log holds is of a request that was never
   * staged, for the caller knows all that are: it goes to this one.
   */
  async claim({ receipt, datasetId, key, logId, atMs }: ClaimRequest): Promise<Claim> {
    const [json, at] = [jsonOf(receipt), new Date(atMs)];
    const { id, dataset } = receipt;
    for (let tries = 1; tries <= mostClaims; tries++) {
      const row = { id, datasetId, dataset, key, logId, receipt: json, at };
      if ((await insertClaim(this.#sql, row)).count === 1) return { kind: "taken" };
      const [known] = await selectIngestByKey(this.#sql, datasetId, key);
      if (known === undefined) continue; // it has just been released
      if (known.log_id === null)
        return { kind: "ended", receipt: receiptShape.parse(known.receipt), bodyHash: known.body_hash };
      if (known.log_id !== logId) return { kind: "elsewhere" };
      if (known.id === id) return { kind: "taken" };
      if ((await moveClaim(this.#sql, { from: known.id, to: id, logId, receipt: json, at })).count === 1)
        return { kind: "taken" };
    }
    return { kind: "elsewhere" };
  }

  /** Whether a request that a log holds has its key still; takes it where nobody has. */
  async holds({ receipt, datasetId, key, logId, atMs }: ClaimRequest): Promise<boolean> {
    const { id, dataset } = receipt;
    const row = { id, datasetId, dataset, key, logId, receipt: jsonOf(receipt), at: new Date(atMs) };
    if ((await insertClaim(this.#sql, row)).count === 1) return true;
    const [known] = await selectIngestByKey(this.#sql, datasetId, key);
    return known?.id === id && known.log_id === logId;
  }

  /** Gives up the key of a request that was not staged. */
  async release(id: string, logId: string): Promise<void> {
    await deleteClaim(this.#sql, id, logId);
  }

  /** Gives up the keys of a log's requests but those that it holds. */
  async releaseOthers(logId: string, held: readonly string[]): Promise<void> {
    await deleteOtherClaims(this.#sql, logId, held);
  }

  async byKey(datasetId: DatasetId, key: string): Promise<{ receipt: IngestReceipt; bodyHash: string | null } | null> {
    const [row] = await selectIngestByKey(this.#sql, datasetId, key);
    return row === undefined ? null : { receipt: receiptShape.parse(row.receipt), bodyHash: row.body_hash };
  }

  async get(id: string): Promise<IngestReceipt | null> {
    const [row] = await selectIngest(this.#sql, id);
    return row === undefined ? null : receiptShape.parse(row.receipt);
  }

  /** Deletes at most `most` of the receipts from before; tells how many. */
  async deleteBefore(before: Date, most: number): Promise<number> {
    return (await deleteOldIngests(this.#sql, before, most)).count;
  }
}

function jsonOf(receipt: IngestReceipt) {
  return { ...receipt, reasons: (receipt.reasons ?? []).map((reason) => ({ ...reason })) };
}
