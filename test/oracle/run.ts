import fc from "fast-check";
import { z } from "zod";
import { datasetPath } from "../../src/base/index.ts";
import { type OpenStreams, openStreams } from "../streams/open.ts";
import { type Case, casesOfHistory, columns, type History, history } from "./arbitraries.ts";

const never = new AbortController().signal;
/** Of this many histories one is made again from its inputs. */
const rebuiltOf = 8;
const atOnce = 4;
/** For a handful of rows: another thread would cost more than it does. */
const workers = { minWorkers: 1, maxWorkers: 2, threads: 1, maxQueued: 64 };

/** What was kept, by mode. */
export type Kept = Map<string, number>;

/**
 * Histories from a seed, of sixteen SELECTs each: what transforms have kept while their inputs came in batches, and processes were
 * restarted, against their SELECTs over everything at the end, by EXCEPT ALL in both directions. @throws the smallest history found
 * that differs
 */
export async function runCases({
  cases,
  seed,
  into,
}: {
  readonly cases: number;
  readonly seed: number;
  /** Plants a bug. */
  readonly into?: (streams: OpenStreams) => void;
}): Promise<Kept> {
  await using streams = await openStreams({}, workers);
  into?.(streams);
  const kept: Kept = new Map();
  let made = 0;
  const compared = () => [...kept.values()].reduce((sum, count) => sum + count, 0);
  // Some cases are two results.
  const holds = fc.asyncProperty(history, async (one) => {
    if (compared() < cases) await holdsFor(streams, one, made++, kept);
  });
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
  const { batches, lookedUp, cases, restarts, maxRows } = one;
  const input = (name: string) => `web.h${at}_${name}`;
  const named = cases.map((each, index) => namedCases(each, `web.h${at}_${index}`, input));
  // The inputs are there, with their columns, before the transforms are.
  const first = [["make_timestamptz(1)", "0", "'first'", "[1]", "0.5"]];
  for (const [name, rows] of Object.entries({ t: first, u: first, v: lookedUp }))
    await streams.open.commit(datasetPath(input(name)), columns, rows);
  const define = async ({ name, sql, key }: NamedCase) =>
    await streams.define(name, sql, { maxRows, ...(key === undefined ? {} : { key }) });
  await inTurns(named, async (some) => {
    for (const each of some) await define(each);
  });
  for (const [index, { into, rows, isAlone }] of batches.entries()) {
    await streams.open.commit(datasetPath(input(into)), columns, rows);
    if (isAlone) await streams.settle();
    if (restarts.includes(index)) await streams.restart();
  }
  await streams.settle();
  await compare(streams, named.flat(), kept);
  if (at % rebuiltOf === 0) await inTurns(named.flat(), ({ name, sql }) => rebuilt(streams, name, sql));
  await inTurns(named, async (some) => {
    for (const { name } of some.toReversed()) await streams.forget(name);
  });
}

/** Each once, a few at the same time. */
async function inTurns<One>(all: readonly One[], work: (one: One) => Promise<void>): Promise<void> {
  const waiting = all.values();
  const worker = async () => {
    for (const one of waiting) await work(one);
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
}

function namedCases(
  { select, full = select, over, key }: Case,
  name: string,
  input: (name: string) => string,
): NamedCase[] {
  const fill = (sql: string) =>
    sql.replaceAll("{t}", input("t")).replaceAll("{u}", input("u")).replaceAll("{v}", input("v"));
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

/** All of a history in one statement. */
async function compare(streams: OpenStreams, named: readonly NamedCase[], counted: Kept): Promise<void> {
  const differs = differing.parse(await streams.rows(named.map(differenceSql).join(" UNION ALL ")));
  for (const [at, { name, sql }] of named.entries()) {
    const ref = await streams.open.datasets.get(datasetPath(name));
    const state = streams.transforms.state(ref.id);
    const mode = state?.mode ?? "";
    counted.set(mode, (counted.get(mode) ?? 0) + 1);
    const told = { rows: differs.find((one) => one.at === at)?.n, error: state?.error ?? null };
    if (told.rows !== 0 || told.error !== null) throw new Error(`${mode}: ${sql}\n${JSON.stringify(told)}`);
  }
}

const differing = z.array(z.object({ at: z.number(), n: z.number() }));

function differenceSql({ name, full }: NamedCase, at: number): string {
  const own = "COLUMNS(c -> c NOT IN ('offset', 'op', 'system_time', 'event_time'))";
  const [kept, all] = [`SELECT ${own} FROM ${name}`, `SELECT ${own} FROM (${full})`];
  const both = `WITH k AS MATERIALIZED (${kept}), f AS MATERIALIZED (${all})`;
  return `SELECT ${at} AS at, (${both} SELECT count(*) FROM ((FROM k EXCEPT ALL FROM f) UNION ALL (FROM f EXCEPT ALL FROM k))) AS n`;
}
