import { infiniteQueryOptions, queryOptions } from "@tanstack/react-query";
import { ask, path } from "../../api/client.ts";

type Row = Readonly<Record<string, unknown>>;

export interface Probed {
  /** null: no row has this key. */
  readonly row: Row | null;
  /** What the question took, there and back. */
  readonly tookMs: number;
}

/** The row of a key, asked once for each press: an answer is as old as its question. */
export const probeQuery = (project: string, lookup: string, key: string | undefined) =>
  queryOptions({
    queryKey: ["probe", project, lookup, key ?? null],
    enabled: key !== undefined,
    async queryFn({ signal }): Promise<Probed> {
      const began = performance.now();
      // Asked as one of many: for them, a key without a row is no failure.
      const { rows } = await ask<{ rows: (Row | null)[] }>(path`/api/v1/lookups/${project}/${lookup}/rows`, {
        method: "POST",
        body: { keys: [key ?? ""] },
        signal,
      });
      return { row: rows[0] ?? null, tookMs: performance.now() - began };
    },
    staleTime: Number.POSITIVE_INFINITY,
    gcTime: 0,
    retry: false,
  });

export interface Entry {
  readonly key: string;
  readonly row: Row;
}

const pageRows = 50;
/** A page of the server may be empty while there is more: so many are asked for before the reader is asked. */
const mostAsked = 20;

/** Entries whose keys begin with a text, in no order. */
export const entriesQuery = (project: string, lookup: string, prefix: string | undefined) =>
  infiniteQueryOptions({
    queryKey: ["probe", project, lookup, "prefix", prefix ?? null],
    enabled: prefix !== undefined,
    async queryFn({ signal, pageParam }) {
      const entries: Entry[] = [];
      let next: string | null = pageParam;
      for (let asked = 0; next !== null && entries.length < pageRows && asked < mostAsked; asked++) {
        const page: { rows: Entry[]; next: string | null } = await ask(
          path`/api/v1/lookups/${project}/${lookup}/rows`,
          {
            query: { prefix, after: next, limit: pageRows - entries.length },
            signal,
          },
        );
        entries.push(...page.rows);
        next = page.next;
      }
      return { entries, next };
    },
    initialPageParam: "0",
    getNextPageParam: ({ next }: { readonly next: string | null }) => next,
    staleTime: Number.POSITIVE_INFINITY,
    gcTime: 0,
  });
