import fc from "fast-check";
import { datasetPath } from "../../src/base/index.ts";
import { type OpenStreams, openStreams } from "../streams/open.ts";
import { type Case, columns, oracleCase } from "./arbitraries.ts";

/**
 * Cases from a seed: what a transform has kept while its inputs came in batches, and processes were restarted, against its
 * SELECT over everything at the end, by EXCEPT ALL in both directions. @throws the smallest case found that differs
 */
export async function runCases({ cases, seed }: { readonly cases: number; readonly seed: number }): Promise<void> {
  await using streams = await openStreams();
  let made = 0;
  const holds = fc.asyncProperty(oracleCase, (one) => holdsFor(streams, one, `c${made++}`));
  await fc.assert(holds, { numRuns: cases, seed });
}

async function holdsFor(
  streams: OpenStreams,
  { batches, select, restarts, maxRows }: Case,
  name: string,
): Promise<void> {
  const { open } = streams;
  const sql = select.replaceAll("{t}", `web.${name}_t`).replaceAll("{u}", `web.${name}_u`);
  // Both inputs are there, with their columns, before the transform is.
  for (const input of ["t", "u"])
    await open.commit(datasetPath(`web.${name}_${input}`), columns, [["0", "'first'", "[1]", "0.5"]]);
  await streams.define(`web.${name}`, sql, { maxRows });
  for (const [at, { into, rows }] of batches.entries()) {
    await open.commit(datasetPath(`web.${name}_${into}`), columns, rows);
    if (restarts.includes(at)) await streams.restart();
  }
  await streams.settle();
  await compare(streams, name, sql);
  const ref = await streams.open.datasets.get(datasetPath(`web.${name}`));
  const { different } = await streams.transforms.rebuild(ref, new AbortController().signal);
  if (different !== null) throw new Error(`${sql}\n${different.object}: ${different.reason}`);
  await streams.forget(`web.${name}`);
}

async function compare(streams: OpenStreams, name: string, sql: string): Promise<void> {
  const own = "COLUMNS(c -> c NOT IN ('offset', 'op', 'system_time', 'event_time'))";
  const [kept, full] = [`SELECT ${own} FROM web.${name}`, `SELECT ${own} FROM (${sql})`];
  const difference = `SELECT count(*) AS n FROM ((${kept} EXCEPT ALL ${full}) UNION ALL (${full} EXCEPT ALL ${kept}))`;
  const [differs, offsets, states] = await Promise.all([
    streams.rows(difference),
    streams.rows(`SELECT count(*) = coalesce(max("offset") + 1, 0) AS gap_free FROM web.${name}`),
    streams.open.datasets.get(datasetPath(`web.${name}`)).then(({ id }) => streams.transforms.state(id)),
  ]);
  const told = JSON.stringify({ differs, offsets, error: states?.error ?? null });
  if (told !== JSON.stringify({ differs: [{ n: 0 }], offsets: [{ gap_free: true }], error: null }))
    throw new Error(`${sql}\n${told}`);
}
