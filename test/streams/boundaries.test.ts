import { afterAll, beforeAll, expect, test } from "vitest";
import { datasetPath } from "../../src/base/index.ts";
import type { ObjectStore } from "../../src/storage/index.ts";
import { until } from "../kit/index.ts";
import { type OpenStreams, openStreams } from "./open.ts";

let streams: OpenStreams;
let made = 0;
const never = new AbortController().signal;
const columns = { event_time: "TIMESTAMPTZ", a: "BIGINT", b: "VARCHAR" } as const;
const at = (second: number, a: number, b: string) => [`make_timestamptz(${second * 1_000_000})`, String(a), b];

beforeAll(async () => {
  streams = await openStreams();
  await streams.open.commit(datasetPath("web.t"), columns, [at(1, 1, "'x'"), at(70, 2, "'y'"), at(5, 3, "'x'")]);
  await streams.open.commit(datasetPath("web.u"), columns, [at(1, 1, "'u'")]);
}, 60_000);
afterAll(() => streams[Symbol.asyncDispose]());

/**
 * A process that dies at its n-th change of the store, before or after it: from then on nothing that it does reaches the store, and no
 * answer reaches it. So it is with one that is killed there.
 */
class Mortal {
  changes = 0;
  hasDied = false;
  readonly #at: number;

  constructor(at: number) {
    this.#at = at;
  }

  store(of: ObjectStore): ObjectStore {
    return new Proxy(of, {
      get: (target, member) => {
        const value: unknown = Reflect.get(target, member, target);
        if (typeof value !== "function") return value;
        return (...given: unknown[]) => {
          if (this.hasDied) throw new Error("the process is dead");
          if (!changing.has(String(member))) return Reflect.apply(value, target, given);
          return this.#change(() => Reflect.apply(value, target, given));
        };
      },
    });
  }

  async #change(change: () => unknown): Promise<unknown> {
    if (++this.changes === this.#at) this.#die();
    const done = await change();
    if (++this.changes === this.#at) this.#die();
    return done;
  }

  #die(): never {
    this.hasDied = true;
    throw new Error("the process dies");
  }
}

const changing = new Set(["put", "putIfAbsent", "adopt", "delete"]);

const selects = {
  stateless: "SELECT a, upper(b) AS b FROM {t} WHERE a > 1",
  "windowed aggregate": `SELECT window_start, b, sum(a) AS s FROM tumble({t}, event_time, INTERVAL '1 minute') GROUP BY ALL`,
  "windowed aggregate, on close": `SELECT window_start, b, sum(a) AS s FROM tumble({t}, event_time, INTERVAL '1 minute') GROUP BY ALL
    EMIT ON CLOSE`,
  "keyed aggregate": "SELECT b, count(*) AS n, avg(a) AS m FROM {t} GROUP BY b",
  dedup: "SELECT DISTINCT b FROM {t}",
  "latest by key": "SELECT b, a FROM {t} QUALIFY row_number() OVER (PARTITION BY b ORDER BY event_time DESC) = 1",
  "window functions by key": "SELECT b, a, sum(a) OVER (PARTITION BY b ORDER BY event_time) AS s FROM {t}",
  "full refresh with diff": "SELECT t.b, count(*) AS n FROM {t} AS t JOIN web.u AS u ON t.a = u.a GROUP BY 1",
} as const;

/** What it was before another SELECT took its place. */
const former = "SELECT b FROM {t} WHERE a < 3";

test.each([
  ...Object.entries(selects).map(([mode, select]) => [mode, select, null] as const),
  ["swap", selects["keyed aggregate"], former] as const,
])(
  "%s: a run that dies at any change of the store is done once, as it was decided",
  async (_, select, before) => {
    let boundaries = 0;
    for (let boundary = 1; await isDoneAfter(boundary, select, before); boundary++) boundaries = boundary;
    // Decision, slice, statistics, block, log entry, and the decision's end; each before and after.
    expect(boundaries).toBeGreaterThanOrEqual(12);
  },
  240_000,
);

/** Whether the process died at all. */
async function isDoneAfter(boundary: number, select: string, before: string | null): Promise<boolean> {
  const input = `web.t${made}`;
  const name = `web.d${made++}`;
  const sql = select.replaceAll("{t}", input);
  await streams.open.commit(datasetPath(input), columns, [at(1, 1, "'x'"), at(70, 2, "'y'"), at(5, 3, "'x'")]);
  await streams.define(name, (before ?? select).replaceAll("{t}", input), before === null ? { paused: true } : {});
  await streams.settle();
  await streams.open.commit(datasetPath(input), columns, [at(2, 4, "'y'"), at(130, 5, "NULL"), at(3, 3, "'x'")]);
  await streams.settle();
  const path = datasetPath(name);
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
  const state = streams.transforms.state(id);
  expect({ boundary, error: state?.error }).toEqual({ boundary, error: null });
  const full = sql.replace("EMIT ON CLOSE", "");
  // Of the windows that close, the last has not.
  const closed = sql.includes("EMIT") ? " WHERE window_start < make_timestamptz(120000000)" : "";
  const own = "COLUMNS(c -> c NOT IN ('offset', 'op', 'system_time', 'event_time'))";
  const [kept, all] = [`SELECT ${own} FROM ${name}`, `SELECT ${own} FROM (${full})${closed}`];
  const differs = await streams.rows(`(${kept} EXCEPT ALL ${all}) UNION ALL (${all} EXCEPT ALL ${kept})`);
  const { different } = await streams.transforms.rebuild({ id, path }, never);
  expect({ boundary, differs, different }).toEqual({ boundary, differs: [], different: null });
  await streams.forget(name);
  return mortal.hasDied;
}
