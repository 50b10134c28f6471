import path from "node:path";
import { idSource, type Random, silentTelemetry, systemClock, systemRandom } from "../../src/base/index.ts";
import { PostgresEventBus } from "../../src/bus/index.ts";
import type { Kind } from "../../src/resources/index.ts";
import {
  connectionKind,
  datasetKind,
  projectKind,
  Resources,
  restoreDefinitions,
  sourceKind,
} from "../../src/resources/index.ts";
import { directoryStore, type ObjectStore } from "../../src/storage/index.ts";
import { type TestDatabase, tempDirectory, testDatabase } from "../kit/index.ts";
import { unsyncedDisk } from "../kit/unsynced-disk.ts";

export interface OpenResources extends AsyncDisposable {
  readonly resources: Resources;
  readonly bus: PostgresEventBus;
  readonly database: TestDatabase;
  readonly store: FailingStore;
  readonly folder: string;
  /** Another server's view: its own Resources on the same database and store. */
  another(options?: { kinds?: readonly Kind[]; mirrorWaitMs?: number; mirrorLookMs?: number }): Resources;
  /** Loses PostgreSQL and rebuilds a new, empty one from the mirror. */
  restored(): Promise<Pick<OpenResources, "resources" | "bus" | "database"> & AsyncDisposable>;
}

/** A directory store that fails, or hangs between taking and answering, on demand. */
export interface FailingStore extends ObjectStore {
  /** Called before each write; throw to fail it. */
  beforePut: ((key: string) => void | Promise<void>) | null;
  /** Called when the write is durable; throw to lose the answer. */
  afterPut: ((key: string) => void) | null;
}

export function failingStore(root: string, random: Random = systemRandom): FailingStore {
  const real = directoryStore({ root, disk: unsyncedDisk, random });
  const store: FailingStore = {
    ...real,
    put: (key, body) => real.put(key, body),
    adopt: (key, file) => real.adopt(key, file),
    get: (key, options) => real.get(key, options),
    stat: (key) => real.stat(key),
    settle: (key) => real.settle(key),
    list: (prefix, options) => real.list(prefix, options),
    delete: (key) => real.delete(key),
    local: (key, signal) => real.local(key, signal),
    beforePut: null,
    afterPut: null,
    async putIfAbsent(key, body) {
      await store.beforePut?.(key);
      const outcome = await real.putIfAbsent(key, body);
      store.afterPut?.(key);
      return outcome;
    },
  };
  return store;
}

export const commonKinds: readonly Kind[] = [projectKind, datasetKind, sourceKind, connectionKind];

/** Real PostgreSQL, a real directory store. */
export async function openResources(extraKinds: readonly Kind[] = []): Promise<OpenResources> {
  const held = new AsyncDisposableStack();
  const folder = held.use(await tempDirectory());
  const database = held.use(await testDatabase());
  const store = failingStore(path.join(folder.path, "objects"));
  const kinds = [...commonKinds, ...extraKinds];
  const ids = idSource(systemClock, systemRandom);
  const on = (
    sql: TestDatabase["sql"],
    options: { kinds?: readonly Kind[]; mirrorWaitMs?: number; mirrorLookMs?: number } = {},
  ) => {
    const bus = new PostgresEventBus({ sql, clock: systemClock, log: silentTelemetry.log });
    const resources = new Resources({
      sql,
      store,
      events: bus,
      clock: systemClock,
      ids,
      kinds: options.kinds ?? kinds,
      mirrorWaitMs: options.mirrorWaitMs ?? 10_000,
      ...(options.mirrorLookMs === undefined ? {} : { mirrorLookMs: options.mirrorLookMs }),
    });
    held.defer(() => bus.stop());
    held.defer(() => resources.stop());
    return { bus, resources };
  };
  return {
    ...on(database.sql),
    database,
    store,
    folder: folder.path,
    another: (options) => on(database.sql, options).resources,
    async restored() {
      const fresh = held.use(await testDatabase());
      await restoreDefinitions({ store, sql: fresh.sql });
      return { ...on(fresh.sql), database: fresh, [Symbol.asyncDispose]: async () => {} };
    },
    [Symbol.asyncDispose]: () => held.disposeAsync(),
  };
}

/** All definitions as the database holds them. */
export const definitionsOf = (database: TestDatabase) =>
  database.sql`
    SELECT id, kind, project, name, generation, labels, spec, owners, created_at, updated_at, updated_by
    FROM resources ORDER BY address`;
