import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { until } from "../../test/kit/index.ts";
import { type OpenQueries, openQueries, pathOf, requestOf, rowsOf } from "../../test/queries/open.ts";
import { MillraceError, silentTelemetry, systemClock, systemRandom } from "../base/index.ts";
import { Datasets } from "../datasets/index.ts";
import type { ObjectStore } from "../storage/index.ts";
import type { Queries } from "./index.ts";

/** A server whose store is far away: a look at it waits until it is let through. Another server commits meanwhile. */
let open: OpenQueries;
let far: Queries;
let looks: Promise<unknown> = Promise.resolve();
let runs = 0;
const left = new Set<object>();
const columns = { n: "INTEGER" };
const path = pathOf("far");
const sql = "SELECT count(*) AS n FROM web.far";
const signal = AbortSignal.timeout(60_000);
const ask = () => rowsOf(far.run(requestOf(sql, open.owner), signal));

beforeAll(async () => {
  open = await openQueries();
  const { store, database } = open.identity.open;
  const farStore: ObjectStore = new Proxy(store, {
    get(target, name) {
      const member: unknown = Reflect.get(target, name);
      if (typeof member !== "function") return member;
      if (name !== "stat") return member.bind(target);
      return async (key: string) => {
        await new Promise((resolve) => setImmediate(resolve));
        await looks;
        return await target.stat(key);
      };
    },
  });
  const datasets = new Datasets({
    store: farStore,
    sql: database.sql,
    slices: open.pool.pool,
    clock: systemClock,
    random: systemRandom,
    telemetry: silentTelemetry,
    announce: async () => {},
  });
  const engine: typeof open.pool.pool = new Proxy(open.pool.pool, {
    get(target, name) {
      if (name === "query") {
        return async (...given: Parameters<typeof target.query>) => {
          const result = await target.query(...given);
          runs++;
          left.add(result);
          const dispose = () => {
            left.delete(result);
            return result[Symbol.asyncDispose]();
          };
          return { ...result, [Symbol.asyncDispose]: dispose };
        };
      }
      const member: unknown = Reflect.get(target, name);
      return typeof member === "function" ? member.bind(target) : member;
    },
  });
  far = open.another({ datasets, engine });
  await open.commit(path, columns, [["1"]]);
  await ask(); // the plan is kept
});
afterAll(() => open[Symbol.asyncDispose]());
beforeEach(() => {
  runs = 0;
});

test("a kept plan runs while the store is looked at, and its rows are told when the look is done", async () => {
  const gate = Promise.withResolvers<void>();
  looks = gate.promise;
  let isTold = false;
  const answer = ask().finally(() => {
    isTold = true;
  });
  await until("it has run", () => runs === 1);
  await new Promise((resolve) => setImmediate(resolve));
  expect(isTold).toBe(false);
  gate.resolve();
  expect(await answer).toEqual([{ n: 1 }]);
  expect(runs).toBe(1);
});

test("what another server has committed before the question is in the answer, though a run without it was done first", async () => {
  await open.commit(path, columns, [["2"]]);
  const gate = Promise.withResolvers<void>();
  looks = gate.promise;
  const answer = ask();
  await until("it has run", () => runs === 1);
  gate.resolve();
  expect(await answer).toEqual([{ n: 2 }]);
  expect(runs).toBe(2);
  expect(left.size, "results that nobody has freed").toBe(0);
  expect(await ask()).toEqual([{ n: 2 }]);
});

test("a look that fails is told, and the rows are not", async () => {
  const gate = Promise.withResolvers<void>();
  looks = gate.promise;
  const answer = expect(ask()).rejects.toMatchObject({ code: "unavailable" });
  await until("it has run", () => runs === 1);
  gate.reject(new MillraceError("unavailable", "The store is away."));
  await answer;
  looks = Promise.resolve();
  expect(left.size, "results that nobody has freed").toBe(0);
  expect(await ask()).toEqual([{ n: 2 }]);
});
