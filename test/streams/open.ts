import path from "node:path";
import {
  datasetPath,
  formatDatasetPath,
  idSource,
  silentTelemetry,
  systemClock,
  systemRandom,
} from "../../src/base/index.ts";
import type { CommitNews } from "../../src/datasets/index.ts";
import { nodeDisk } from "../../src/storage/index.ts";
import {
  type DeclaredTransform,
  type TransformRunRecord,
  Transforms,
  type TransformsOptions,
} from "../../src/streams/index.ts";
import { until } from "../kit/index.ts";
import { type OpenQueries, openQueries, requestOf, rowsOf } from "../queries/open.ts";

/** Transforms over real datasets and workers. */
export interface OpenStreams extends AsyncDisposable {
  readonly open: OpenQueries;
  readonly runs: TransformRunRecord[];
  transforms: Transforms;
  /** Declares a derivative and keeps it right. */
  define(name: string, sql: string, more?: Partial<DeclaredTransform>): Promise<void>;
  /** Deletes a derivative. */
  forget(name: string): Promise<void>;
  /** Another process takes over: the transforms of before are stopped, all that were declared are started anew. */
  restart(): Promise<void>;
  /** Waits until nothing is left to do. */
  settle(): Promise<void>;
  rows(sql: string): Promise<unknown>;
}

export async function openStreams(options: Partial<TransformsOptions> = {}): Promise<OpenStreams> {
  const listeners = new Set<(news: CommitNews) => void>();
  const held = new AsyncDisposableStack();
  const open = held.use(
    await openQueries(systemClock, async (news) => {
      for (const listener of listeners) listener(news);
    }),
  );
  const declared = new Map<string, DeclaredTransform>();
  const runs: TransformRunRecord[] = [];
  const make = async () => {
    const transforms = new Transforms({
      datasets: open.datasets,
      engine: open.pool.pool,
      store: open.identity.open.store,
      disk: nodeDisk,
      directory: path.join(open.identity.open.folder, "work"),
      declared: async () => [...declared.values()],
      commits: { tail: noCommits },
      record: (run) => runs.push(run),
      clock: systemClock,
      random: systemRandom,
      ids: idSource(systemClock, systemRandom),
      telemetry: silentTelemetry,
      atOnce: 2,
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
      const { inputs, schema } = await streams.transforms.check({ sql }, new AbortController().signal);
      await open.datasets.create(datasetPath(name), {
        ...(schema === null ? {} : { schema }),
        transform: {
          inputs: inputs.map(({ id, path: input }) => ({ datasetRef: id, alias: formatDatasetPath(input) })),
          transform: { kind: "Sql", engine: "duckdb", query: sql },
        },
      });
      const one = { path: datasetPath(name), sql, paused: false, ...more };
      declared.set(name, one);
      await streams.transforms.keep(one);
    },
    async forget(name) {
      declared.delete(name);
      const ref = await open.datasets.get(datasetPath(name));
      await open.datasets.delete(ref);
      await streams.transforms.drop(ref.id);
    },
    async restart() {
      listeners.clear();
      await streams.transforms.stop();
      streams.transforms = await make();
    },
    async settle() {
      const busy = new Set(["running", "waiting"]);
      const ids = await Promise.all([...declared.keys()].map((name) => open.datasets.get(datasetPath(name))));
      await until("the transforms have nothing to do", async () =>
        ids.every(({ id }) => !busy.has(streams.transforms.state(id)?.state ?? "idle")),
      );
    },
    rows: (sql) => rowsOf(open.queries.run(requestOf(sql, open.owner), new AbortController().signal)),
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
