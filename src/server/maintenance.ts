import { silentTelemetry } from "../base/index.ts";
import { Datasets, type ReindexReport } from "../datasets/index.ts";
import { datasetKind, restoreDefinitions } from "../resources/index.ts";
import type { ServerConfig } from "./config.ts";
import { DataDirectory } from "./data-directory.ts";
import { type Foundation, openFoundation } from "./foundation.ts";
import { renewOwnerToken } from "./owner-token.ts";
import { ensureChain } from "./resources-door.ts";

/** Datasets without engines: nothing here reads rows. */
function datasetsOf({ store, postgres, clock, random }: Foundation): Datasets {
  const none = () => Promise.reject(new Error("maintenance reads no rows"));
  return new Datasets({
    store,
    sql: postgres.sql,
    slices: { logicalHash: none, offsets: none },
    clock,
    random,
    telemetry: silentTelemetry,
    announce: async () => {},
  });
}

/** Rebuilds the index of chains from the object store. @throws conflict while a server runs on the folder */
export async function reindexChains(config: ServerConfig, signal: AbortSignal): Promise<ReindexReport> {
  await using directory = await DataDirectory.take(config.values.dataDir);
  await directory.mark();
  await using foundation = await openFoundation(config, silentTelemetry, signal);
  return await datasetsOf(foundation).reindex(signal);
}

export interface Restored {
  readonly restored: number;
  /** Where a new token of the owner was written: null where the old one is there. */
  readonly ownerToken: string | null;
}

/**
 * Rebuilds PostgreSQL from the object store: definitions, then the index.
 * @param replace drops the definitions that it holds; otherwise it must hold none
 * @throws conflict
 */
export async function restoreAll(config: ServerConfig, replace: boolean, signal: AbortSignal): Promise<Restored> {
  await using directory = await DataDirectory.take(config.values.dataDir);
  await directory.mark();
  await using foundation = await openFoundation(config, silentTelemetry, signal);
  const { store, postgres, resources } = foundation;
  const restored = await restoreDefinitions({ store, sql: postgres.sql, replace, signal });
  const datasets = datasetsOf(foundation);
  await datasets.reindex(signal);
  for (const resource of await resources.list(datasetKind)) await ensureChain(resources, datasets, resource);
  return { ...restored, ownerToken: await renewOwnerToken(foundation) };
}
