import { datasetKind, restoreDefinitions } from "../../src/resources/index.ts";
import { ensureChain } from "../../src/server/resources-door.ts";
import type { Database } from "./postgres/database.ts";
import type { World } from "./world/world.ts";

/**
 * PostgreSQL is gone whole, or put back to an older state; the operator rebuilds it from the object store, as
 * `millrace restore-definitions` does, and starts the servers again.
 */
export async function rebuildDatabase(world: World, before: ReturnType<Database["backup"]>): Promise<void> {
  for (const machine of world.machines) world.kill(machine);
  world.database.goAway();
  world.database.restore(before);
  world.database.comeBack();
  world.trace.note("world", "the database is put back", `${before.tables.get("resources")?.size ?? 0} definitions`);
  const { server } = world.observer("operator");
  await restoreDefinitions({ store: server.store, sql: server.sql, replace: true });
  const report = await server.datasets.reindex();
  for (const resource of await server.resources.list(datasetKind)) {
    await ensureChain(server.resources, server.datasets, resource);
  }
  world.trace.note("operator", "restores the definitions and the index", `${report.datasets} datasets`);
  for (const one of world.machines) world.start(one);
}

export const emptyDatabase = (): ReturnType<Database["backup"]> => ({ tables: new Map(), sequences: new Map() });
