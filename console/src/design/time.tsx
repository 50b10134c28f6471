import { type ReactNode, useEffect, useState } from "react";
import { ago } from "./format.ts";

/** A moment as how long ago it was; its exact time stands in the title. Turns over by itself. */
export function Ago({ at }: { readonly at: string | null }): ReactNode {
  const now = useNow(5_000);
  if (at === null) return <span>never</span>;
  return (
    <time dateTime={at} title={at}>
      {ago(Date.parse(at), now)}
    </time>
  );
}

/** The time now, as often as asked. */
export function useNow(everyMs: number): number {
  const [now, setNow] = useState(() => Date.now());
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), everyMs);
    return () => clearInterval(timer);
  }, [everyMs]);
  return now;
}
