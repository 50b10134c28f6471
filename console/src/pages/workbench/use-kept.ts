import { useCallback, useState } from "react";

/** A number that this browser keeps, within bounds. */
export function useKept(name: string, first: number, least: number, most: number): [number, (value: number) => void] {
  const key = `millrace.workbench.${name}`;
  const [value, setValue] = useState(() => {
    const kept = Number(localStorage.getItem(key) ?? Number.NaN);
    return Number.isFinite(kept) ? Math.min(most, Math.max(least, kept)) : first;
  });
  const set = useCallback(
    (now: number) => {
      setValue(now);
      try {
        localStorage.setItem(key, String(now));
      } catch {
        // No room left in the browser: it holds until the page goes.
      }
    },
    [key],
  );
  return [value, set];
}
