import { z } from "zod";
import { formatDatasetPath } from "../base/index.ts";
import { placeOf } from "./carry.ts";
import type { Run } from "./prepare.ts";

/** Rows that a run left out, for their windows had closed for good. They stay in their inputs. */
export interface LateRows {
  readonly count: number;
  /** The first hundred. */
  readonly rows: readonly { readonly dataset: string; readonly offset: number }[];
}

export const noneLate: LateRows = { count: 0, rows: [] };

const kept = 100;
const found = z.tuple([z.object({ count: z.number(), places: z.array(z.string()).nullable() })]);

/** How many places there are, and the first of them. */
export function lateSql(places: string): string {
  const first = `list(CAST("place" AS VARCHAR) ORDER BY "place")[:${kept}]`;
  return `SELECT CAST(count(*) AS INTEGER) AS count, ${first} AS places FROM (${places})`;
}

/** What `lateSql` has found, by the inputs of the run. */
export function lateRows({ target }: Pick<Run, "target">, answer: unknown): LateRows {
  const [{ count, places }] = found.parse(answer);
  const named = target.select.references;
  const rows = (places ?? []).flatMap((text) => {
    const { at, offset } = placeOf(text);
    const path = named[at];
    return path === undefined ? [] : [{ dataset: formatDatasetPath(path), offset }];
  });
  return { count, rows };
}
