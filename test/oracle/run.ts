import fc from "fast-check";
import { datasetPath } from "../../src/base/index.ts";
import { type OpenStreams, openStreams } from "../streams/open.ts";
import { type Case, casesOfHistory, columns, type History, history } from "./arbitraries.ts";

const never = new AbortController().signal;
/** Of this many histories one is made again from its inputs. */
const rebuiltOf = 4;

/** What was kept, by mode. */
export type Kept = Map<string, number>;

/**
 * Histories from a seed, of eight SELECTs each: what transforms have kept while their inputs came in batches, and processes were
 * restarted, against their SELECTs over everything at the end, by EXCEPT ALL in both directions. @throws the smallest history found
 * that differs
 */
export async function runCases({ cases, seed }: { readonly cases: number; readonly seed: number }): Promise<Kept> {
  await using streams = await openStreams();
  const kept: Kept = new Map();
  let made = 0;
  const holds = fc.asyncProperty(history, (one) => holdsFor(streams, one, made++, kept));
  await fc.assert(holds, { numRuns: Math.ceil(cases / casesOfHistory), seed, endOnFailure: true });
  return kept;
}

/** A SELECT with the names of its inputs. */
interface NamedCase {
  readonly name: string;
  readonly sql: string;
  readonly full: string;
  readonly key?: readonly string[];
}

async function holdsFor(streams: OpenStreams, one: History, at: number, kept: Kept): Promise<void> {
  const { batches, cases, restarts, maxRows } = one;
  const input = (name: string) => `web.h${at}_${name}`;
  const named = cases.flatMap((each, index) => namedCases(each, `web.h${at}_${index}`, input));
  // Both inputs are there, with their columns, before the transforms are.
  for (const name of ["t", "u"])
    await streams.open.commit(datasetPath(input(name)), columns, [
      ["make_timestamptz(1)", "0", "'first'", "[1]", "0.5"],
    ]);
  for (const { name, sql, key } of named)
    await streams.define(name, sql, { maxRows, ...(key === undefined ? {} : { key }) });
  for (const [index, { into, rows }] of batches.entries()) {
    await streams.open.commit(datasetPath(input(into)), columns, rows);
    if (restarts.includes(index)) await streams.restart();
  }
  await streams.settle();
  for (const each of named) await compare(streams, each, kept);
  if (at % rebuiltOf === 0) for (const { name, sql } of named) await rebuilt(streams, name, sql);
  for (const { name } of named.toReversed()) await streams.forget(name);
}

function namedCases(
  { select, full = select, over, key }: Case,
  name: string,
  input: (name: string) => string,
): NamedCase[] {
  const fill = (sql: string) => sql.replaceAll("{t}", input("t")).replaceAll("{u}", input("u"));
  const first = { name, sql: fill(select), full: fill(full), ...(key === undefined ? {} : { key }) };
  if (over === undefined) return [first];
  const second = (of: string) => fill(over.replaceAll("{d}", of));
  return [first, { name: `${name}_over`, sql: second(name), full: second(`(${first.full})`) }];
}

async function rebuilt(streams: OpenStreams, name: string, sql: string): Promise<void> {
  const ref = await streams.open.datasets.get(datasetPath(name));
  const { different } = await streams.transforms.rebuild(ref, never);
  if (different !== null) throw new Error(`${sql}\n${different.object}: ${different.reason}`);
}

async function compare(streams: OpenStreams, { name, sql, full }: NamedCase, counted: Kept): Promise<void> {
  const own = "COLUMNS(c -> c NOT IN ('offset', 'op', 'system_time', 'event_time'))";
  const [kept, all] = [`SELECT ${own} FROM ${name}`, `SELECT ${own} FROM (${full})`];
  const difference = `SELECT count(*) AS n FROM ((${kept} EXCEPT ALL ${all}) UNION ALL (${all} EXCEPT ALL ${kept}))`;
  const differs = await streams.rows(difference);
  const ref = await streams.open.datasets.get(datasetPath(name));
  const state = streams.transforms.state(ref.id);
  const mode = state?.mode ?? "";
  counted.set(mode, (counted.get(mode) ?? 0) + 1);
  const told = JSON.stringify({ differs, error: state?.error ?? null });
  if (told !== JSON.stringify({ differs: [{ n: 0 }], error: null })) throw new Error(`${mode}: ${sql}\n${told}`);
}
