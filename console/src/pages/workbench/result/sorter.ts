import type { Column } from "./column.ts";
import type { Filter, SortKey } from "./order.ts";
import type { OrderReply, OrderRequest } from "./order-worker.ts";

/** Sorts and filters the rows of one result beside the page, so that nothing freezes. Owns its worker: close it. */
export class Sorter {
  readonly #columns: readonly Column[];
  readonly #sent = new Set<number>();
  readonly #waiting = new Map<number, { resolve: (order: Uint32Array) => void; reject: (error: Error) => void }>();
  #worker: Worker | null = null;
  #last = 0;

  constructor(columns: readonly Column[]) {
    this.#columns = columns;
  }

  async order(filters: readonly Filter[], keys: readonly SortKey[]): Promise<Uint32Array> {
    const worker = this.#started();
    for (const index of new Set([...filters, ...keys].map(({ column }) => column))) this.#give(worker, index);
    const id = ++this.#last;
    return await new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#send(worker, { kind: "order", id, rows: this.#columns[0]?.rows ?? 0, filters, keys });
    });
  }

  close(): void {
    this.#worker?.terminate();
    this.#worker = null;
    this.#sent.clear();
    for (const { reject } of this.#waiting.values()) reject(new Error("The result was closed."));
    this.#waiting.clear();
  }

  #started(): Worker {
    if (this.#worker !== null) return this.#worker;
    const worker = new Worker(new URL("./order-worker.ts", import.meta.url), { type: "module" });
    worker.addEventListener("message", ({ data }: MessageEvent<OrderReply>) => {
      const waiting = this.#waiting.get(data.id);
      this.#waiting.delete(data.id);
      if ("order" in data) waiting?.resolve(data.order);
      else waiting?.reject(new Error(data.failure));
    });
    worker.addEventListener("error", (event) => {
      for (const { reject } of this.#waiting.values()) reject(new Error(event.message || "Sorting failed."));
      this.#waiting.clear();
    });
    this.#worker = worker;
    return worker;
  }

  #give(worker: Worker, index: number): void {
    const column = this.#columns[index];
    if (column === undefined || this.#sent.has(index)) return;
    this.#sent.add(index);
    this.#send(worker, { kind: "column", index, column });
  }

  #send(worker: Worker, request: OrderRequest): void {
    worker.postMessage(request);
  }
}
