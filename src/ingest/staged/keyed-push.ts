import { type Instant, MillraceError } from "../../base/index.ts";
import { type Arrival, datasetName, type Intake, stagedReceipt } from "../intake.ts";
import type { FirstRequest, IdempotencyKeys } from "../keys.ts";
import type { IngestReceipt, Receipts } from "../receipts.ts";
import type { StagedRequests } from "./staged-requests.ts";

export interface PushOptions {
  readonly staged: StagedRequests;
  readonly intake: Intake;
  readonly keys: IdempotencyKeys;
  readonly receipts: Receipts;
}

/** Pushes rows through the staging log; under an idempotency key, once. */
export class KeyedPush {
  readonly #options: PushOptions;

  constructor(options: PushOptions) {
    this.#options = options;
  }

  /** @throws as StagedRequests.stage; conflict where the key came with another body */
  async push(arrival: Arrival, receivedAt: Instant, signal: AbortSignal): Promise<IngestReceipt> {
    const { staged, keys } = this.#options;
    const { dataset, idempotencyKey: key } = arrival.request;
    if (key === undefined) {
      await staged.stage(arrival, receivedAt, signal);
      return await this.#answer(arrival, signal);
    }
    const earlier = keys.first(dataset.id, key);
    return earlier === undefined
      ? await this.#first(arrival, key, receivedAt, signal)
      : await this.#again(arrival, earlier, signal);
  }

  async #first(arrival: Arrival, key: string, receivedAt: Instant, signal: AbortSignal): Promise<IngestReceipt> {
    const { staged, keys, receipts } = this.#options;
    const { id } = arrival.request.dataset;
    const first = keys.take(id, key);
    try {
      const kept = await receipts.byKey(id, key);
      if (kept !== null) {
        first.resolve(kept);
        keys.forget(id, key);
        return await this.#again(arrival, first.promise, signal);
      }
      const { header } = await staged.stage(arrival, receivedAt, signal);
      first.resolve({ receipt: stagedReceipt(arrival.id, header.dataset), bodyHash: header.bodyHash });
    } catch (error) {
      first.reject(error);
      keys.forget(id, key);
      throw error;
    }
    return await this.#answer(arrival, signal);
  }

  /** A repeated request: its body is read to its end, so that a different one under the same key is told. */
  async #again(arrival: Arrival, earlier: Promise<FirstRequest>, signal: AbortSignal): Promise<IngestReceipt> {
    const { staged, intake, receipts } = this.#options;
    const hash = await intake.hash(arrival, signal);
    const { receipt, bodyHash } = await earlier;
    if (bodyHash !== null && bodyHash !== hash) {
      throw new MillraceError("conflict", "The Idempotency-Key was used with another body.", {
        hint: "Use a new key for new rows.",
      });
    }
    const committed = arrival.request.ack === "committed" ? await staged.committed(receipt.id, signal) : null;
    const now = committed ?? staged.receipt(receipt.id) ?? (await receipts.get(receipt.id)) ?? receipt;
    return { ...now, duplicate: true };
  }

  async #answer({ id, request }: Arrival, signal: AbortSignal): Promise<IngestReceipt> {
    const { staged, receipts } = this.#options;
    const committed = request.ack === "staged" ? null : await staged.committed(id, signal);
    // It may have been committed before anybody asked.
    if (request.ack === "committed" && committed === null) {
      const kept = await receipts.get(id);
      if (kept !== null) return kept;
    }
    return committed ?? stagedReceipt(id, datasetName(request));
  }
}
