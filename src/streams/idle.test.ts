import fc from "fast-check";
import { afterEach, describe, expect, test } from "vitest";
import { type FakeClock, fakeClock, until } from "../../test/kit/index.ts";
import { type OpenStreams, openStreams } from "../../test/streams/open.ts";
import { datasetPath, type Instant, instant } from "../base/index.ts";
import type { WindowShape } from "../compiler/index.ts";
import { type IdleInput, idlingOf } from "./idle.ts";

const minute = 60_000;
const never = new AbortController().signal;
const columns = { event_time: "TIMESTAMPTZ", k: "BIGINT" } as const;

/** Model: rows and commits by the minute, windows by hand. */
describe("what the clock closes", () => {
  const shapes: readonly WindowShape[] = [
    { kind: "tumble", sizeMs: 10_000 },
    { kind: "hop", sizeMs: 30_000, slideMs: 10_000 },
    { kind: "session", gapMs: 16_000, partition: [] },
  ];
  const input = fc.record({
    lastAt: fc.integer({ min: 0, max: 200_000 }).map(instant),
    row: fc.option(fc.integer({ min: -100_000, max: 300_000 }).map(instant)),
    isReadWhole: fc.boolean(),
  });

  test("is all that is open, in so many turns, never before an input was idle, and then nothing more is due", () => {
    const property = fc.property(
      fc.array(input, { minLength: 1, maxLength: 3 }),
      fc.constantFrom(...shapes),
      fc.integer({ min: 0, max: 20_000 }),
      fc.integer({ min: 1_000, max: 60_000 }),
      (given, window, latenessMs, idleMs) => {
        const inputs: IdleInput[] = given.map(({ lastAt, row }) => ({
          lastAt,
          watermark: row,
          latestRow: row,
          isReadWhole: true,
        }));
        const emit = { latenessMs, idleMs };
        let now: Instant = instant(Math.max(...inputs.map(({ lastAt }) => lastAt)));
        let before: Instant | null = null;
        let turns = 0;
        for (;;) {
          const idling = idlingOf(inputs, { window, emit, before, now });
          if (idling.closes) {
            // What is not idle yet holds it back.
            for (const { lastAt, watermark } of inputs)
              if (now - lastAt < idleMs)
                expect(idling.watermark).toBeLessThanOrEqual(
                  Math.max((watermark ?? -1e15) - latenessMs, before ?? -1e15),
                );
            expect(idling.watermark).toBeLessThanOrEqual(
              Math.max(now - latenessMs, before ?? -1e15, ...inputs.map(({ watermark }) => watermark ?? -1e15)),
            );
            before = idling.watermark;
          } else if (idling.dueAt === null) break;
          else {
            expect(idling.dueAt).toBeGreaterThan(now);
            now = idling.dueAt;
          }
          expect(++turns).toBeLessThan(500);
        }
        const rows = inputs.map(({ latestRow }) => latestRow).filter((one) => one !== null);
        const open = rows.some((row) => !isClosed(window, row, before));
        expect(open).toBe(false);
      },
    );
    fc.assert(property, { numRuns: 500, seed: 11 });
  });

  function isClosed(window: WindowShape, row: number, watermark: Instant | null): boolean {
    if (watermark === null) return false;
    const by = (step: number) => Math.floor(row / step) * step;
    if (window.kind === "tumble") return by(window.sizeMs) + window.sizeMs <= watermark;
    if (window.kind === "hop") return by(window.slideMs) + window.sizeMs <= watermark;
    return row + window.gapMs <= watermark;
  }

  test("an input that has more to read is not idle", () => {
    const one = { lastAt: instant(0), watermark: instant(5_000), latestRow: instant(5_000) };
    const about = {
      window: shapes[0] as WindowShape,
      emit: { latenessMs: 0, idleMs: 1_000 },
      before: null,
      now: instant(90_000),
    };
    expect(idlingOf([{ ...one, isReadWhole: false }], about).watermark).toBe(5_000);
    expect(idlingOf([{ ...one, isReadWhole: true }], about).watermark).toBe(90_000);
  });
});

describe("EMIT ON CLOSE ... IDLE", () => {
  let streams: OpenStreams;
  let clock: FakeClock;
  afterEach(() => streams?.[Symbol.asyncDispose]());

  const commit = (name: string, ...times: readonly number[]) =>
    streams.open.commit(
      datasetPath(`web.${name}`),
      columns,
      times.map((ms) => [`make_timestamptz(${ms * 1_000})`, "1"]),
      [],
      clock.now(),
    );
  /** Behind the machine's time, by which datasets are made; at the same second of a minute whenever this is run. */
  const later = () => fakeClock((Math.floor(Date.now() / minute) + 60) * minute + 50_000);
  const refOf = (name: string) => streams.open.datasets.get(datasetPath(`web.${name}`));
  const windows = async (name: string, base: number) => {
    const rows = await streams.rows(`SELECT epoch_ms(window_start) AS s, n FROM web.${name} ORDER BY 1`);
    return (rows as { s: number; n: number }[]).map(({ s, n }) => [(s - base) / minute, n]);
  };
  const stateOf = async (name: string) => streams.transforms.state((await refOf(name)).id);

  test("tells of the last windows while no rows come, across a restart, and costs nothing once all are closed", async () => {
    clock = later();
    streams = await openStreams({ clock });
    const base = Math.floor(clock.now() / minute) * minute - 10 * minute;
    await commit("t", base + 1_000, base + 61_000, base + 62_000);
    const sql = "SELECT window_start, count(*) AS n FROM tumble(web.t, event_time, INTERVAL '1 minute') GROUP BY 1";
    await streams.define("web.d", `${sql} EMIT ON CLOSE LATENESS '10 seconds' IDLE '1 minute'`);
    await streams.settle();
    expect(await windows("d", base)).toEqual([]);
    expect(clock.pending).toBe(1);
    await clock.advance(59_000);
    await streams.settle();
    expect(await windows("d", base)).toEqual([]);
    // A server that has just begun to look has not seen its input idle.
    await streams.restart();
    await streams.settle();
    expect(clock.pending).toBe(1);
    await clock.advance(59_000);
    await streams.settle();
    expect(await windows("d", base)).toEqual([]);
    const before = clock.now();
    await clock.advance(1_000);
    await until("the windows are told of", async () => (await windows("d", base)).length > 0);
    await streams.settle();
    expect(await windows("d", base)).toEqual([
      [0, 1],
      [1, 2],
    ]);
    expect((await stateOf("d"))?.watermark).toBe(before + 1_000 - 10_000);
    expect(clock.pending).toBe(0);
    const runs = streams.runs.length;
    await clock.advance(60 * minute);
    await streams.settle();
    expect(streams.runs.length).toBe(runs);
    // Rows of windows that the clock has closed come too late, and others are told of when their time comes.
    const newest = clock.now();
    await commit("t", base + 63_000, newest);
    await streams.settle();
    expect(streams.runs.at(-1)).toMatchObject({ rowsLate: 1 });
    expect(clock.pending).toBe(1);
    await clock.advance(3 * minute);
    await until("the window is told of", async () => (await windows("d", base)).length > 2);
    await streams.settle();
    expect(clock.pending).toBe(0);
    expect(await streams.transforms.rebuild(await refOf("d"), never)).toMatchObject({ different: null });
    const told = `SELECT s, n FROM (${sql.replace("window_start,", "window_start AS s,")}) WHERE s <> make_timestamptz(${(base + minute) * 1000})`;
    const kept = `SELECT window_start AS s, n FROM web.d WHERE s <> make_timestamptz(${(base + minute) * 1000})`;
    expect(await streams.rows(`(${kept} EXCEPT ALL ${told}) UNION ALL (${told} EXCEPT ALL ${kept})`)).toEqual([]);
  }, 60_000);

  test("an input that brings nothing holds those of the others open no longer, and sessions and hops close step by step", async () => {
    clock = later();
    streams = await openStreams({ clock });
    const base = Math.floor(clock.now() / minute) * minute;
    await commit("a", base, base + 20_000);
    await commit("b", base - minute);
    const union = "SELECT event_time, k FROM web.a UNION ALL SELECT event_time, k FROM web.b";
    await streams.define("web.fed", `${union} EMIT CHANGES IDLE '30 seconds'`);
    const tumble =
      "SELECT window_start, count(*) AS n FROM tumble(web.fed, event_time, INTERVAL '1 minute') GROUP BY 1";
    await streams.define("web.union", `${tumble} EMIT ON CLOSE`);
    const session = "session(web.a, event_time, INTERVAL '1 minute', k)";
    await streams.define(
      "web.session",
      `SELECT k, window_start, count(*) AS n FROM ${session} GROUP BY ALL EMIT ON CLOSE IDLE '30 seconds'`,
    );
    const hop = "hop(web.a, event_time, INTERVAL '30 seconds', INTERVAL '2 minutes')";
    await streams.define(
      "web.hop",
      `SELECT window_start, count(*) AS n FROM ${hop} GROUP BY 1 EMIT ON CLOSE IDLE '30 seconds'`,
    );
    await streams.settle();
    expect(clock.pending).toBe(2);
    // `a` goes on, and `b` has not been idle for long enough.
    await clock.advance(20_000);
    await commit("a", base + 70_000);
    await streams.settle();
    expect(await windows("union", base)).toEqual([]);
    await clock.advance(10_000);
    await commit("a", base + 71_000);
    await streams.settle();
    expect((await stateOf("fed"))?.watermark).toBe(base + 71_000);
    expect(await windows("union", base)).toEqual([
      [-1, 1],
      [0, 2],
    ]);
    for (let turns = 0; clock.pending > 0; turns++) {
      expect(turns).toBeLessThan(100);
      await clock.advance(15_000);
      await streams.settle();
    }
    expect(await windows("session", base)).toEqual([[0, 4]]);
    expect((await windows("hop", base)).map(([start]) => start)).toEqual([-1.5, -1, -0.5, 0, 0.5, 1]);
    expect(streams.runs.filter(({ dataset }) => dataset === "web.hop").length).toBeGreaterThan(3);
    for (const name of ["fed", "union", "session", "hop"])
      expect(await streams.transforms.rebuild(await refOf(name), never)).toMatchObject({ different: null });
  }, 60_000);

  test("rows that wait to be committed are of their windows, though the clock would have closed these", async () => {
    clock = later();
    let waiting: number | null = null;
    const flush = async () => {
      if (waiting === null) return;
      const time = waiting;
      waiting = null;
      await commit("w", time);
    };
    streams = await openStreams({ clock, flush });
    const base = Math.floor(clock.now() / minute) * minute - 10 * minute;
    await commit("w", base + 1_000);
    const sql = "SELECT window_start, count(*) AS n FROM tumble(web.w, event_time, INTERVAL '1 minute') GROUP BY 1";
    await streams.define("web.e", `${sql} EMIT ON CLOSE IDLE '1 minute'`);
    await streams.settle();
    waiting = base + 2_000;
    await clock.advance(minute);
    await until("the row is committed", () => waiting === null);
    await streams.settle();
    expect(await windows("e", base)).toEqual([]);
    await clock.advance(minute);
    await until("the window is told of", async () => (await windows("e", base)).length > 0);
    expect(await windows("e", base)).toEqual([[0, 2]]);
    expect(streams.runs.reduce((sum, { rowsLate }) => sum + rowsLate, 0)).toBe(0);
  }, 60_000);

  test("is refused where no window closes", async () => {
    clock = later();
    streams = await openStreams();
    await commit("t", 1);
    const check = (sql: string) => streams.transforms.check({ sql }, never);
    await expect(
      check(
        "SELECT window_start, count(*) AS n FROM tumble(web.t, event_time, INTERVAL '1 minute') GROUP BY 1 EMIT CHANGES IDLE '1 minute'",
      ),
    ).rejects.toMatchObject({
      code: "sql_unsupported",
      message: expect.stringContaining("holds windows or other inputs back"),
    });
  });
});
