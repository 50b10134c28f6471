import pg from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { datasetPath } from "../../src/base/index.ts";
import { fieldFromDuckdb, schemaWith } from "../../src/slices/index.ts";
import type { TransformRunRecord } from "../../src/streams/index.ts";
import { until } from "../kit/index.ts";
import { type OpenStreams, openStreams } from "./open.ts";

// A thousand definitions of which twenty are fed: what the others cost is nothing.

const inputs = 20;
const fed = 20;
const idle = 980;
const definedAtOnce = 4;
const rounds = 15;
const columns = { event_time: "TIMESTAMPTZ", a: "BIGINT", b: "VARCHAR" } as const;
const fields = [fieldFromDuckdb("a", "BIGINT"), fieldFromDuckdb("b", "VARCHAR")];
const row = (a: number) => ["make_timestamptz(1000000)", String(a), "'x'"];
const inputOf = (kind: "fed" | "idle", at: number) => `web.${kind}_input_${at % inputs}`;
const nameOf = (kind: "fed" | "idle", at: number) => `web.${kind}_${at}`;
const select = (input: string, at: number) =>
  at % 2 === 0
    ? `SELECT b, a + ${at} AS a FROM ${input} WHERE a > 0`
    : `SELECT b, count(*) AS n, sum(a) AS s FROM ${input} GROUP BY b`;

let streams: OpenStreams;
const ended: TransformRunRecord[] = [];
let told: () => void = () => {};
let operations: Operations;

beforeAll(async () => {
  streams = await openStreams({
    record: (run) => {
      ended.push(run);
      told();
    },
  });
  operations = new Operations(streams);
  for (let at = 0; at < inputs; at++) {
    await streams.open.commit(datasetPath(inputOf("fed", at)), columns, [row(at)]);
    // Without rows, so that nobody waits here for their first runs.
    await streams.open.datasets.create(datasetPath(inputOf("idle", at)), { schema: schemaWith(fields) });
  }
  for (let at = 0; at < fed; at++) await streams.define(nameOf("fed", at), select(inputOf("fed", at), at));
  await streams.settle();
}, 120_000);
afterAll(() => streams?.[Symbol.asyncDispose]());

type Counts = Record<"engine" | "store" | "sql", { all: number; ofIdle: number }>;

/** What the engine, the store and the database are asked for, and whether it names an idle definition or its input. */
class Operations {
  #seen: { readonly of: keyof Counts; readonly said: string }[] = [];

  constructor({ open }: OpenStreams) {
    const { pool } = open.pool;
    const { store } = open.identity.open;
    for (const name of [
      "script",
      "writeSlice",
      "query",
      "describe",
      "serialize",
      "deserialize",
      "hashes",
      "columnStatistics",
    ] as const)
      this.#watch("engine", pool, name, pool[name]);
    for (const name of ["put", "putIfAbsent", "adopt", "get", "stat", "settle", "list", "delete", "local"] as const)
      this.#watch("store", store, name, store[name]);
    this.#watch("sql", pg.Client.prototype, "query", pg.Client.prototype.query);
  }

  #watch(of: keyof Counts, target: object, name: string, real: (...given: never[]) => unknown): void {
    const see = (said: unknown) => void this.#seen.push({ of, said: JSON.stringify(said) });
    Object.defineProperty(target, name, {
      configurable: true,
      writable: true,
      value(this: unknown, ...given: never[]) {
        see(given[0]);
        return Reflect.apply(real, this, given);
      },
    });
  }

  /** Since they were last taken. */
  take(idleNames: ReadonlySet<string>): Counts {
    const counts: Counts = {
      engine: { all: 0, ofIdle: 0 },
      store: { all: 0, ofIdle: 0 },
      sql: { all: 0, ofIdle: 0 },
    };
    for (const { of, said } of this.#seen) {
      counts[of].all++;
      if (said.match(named)?.some((word) => idleNames.has(word))) counts[of].ofIdle++;
    }
    this.#seen = [];
    return counts;
  }
}

/** The key of a dataset's id, and the names of this test. */
const named = /fed01[0-9a-f]{64}|(?:fed|idle)_(?:input_)?\d+/g;

/** Names and keys of all that is idle. */
async function namesOfIdle(): Promise<ReadonlySet<string>> {
  const names = [
    ...Array.from({ length: idle }, (_, at) => nameOf("idle", at)),
    ...Array.from({ length: inputs }, (_, at) => inputOf("idle", at)),
  ];
  const refs = await Promise.all(names.map((name) => streams.open.datasets.get(datasetPath(name))));
  return new Set(refs.flatMap(({ id, path: { dataset } }) => [id.slice(id.lastIndexOf(":") + 1), dataset]));
}

/** Commits a row to each fed input in turn; the median of the times until the run of its derivative has ended. */
async function feed(): Promise<number> {
  const times: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const at = round % fed;
    const before = ended.length;
    const done = new Promise<void>((resolve) => {
      told = resolve;
    });
    await streams.open.commit(datasetPath(inputOf("fed", at)), columns, [row(round + 100)]);
    const startMs = performance.now();
    await done;
    times.push(performance.now() - startMs);
    expect(ended.slice(before).map(({ dataset, state }) => ({ dataset, state }))).toEqual([
      { dataset: nameOf("fed", at), state: "done" },
    ]);
    const { id } = await streams.open.datasets.get(datasetPath(nameOf("fed", at)));
    await until("its turns have ended", () => streams.transforms.state(id)?.state === "idle");
  }
  return times.toSorted((a, b) => a - b)[Math.floor(rounds / 2)] ?? Number.NaN;
}

async function defineIdle(): Promise<void> {
  const left = Array.from({ length: idle }, (_, at) => at).values();
  await Promise.all(
    Array.from({ length: definedAtOnce }, async () => {
      for (const at of left) await streams.define(nameOf("idle", at), select(inputOf("idle", at), at));
    }),
  );
  await streams.settle();
}

test("980 idle definitions add no operation to what 20 fed ones do", async () => {
  await feed(); // what is new to a process is done once
  operations.take(new Set());
  const fewMs = await feed();
  const few = operations.take(new Set());
  const startMs = performance.now();
  await defineIdle();
  const seconds = (performance.now() - startMs) / 1_000;
  const idleNames = await namesOfIdle();
  const defining = operations.take(idleNames);
  const manyMs = await feed();
  const many = operations.take(idleNames);

  process.stdout.write(
    `${idle} defined in ${seconds.toFixed(0)} s; from commit to run: ${fewMs.toFixed(0)} ms with ${fed} definitions, ` +
      `${manyMs.toFixed(0)} ms with ${fed + idle}: ratio ${(manyMs / fewMs).toFixed(2)}\n` +
      `operations of ${rounds} commits: ${JSON.stringify({ few, many })}\n`,
  );
  // What is watched is seen.
  for (const of of ["engine", "store", "sql"] as const) expect(defining[of].ofIdle).toBeGreaterThanOrEqual(idle);
  for (const of of ["engine", "store", "sql"] as const) expect(many[of].all).toBeGreaterThanOrEqual(rounds);
  expect([many.engine.ofIdle, many.store.ofIdle, many.sql.ofIdle]).toEqual([0, 0, 0]);
  expect(many.engine.all).toBeLessThanOrEqual(few.engine.all);
}, 240_000);
