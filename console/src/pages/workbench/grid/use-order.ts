import { useEffect, useRef, useState } from "react";
import { tellFailure } from "../../../design/overlays.tsx";
import type { Column } from "../result/column.ts";
import type { Filter, SortKey } from "../result/order.ts";
import { Sorter } from "../result/sorter.ts";

export interface Order {
  /** Rows of the result in their shown order; null: all of them as they came. */
  readonly rows: Uint32Array | null;
  readonly isFinding: boolean;
}

const typingMs = 200;

/** Sorts and filters beside the page; what was shown stays until the answer is there. */
export function useOrder(columns: readonly Column[], filters: readonly Filter[], keys: readonly SortKey[]): Order {
  const [order, setOrder] = useState<Order>({ rows: null, isFinding: false });
  const sorter = useRef<Sorter | null>(null);
  useEffect(
    () => () => {
      sorter.current?.close();
      sorter.current = null;
    },
    [],
  );
  useEffect(() => {
    const asked = filters.filter(({ text }) => text.trim() !== "");
    if (asked.length === 0 && keys.length === 0) {
      setOrder({ rows: null, isFinding: false });
      return;
    }
    let isStale = false;
    setOrder((before) => ({ ...before, isFinding: true }));
    const timer = setTimeout(() => {
      sorter.current ??= new Sorter(columns);
      sorter.current.order(asked, keys).then(
        (rows) => !isStale && setOrder({ rows, isFinding: false }),
        (error: unknown) => {
          if (isStale) return;
          setOrder((before) => ({ ...before, isFinding: false }));
          tellFailure(error);
        },
      );
    }, typingMs);
    return () => {
      isStale = true;
      clearTimeout(timer);
    };
  }, [columns, filters, keys]);
  return order;
}
