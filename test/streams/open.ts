import path from "node:path";
import { z } from "zod";
import {
  datasetPath,
  formatDatasetPath,
  idSource,
  silentTelemetry,
  systemClock,
  systemRandom,
} from "../../src/base/index.ts";
import { type CommitNews, Datasets } from "../../src/datasets/index.ts";
import type { RoleOptions } from "../../src/engines/index.ts";
import { nodeDisk, type ObjectStore } from "../../src/storage/index.ts";
import {
  chainTransform,
  type DeclaredTransform,
  type TransformRunRecord,
  type TransformState,
  Transforms,
  type TransformsOptions,
} from "../../src/streams/index.ts";
import { until } from "../kit/index.ts";
import { type OpenQueries, openQueries, requestOf, rowsOf } from "../queries/open.ts";
import { noLeases } from "./no-leases.ts";

/** Transforms over real datasets and workers. */
export interface OpenStreams extends AsyncDisposable {
  readonly open: OpenQueries;
  readonly runs: TransformRunRecord[];
  transforms: Transforms;
  /** Declares a derivative and keeps it right. */
  define(name: string, sql: string, more?: Partial<DeclaredTransform>): Promise<void>;
  /** Declares a derivative that is there anew. */
  declare(one: DeclaredTransform): Promise<void>;
  /** Deletes a derivative. */
  forget(name: string): Promise<void>;
  /** Nobody keeps the transforms any more, until `restart`. */
  stop(): Promise<void>;
  /** Another process takes over: the transforms of before are stopped, all that were declared are started anew. @param anew declared meanwhile */
  restart(anew?: readonly DeclaredTransform[]): Promise<void>;
  /** Waits until nothing is left to do. */
  settle(): Promise<void>;
  rows(sql: string): Promise<unknown>;
  /** Transforms of another process on the same store and database, which keep nothing yet. */
  beside(wrap: (store: ObjectStore) => ObjectStore, options?: Partial<TransformsOptions>): Promise<AnotherProcess>;
  /** Decisions of a derivative that no commit has made good, oldest first. */
  decisions(name: string): Promise<readonly { readonly clock: number }[]>;
}

export interface AnotherProcess extends AsyncDisposable {
  readonly transforms: Transforms;
}

const decision = z.object({ clock: z.number() });

/** @param workers what the pool's workers are, where it matters */
export async function openStreams(
  options: Partial<TransformsOptions> = {},
  workers: Partial<RoleOptions> = {},
): Promise<OpenStreams> {
  const listeners = new Set<(news: CommitNews) => void>();
  const held = new AsyncDisposableStack();
  const open = held.use(
    await openQueries(
      systemClock,
      async (news) => {
        for (const listener of listeners) listener(news);
      },
      workers,
    ),
  );
  const declared = new Map<string, DeclaredTransform>();
  let others = 0;
  const runs: TransformRunRecord[] = [];
  const common = {
    engine: open.pool.pool,
    disk: nodeDisk,
    directory: path.join(open.identity.open.folder, "work"),
    stateDirectory: path.join(open.identity.open.folder, "work", "states"),
    declaredNow: async () => null,
    commits: { tail: noCommits },
    flush: async () => {},
    lateRows: null,
    record: (run: TransformRunRecord) => void runs.push(run),
    clock: systemClock,
    random: systemRandom,
    ids: idSource(systemClock, systemRandom),
    telemetry: silentTelemetry,
    leases: noLeases,
    atOnce: 2,
  };
  const make = async () => {
    const transforms = new Transforms({
      ...common,
      datasets: open.datasets,
      store: open.identity.open.store,
      declared: async () => [...declared.values()],
      ...options,
    });
    listeners.add((news) => transforms.committed(news));
    await transforms.start();
    return transforms;
  };
  const streams: OpenStreams = {
    open,
    runs,
    transforms: await make(),
    async define(name, sql, more = {}) {
      const { inputs, schema } = await streams.transforms.check({ sql, key: more.key }, new AbortController().signal);
      await open.datasets.create(datasetPath(name), {
        ...(schema === null ? {} : { schema }),
        transform: chainTransform(datasetPath(name), { sql, key: more.key }, inputs),
      });
      const one = { path: datasetPath(name), sql, paused: false, ...more };
      declared.set(name, one);
      await streams.transforms.keep(one);
    },
    async declare(one) {
      declared.set(formatDatasetPath(one.path), one);
      await streams.transforms.keep(one);
    },
    async forget(name) {
      declared.delete(name);
      const ref = await open.datasets.get(datasetPath(name));
      await open.datasets.delete(ref);
      await streams.transforms.drop(ref.id);
    },
    async stop() {
      listeners.clear();
      await streams.transforms.stop();
    },
    async restart(anew = []) {
      await streams.stop();
      for (const one of anew) declared.set(formatDatasetPath(one.path), one);
      streams.transforms = await make();
    },
    async settle() {
      const isBusy = (state: TransformState | null) =>
        state?.state === "running" || (state?.state === "waiting" && state.awaited === null);
      const ids = await Promise.all([...declared.keys()].map((name) => open.datasets.get(datasetPath(name))));
      const isSettled = () => ids.every(({ id }) => !isBusy(streams.transforms.state(id)));
      // Many runs may take long; a while without any is too long.
      for (let ended = -1; ended < runs.length; ) {
        ended = runs.length;
        const waited = until("the transforms have nothing to do", isSettled);
        if (
          await waited.then(
            () => true,
            () => false,
          )
        )
          return;
      }
      throw new Error(
        `the transforms are busy and no run ends: ${JSON.stringify(ids.map(({ id }) => streams.transforms.state(id)))}`,
      );
    },
    rows: (sql) => rowsOf(open.queries.run(requestOf(sql, open.owner), new AbortController().signal)),
    async beside(wrap, more = {}) {
      const { database, store } = open.identity.open;
      const datasets = new Datasets({
        store: wrap(store),
        sql: database.sql,
        slices: open.pool.pool,
        clock: systemClock,
        random: systemRandom,
        telemetry: silentTelemetry,
        announce: async () => {},
      });
      const transforms = new Transforms({
        ...common,
        // Another process has a disk of its own.
        stateDirectory: path.join(open.identity.open.folder, "work", `states-${++others}`),
        datasets,
        store: wrap(store),
        declared: async () => [],
        ...options,
        ...more,
      });
      await transforms.start();
      return {
        transforms,
        async [Symbol.asyncDispose]() {
          await transforms.stop();
          await datasets[Symbol.asyncDispose]();
        },
      };
    },
    async decisions(name) {
      const { store } = open.identity.open;
      const { id } = await open.datasets.get(datasetPath(name));
      const found: { clock: number }[] = [];
      for await (const { key } of store.list(`transforms/${id.replaceAll(":", "_")}/`)) {
        const bytes = (await store.get(key)) ?? new Uint8Array();
        found.push(decision.parse(JSON.parse(Buffer.from(bytes).toString())));
      }
      return found;
    },
    async [Symbol.asyncDispose]() {
      listeners.clear();
      await streams.transforms.stop();
      await held.disposeAsync();
    },
  };
  return streams;
}

/** There is no other server. */
async function* noCommits({ signal }: { readonly signal: AbortSignal }): AsyncIterable<never> {
  await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
}
