import { afterAll, beforeAll, expect, test } from "vitest";
import { datasetPath } from "../../src/base/index.ts";
import { fieldFromDuckdb, schemaWith } from "../../src/slices/index.ts";
import { systemColumns } from "../../src/telemetry/index.ts";
import { until } from "../kit/index.ts";
import { Mortal } from "./mortal.ts";
import { type OpenStreams, openStreams } from "./open.ts";

let streams: OpenStreams;
let made = 0;
const columns = { event_time: "TIMESTAMPTZ", a: "BIGINT", b: "VARCHAR" } as const;
const at = (second: number, a: number, b = "'x'") => [`make_timestamptz(${second * 1_000_000})`, String(a), b];

beforeAll(async () => {
  streams = await openStreams({ lateRows: datasetPath("web.late_rows") });
  const fields = systemColumns["system.late_rows"].map(({ name, type }) => fieldFromDuckdb(name, type));
  await streams.open.datasets.create(datasetPath("web.late_rows"), { schema: schemaWith(fields) });
}, 60_000);
afterAll(() => streams[Symbol.asyncDispose]());

const late = (name: string) =>
  streams.rows(
    `SELECT input, row_offset, epoch(event_time)::INTEGER AS s, epoch(window_end)::INTEGER AS e, epoch(watermark)::INTEGER AS w, "row"->>'b' AS b, seq
     FROM web.late_rows WHERE dataset = '${name}' ORDER BY "offset"`,
  ) as Promise<unknown[]>;

const onClose = (windows: string) =>
  `SELECT window_start, count(*) AS n FROM ${windows} GROUP BY 1 EMIT ON CLOSE LATENESS '5 seconds'`;

test("rows that came too late are kept with what they missed, each once, whoever takes over", async () => {
  const input = "web.rows";
  const commit = (...rows: readonly (readonly string[])[]) => streams.open.commit(datasetPath(input), columns, rows);
  await commit(at(10, 1), at(130, 2));
  await streams.define("web.tumbled", onClose(`tumble(${input}, event_time, INTERVAL '1 minute')`));
  await streams.define("web.hopped", onClose(`hop(${input}, event_time, INTERVAL '1 minute', INTERVAL '2 minutes')`));
  await streams.settle();
  await commit(at(20, 3, "'late'"), at(125, 4), at(70, 5, "NULL"), at(300, 6));
  await streams.settle();
  await streams.restart();
  await streams.settle();
  await commit(at(310, 7));
  await commit(at(200, 8, "'日本'"));
  await streams.settle();
  const [row, next] = [
    { input, row_offset: 2, s: 20, e: 60, w: 125, b: "late" },
    { input, row_offset: 4, s: 70, e: 120, w: 125, b: null },
  ];
  const last = { input, row_offset: 7, s: 200, e: 240, w: 305, b: "日本" };
  const ofRun = { seq: expect.any(Number) };
  expect(await late("web.tumbled")).toEqual([row, next, last].map((one) => ({ ...one, ...ofRun })));
  // Of two windows, one had not ended for the second: it missed the other.
  expect(await late("web.hopped")).toEqual(
    [{ ...row, e: 120 }, next, { ...last, e: 300 }].map((one) => ({ ...one, ...ofRun })),
  );
  const runs = streams.runs.filter(({ dataset }) => dataset === "web.tumbled");
  const told = (await late("web.tumbled")) as { seq: number }[];
  expect(told.map(({ seq }) => seq)).toEqual(runs.flatMap(({ seq, late: rows }) => rows.map(() => seq)));
}, 60_000);

test("a process that dies at any change of the store leaves each late row once", async () => {
  let boundaries = 0;
  for (let boundary = 1; await isDoneAfter(boundary); boundary++) boundaries = boundary;
  // Those of a run, and slice, statistics, block and log entry of the late rows; each before and after.
  expect(boundaries).toBeGreaterThanOrEqual(18);
}, 300_000);

/** Whether the process died at all. */
async function isDoneAfter(boundary: number): Promise<boolean> {
  const input = `web.i${made}`;
  const name = `web.d${made++}`;
  const sql = onClose(`tumble(${input}, event_time, INTERVAL '1 minute')`);
  await streams.open.commit(datasetPath(input), columns, [at(10, 1), at(200, 2)]);
  await streams.define(name, sql);
  await streams.settle();
  const path = datasetPath(name);
  await streams.declare({ path, sql, paused: true });
  await streams.open.commit(datasetPath(input), columns, [at(20, 3, "'late'"), at(210, 4), at(30, 5, "'too'")]);
  const { id } = await streams.open.datasets.get(path);
  const mortal = new Mortal(boundary);
  {
    await using dying = await streams.beside((store) => mortal.store(store));
    await dying.transforms.keep({ path, sql, paused: false }).catch(() => {});
    const ended = new Set(["idle", "failing"]);
    await until("it has died, or has nothing to do", async () => {
      const state = dying.transforms.state(id);
      return mortal.hasDied || (state !== null && ended.has(state.state));
    });
  }
  await streams.declare({ path, sql, paused: false });
  await streams.settle();
  // One more run, of who takes over.
  await streams.open.commit(datasetPath(input), columns, [at(40, 6, "'last'")]);
  await streams.settle();
  expect({ boundary, error: streams.transforms.state(id)?.error }).toEqual({ boundary, error: null });
  const offsets = ((await late(name)) as { row_offset: number }[]).map(({ row_offset }) => row_offset);
  expect({ boundary, offsets }).toEqual({ boundary, offsets: [2, 4, 5] });
  await streams.forget(name);
  return mortal.hasDied;
}

test("processes that race keep each late row once", async () => {
  await streams.open.commit(datasetPath("web.raced"), columns, [at(10, 0), at(200, 0)]);
  const path = datasetPath("web.race");
  const sql = onClose("tumble(web.raced, event_time, INTERVAL '1 minute')");
  await streams.define("web.race", sql);
  await streams.settle();
  await using other = await streams.beside((store) => store);
  await other.transforms.keep({ path, sql, paused: false });
  const { id } = await streams.open.datasets.get(datasetPath("web.raced"));
  for (let a = 1; a <= 8; a++) {
    await streams.open.commit(datasetPath("web.raced"), columns, [at(a, a, `'${a}'`)]);
    other.transforms.committed({ datasetId: id });
  }
  await until("all are kept", async () => (await late("web.race")).length >= 8);
  await streams.settle();
  const kept = (await late("web.race")) as { row_offset: number }[];
  expect(kept.map(({ row_offset }) => row_offset)).toEqual([2, 3, 4, 5, 6, 7, 8, 9]);
}, 60_000);
