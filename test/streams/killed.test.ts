import { fork } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { z } from "zod";
import { datasetPath, formatDatasetPath } from "../../src/base/index.ts";
import { type DeclaredTransform, modes } from "../../src/streams/index.ts";
import { type OpenStreams, openStreams } from "./open.ts";
import type { ProcessOrder } from "./process.ts";

// Processes that keep transforms and are killed, at every change that a run makes of the store and the database.

let streams: OpenStreams;
const never = new AbortController().signal;
beforeAll(async () => {
  streams = await openStreams({}, { threads: 1, maxQueued: 100 });
}, 60_000);
afterAll(() => streams[Symbol.asyncDispose]());

const columns = { event_time: "TIMESTAMPTZ", a: "BIGINT", b: "VARCHAR" } as const;
const at = (second: number, a: number, b: string) => [`make_timestamptz(${second * 1_000_000})`, String(a), b];

interface Kept {
  readonly sql: string;
  readonly key?: string[];
  /** What it is compared with, where that is not itself. */
  readonly full?: string;
}

const total = 'event_time DESC, "offset" DESC';
const tumbled = "SELECT window_start, b, sum(a) AS s FROM tumble(web.t, event_time, INTERVAL '1 minute')";
const kept: Readonly<Record<string, Kept>> = {
  stateless: { sql: "SELECT a, upper(b) AS b FROM web.t WHERE a > 1" },
  windowed: { sql: `${tumbled} GROUP BY ALL` },
  closing: {
    sql: `${tumbled} GROUP BY ALL EMIT ON CLOSE`,
    full: `${tumbled} WHERE window_end <= (SELECT max(event_time) FROM web.t) GROUP BY ALL`,
  },
  keyed: { sql: "SELECT b, count(*) AS n, avg(a) AS m FROM web.t GROUP BY b" },
  dedup: { sql: "SELECT DISTINCT b FROM web.t" },
  latest: { sql: `SELECT b, a FROM web.t QUALIFY row_number() OVER (PARTITION BY b ORDER BY ${total}) = 1` },
  by_key: {
    sql: "SELECT a, b FROM web.t",
    key: ["b"],
    full: `SELECT a, b FROM web.t QUALIFY row_number() OVER (PARTITION BY b ORDER BY ${total}) = 1`,
  },
  partitions: { sql: 'SELECT b, a, sum(a) OVER (PARTITION BY b ORDER BY event_time, "offset") AS s FROM web.t' },
  near: {
    sql: "SELECT t.a, u.b FROM web.t AS t JOIN web.u AS u ON t.a = u.a AND u.event_time BETWEEN t.event_time AND t.event_time + INTERVAL 1 MINUTE",
  },
  joined: { sql: "SELECT t.a, u.b FROM web.t AS t JOIN web.u AS u ON t.b = u.b" },
  looked_up: { sql: "SELECT t.a, v.a AS va FROM web.t AS t LEFT JOIN web.v AS v AT (TIMESTAMP => now()) ON t.b = v.b" },
  whole: { sql: "SELECT t.b, count(*) AS n FROM web.t AS t LEFT JOIN web.u AS u ON t.a = u.a GROUP BY 1" },
  over: { sql: "SELECT n, count(*) AS c FROM web.keyed GROUP BY n" },
};
/** Each round takes its former SELECT's place by the other one. */
const swapped = [
  "SELECT b, sum(a) AS n FROM web.t GROUP BY b",
  "SELECT b, count(*)::HUGEINT AS n FROM web.t GROUP BY b",
];
/** Most changes that one of them makes in a round. */
const mostChanges = 30;

const declared = (name: string, { sql, key }: Kept): DeclaredTransform => ({
  path: datasetPath(name),
  sql,
  paused: false,
  ...(key === undefined ? {} : { key }),
});

/** Rows of a round lie behind those of the rounds before: none is late for windows that have closed. */
async function commitRound(round: number): Promise<void> {
  const from = round * 120;
  await streams.open.commit(datasetPath("web.u"), columns, [at(from + 20, 4, "'x'")]);
  await streams.open.commit(datasetPath("web.t"), columns, [
    at(from + 2, 4, "'y'"),
    at(from + 70, round % 5, "NULL"),
    at(from + 3, 3, "'x'"),
  ]);
}

test("a process that is killed at any change that a run makes leaves what the next one ends", async () => {
  for (const name of ["web.t", "web.u", "web.v"])
    await streams.open.commit(datasetPath(name), columns, [at(1, 1, "'x'"), at(70, 2, "'y'"), at(5, 3, "'x'")]);
  await streams.define("web.swapped", swapped.at(-1) ?? "");
  for (const [name, { sql, key }] of Object.entries(kept))
    await streams.define(`web.${name}`, sql, key === undefined ? {} : { key });
  await streams.settle();
  let survived = 0;
  for (let hasDied = true; hasDied && survived < mostChanges; survived++) {
    const all = { ...kept, swapped: { sql: swapped[survived % 2] ?? "" } };
    await streams.stop();
    await commitRound(survived + 1);
    hasDied = await diesBehind(survived, all);
    await streams.restart([declared("web.swapped", all.swapped)]);
    await streams.settle();
    expect({ survived, differs: await differences(all) }).toEqual({ survived, differs: [] });
  }
  process.stdout.write(
    `processes were killed behind 0 to ${survived - 2} changes of each of ${Object.keys(kept).length + 1} transforms\n`,
  );
  // Decision, slice, statistics, block, log entry, head, index, the decision's end; before them what says a SELECT anew.
  expect(survived).toBeGreaterThanOrEqual(8);
  expect(survived).toBeLessThan(mostChanges);
  const reached = new Set<string>();
  for (const name of [...Object.keys(kept), "swapped"]) {
    const ref = await streams.open.datasets.get(datasetPath(`web.${name}`));
    reached.add(streams.transforms.state(ref.id)?.mode ?? "");
    const { different } = await streams.transforms.rebuild(ref, never);
    expect({ name, different }).toEqual({ name, different: null });
  }
  expect([...reached].toSorted()).toEqual(modes.toSorted());
}, 240_000);

/** Has a process of its own keep all of them; whether it was killed behind so many changes of each, or had no more to do. */
async function diesBehind(changes: number, all: Readonly<Record<string, Kept>>): Promise<boolean> {
  const child = startProcess("mortal-process.ts", [await orderOf(all, 1_000), String(changes)]);
  const [code, signal] = await once(child, "exit");
  if (code !== 0 && signal !== "SIGKILL") throw new Error(`a process ended with ${code ?? signal}`);
  return signal === "SIGKILL";
}

/** The order of a process that keeps them. */
async function orderOf(all: Readonly<Record<string, Kept>>, maxRows: number): Promise<string> {
  const { identity } = streams.open;
  const transforms = await Promise.all(
    Object.entries(all).map(async ([name, { sql, key }]) => {
      const { id } = await streams.open.datasets.get(datasetPath(`web.${name}`));
      return { id, name: `web.${name}`, sql, maxRows, ...(key === undefined ? {} : { key }) };
    }),
  );
  const order: ProcessOrder = {
    objects: path.join(identity.open.folder, "objects"),
    work: path.join(identity.open.folder, "work"),
    postgresUrl: identity.open.database.url,
    transforms,
  };
  return JSON.stringify(order);
}

const startProcess = (file: string, given: readonly string[]) =>
  fork(path.join(import.meta.dirname, file), given, { execArgv: [] });

const racing = {
  rows: { sql: "SELECT a, b FROM web.r" },
  sums: { sql: "SELECT b, sum(a) AS s FROM web.r GROUP BY b" },
};
const racedBatches = 15;

test("of two processes that race for a transform over many batches, one commits each run, and each batch is read once", async () => {
  await streams.open.commit(datasetPath("web.r"), columns, [at(1, 1, "'r'")]);
  for (const [name, { sql }] of Object.entries(racing)) await streams.define(`web.${name}`, sql, { maxRows: 1 });
  await streams.settle();
  const { datasets } = streams.open;
  const refs = await Promise.all(Object.keys(racing).map((name) => datasets.get(datasetPath(`web.${name}`))));
  const { id: input } = await datasets.get(datasetPath("web.r"));
  const before = await Promise.all(refs.map(async ({ id }) => (await datasets.head(id)).seq));
  await streams.stop();
  const order = await orderOf(racing, 1);
  const processes = [0, 1].map(() => startProcess("race-process.ts", [order]));
  const ran: { dataset: string; seq: number }[][] = [[], []];
  const { promise: allRan, resolve } = Promise.withResolvers<void>();
  for (const [index, child] of processes.entries())
    child.on("message", (message) => {
      const run = ranShape.safeParse(message);
      if (run.success) ran[index]?.push(run.data);
      if (new Set(ran.flat().map(nameOfRun)).size === racedBatches * refs.length) resolve();
    });
  await Promise.all(processes.map((child) => once(child, "message")));
  for (let batch = 0; batch < racedBatches; batch++) {
    await streams.open.commit(datasetPath("web.r"), columns, [at(10_000 + batch, batch, "'r'")]);
    for (const child of processes) child.send(input);
  }
  await allRan;
  for (const child of processes) child.disconnect();
  await Promise.all(processes.map((child) => once(child, "exit")));
  for (const { id } of refs) await datasets.refresh(id, never);
  await streams.restart();
  await streams.settle();
  expect(await differences(racing)).toEqual([]);
  for (const [index, { id, path: name }] of refs.entries()) {
    const from = (before[index] ?? 0) + 1;
    const expected = Array.from({ length: racedBatches }, (_, batch) => from + batch);
    // Behind the last batch nothing came: no run was done twice.
    expect((await datasets.head(id)).seq).toBe(expected.at(-1));
    // Both may tell of one: they make the same block of one decision, and it is there once.
    const told = new Set(ran.flat().map(nameOfRun));
    expect(expected.filter((seq) => !told.has(nameOfRun({ dataset: formatDatasetPath(name), seq })))).toEqual([]);
  }
  const shares = ran.map((runs) => runs.length);
  process.stdout.write(`of ${racedBatches * refs.length} runs the two processes told of ${shares.join(" and ")}\n`);
  expect(Math.min(...shares)).toBeGreaterThan(0);
}, 60_000);

const leaseMs = 6_000;

test("of two processes with leases one does all runs; when it is killed, the other goes on where it stopped", async () => {
  const led = { led: { sql: "SELECT b, sum(a) AS s FROM web.l GROUP BY b" } };
  await streams.open.commit(datasetPath("web.l"), columns, [at(1, 1, "'l'")]);
  await streams.define("web.led", led.led.sql);
  await streams.settle();
  const { id: input } = await streams.open.datasets.get(datasetPath("web.l"));
  const { id } = await streams.open.datasets.get(datasetPath("web.led"));
  await streams.stop();
  const order = await orderOf(led, 1_000);
  const processes = [0, 1].map(() => startProcess("race-process.ts", [order, String(leaseMs)]));
  await Promise.all(processes.map((child) => once(child, "message")));
  const runOf = async (batch: number) => {
    const heard = new AbortController();
    const alive = processes.filter((child) => child.connected);
    const told = alive.map(async (child) => {
      await once(child, "message", { signal: heard.signal });
      return child;
    });
    const first = Promise.race(told);
    void Promise.allSettled(told);
    await streams.open.commit(datasetPath("web.l"), columns, [at(2 + batch, batch, "'l'")]);
    for (const child of alive) child.send(input);
    return await first.finally(() => heard.abort());
  };
  const first = await runOf(0);
  for (let batch = 1; batch < racedBatches; batch++) expect((await runOf(batch)).pid).toBe(first.pid);
  first.kill("SIGKILL");
  await once(first, "exit");
  const next = await runOf(racedBatches);
  expect(next.pid).not.toBe(first.pid);
  next.disconnect();
  await once(next, "exit");
  await streams.open.datasets.refresh(id, never);
  await streams.restart();
  await streams.settle();
  expect(await differences(led)).toEqual([]);
}, 60_000);

const nameOfRun = ({ dataset, seq }: { dataset: string; seq: number }) => `${dataset} ${seq}`;
const ranShape = z.object({ dataset: z.string(), seq: z.number() });

const differing = z.array(z.object({ name: z.string(), n: z.number() }));

/** Of which of them the result is another than its SELECT's, or the last run failed. */
async function differences(all: Readonly<Record<string, Kept>>): Promise<unknown[]> {
  const own = "COLUMNS(c -> c NOT IN ('offset', 'op', 'system_time', 'event_time'))";
  const counts = Object.entries(all).map(([name, { sql, full = sql }]) => {
    const both = `WITH k AS (SELECT ${own} FROM web.${name}), f AS (SELECT ${own} FROM (${full}))`;
    return `SELECT '${name}' AS name, (${both} SELECT count(*) FROM ((FROM k EXCEPT ALL FROM f) UNION ALL (FROM f EXCEPT ALL FROM k))) AS n`;
  });
  const found = differing.parse(await streams.rows(counts.join(" UNION ALL ")));
  const refs = await Promise.all(Object.keys(all).map((name) => streams.open.datasets.get(datasetPath(`web.${name}`))));
  const errors = refs.flatMap(({ id }) => streams.transforms.state(id)?.error ?? []);
  return [...found.filter(({ n }) => n !== 0), ...errors];
}
