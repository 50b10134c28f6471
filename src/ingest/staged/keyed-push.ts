import { abortable, type Instant, MillraceError } from "../../base/index.ts";
import { type Arrival, datasetName, type Intake, stagedReceipt } from "../intake.ts";
import type { FirstRequest, IdempotencyKeys } from "../keys.ts";
import type { ReceiptKeeper } from "../receipt-keeper.ts";
import type { IngestReceipt, Receipts } from "../receipts.ts";
import type { StagedRequests } from "./staged-requests.ts";

export interface PushOptions {
  readonly staged: StagedRequests;
  readonly intake: Intake;
  readonly keys: IdempotencyKeys;
  readonly receipts: Receipts;
  readonly keeper: ReceiptKeeper;
  /** Of this server's staging log. */
  readonly logId: () => string;
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
    for (;;) {
      const earlier = keys.first(dataset.id, key);
      if (earlier === undefined) return await this.#first(arrival, key, receivedAt, signal);
      const first = await outcome(earlier, signal);
      if (first !== null) return await this.#again(arrival, first, signal);
      // It failed, perhaps because its client went away and has come back as this one: this one may be the first.
    }
  }

  async #first(arrival: Arrival, key: string, receivedAt: Instant, signal: AbortSignal): Promise<IngestReceipt> {
    const { keys, receipts, logId } = this.#options;
    const { id } = arrival.request.dataset;
    const first = keys.take(id, key);
    try {
      const receipt = stagedReceipt(arrival.id, datasetName(arrival.request));
      const claim = await receipts.claim({ receipt, datasetId: id, key, logId: logId(), atMs: receivedAt });
      if (claim.kind === "elsewhere") throw heldElsewhere();
      if (claim.kind === "ended") {
        first.resolve(claim);
        keys.forget(id, key);
        return await this.#again(arrival, claim, signal);
      }
      first.resolve({ receipt, bodyHash: await this.#stage(arrival, receivedAt, signal) });
    } catch (error) {
      first.reject(error);
      keys.forget(id, key);
      throw error;
    }
    return await this.#answer(arrival, signal);
  }

  /**
   * Gives the body's hash. A request that cannot be staged gives its key up, so that any server may take it: once nothing of it is left in the log, for
   * a start that found it there would commit it.
   */
  async #stage(arrival: Arrival, receivedAt: Instant, signal: AbortSignal): Promise<string | null> {
    const { staged, receipts, keeper, logId } = this.#options;
    try {
      return (await staged.stage(arrival, receivedAt, signal)).header.bodyHash;
    } catch (error) {
      await keeper.untilDone("a key could not be released", async () => {
        await staged.forgotten();
        await receipts.release(arrival.id, logId());
      });
      throw error;
    }
  }

  /** A repeated request: its body is read to its end, so that a different one under the same key is told. */
  async #again(arrival: Arrival, { receipt, bodyHash }: FirstRequest, signal: AbortSignal): Promise<IngestReceipt> {
    const { staged, intake, receipts } = this.#options;
    const hash = await intake.hash(arrival, signal);
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

/** What an earlier request brought; null where it failed. @throws the signal's reason */
async function outcome(earlier: Promise<FirstRequest>, signal: AbortSignal): Promise<FirstRequest | null> {
  try {
    return await abortable(earlier, signal);
  } catch {
    signal.throwIfAborted();
    return null;
  }
}

function heldElsewhere(): MillraceError {
  return new MillraceError("unavailable", "Another server holds the first request under this key, not committed yet.", {
    retryAfterS: 1,
    hint: "Repeat it: the answer is the first request's once that is committed. Nothing is stored twice.",
  });
}
