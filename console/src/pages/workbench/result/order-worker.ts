import type { Column } from "./column.ts";
import { type Filter, orderOf, type SortKey } from "./order.ts";

/** To the worker: a column it has not seen, or what it shall find. */
export type OrderRequest =
  | { readonly kind: "column"; readonly index: number; readonly column: Column }
  | {
      readonly kind: "order";
      readonly id: number;
      readonly rows: number;
      readonly filters: readonly Filter[];
      readonly keys: readonly SortKey[];
    };

export type OrderReply =
  | { readonly id: number; readonly order: Uint32Array }
  | { readonly id: number; readonly failure: string };

const columns = new Map<number, Column>();

addEventListener("message", ({ data }: MessageEvent<OrderRequest>) => {
  switch (data.kind) {
    case "column":
      columns.set(data.index, data.column);
      return;
    case "order": {
      const reply = answer(data);
      postMessage(reply, { transfer: "order" in reply ? [reply.order.buffer] : [] });
    }
  }
});

function answer({ id, rows, filters, keys }: Extract<OrderRequest, { kind: "order" }>): OrderReply {
  try {
    return { id, order: orderOf(rows, known, filters, keys) };
  } catch (error) {
    return { id, failure: error instanceof Error ? error.message : String(error) };
  }
}

function known(index: number): Column {
  const column = columns.get(index);
  if (column === undefined) throw new Error(`The worker was not given column ${index}.`);
  return column;
}
