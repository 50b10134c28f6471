import { useEffect, useMemo, useRef, useState } from "react";
import { tellFailure } from "../../../design/overlays.tsx";
import type { Column } from "../result/column.ts";
import type { Filter } from "../result/order.ts";
import { Sorter } from "../result/sorter.ts";
import type { GridLook } from "./look.ts";

export interface Order {
  /** Rows of the result in their shown order; null: all of them as they came. */
  readonly rows: Uint32Array | null;
  readonly isFinding: boolean;
}

const typingMs = 200;

/** Sorts and filters as a look says, beside the page; what was shown stays until the answer is there. */
export function useOrder(columns: readonly Column[], { keys, filters, isFiltering }: GridLook): Order {
  const asked = useMemo(() => (isFiltering ? askedIn(filters) : []), [filters, isFiltering]);
  const [order, setOrder] = useState<Order>({ rows: null, isFinding: asked.length > 0 || keys.length > 0 });
  const sorter = useRef<Sorter | null>(null);
  useEffect(
    () => () => {
      sorter.current?.close();
      sorter.current = null;
    },
    [],
  );
  useEffect(() => {
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
  }, [columns, asked, keys]);
  return order;
}

const askedIn = (filters: GridLook["filters"]): Filter[] =>
  [...filters].flatMap(([column, text]) => (text.trim() === "" ? [] : { column, text }));
