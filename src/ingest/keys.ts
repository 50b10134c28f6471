import type { DatasetId } from "../base/index.ts";
import type { IngestReceipt } from "./receipts.ts";

/** What the first request under a key brought. */
export interface FirstRequest {
  readonly receipt: IngestReceipt;
  /** null where the chain alone remembers it. */
  readonly bodyHash: string | null;
}

/** Idempotency keys of requests that are on their way or wait for their commit; those of committed ones are with the receipts. */
export class IdempotencyKeys {
  readonly #taken = new Map<string, Promise<FirstRequest>>();

  /** The request that has the key already, if any has. */
  first(dataset: DatasetId, key: string): Promise<FirstRequest> | undefined {
    return this.#taken.get(name(dataset, key));
  }

  /** Takes the key before anything is waited for, so that of two at once one is the first. */
  take(dataset: DatasetId, key: string): PromiseWithResolvers<FirstRequest> {
    const first = Promise.withResolvers<FirstRequest>();
    first.promise.catch(() => {});
    this.#taken.set(name(dataset, key), first.promise);
    return first;
  }

  forget(dataset: DatasetId, key: string): void {
    this.#taken.delete(name(dataset, key));
  }
}

const name = (dataset: DatasetId, key: string) => `${dataset}/${key}`;
