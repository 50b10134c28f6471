import path from "node:path";
import {
  type Clock,
  type IdSource,
  idSource,
  type Logger,
  type Random,
  systemClock,
  systemRandom,
} from "../base/index.ts";
import { PostgresEventBus } from "../bus/index.ts";
import { identityKinds } from "../identity/index.ts";
import { connectionKind, datasetKind, projectKind, Resources, sourceKind } from "../resources/index.ts";
import { directoryStore, nodeDisk, type ObjectStore, openPostgres, type Postgres } from "../storage/index.ts";
import type { ServerConfig } from "./config.ts";

/** What a server and the maintenance commands both stand on. */
export interface Foundation {
  readonly directory: string;
  /** Folder of the object store. */
  readonly objects: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly ids: IdSource;
  readonly store: ObjectStore;
  readonly postgres: Postgres;
  readonly bus: PostgresEventBus;
  readonly resources: Resources;
}

export async function openFoundation(config: ServerConfig, log: Logger, signal: AbortSignal): Promise<Foundation> {
  const directory = path.resolve(config.values.dataDir);
  const [clock, random] = [systemClock, systemRandom];
  const ids = idSource(clock, random);
  const objects = path.resolve(config.values.objectStore?.replace(/^file:/, "") ?? path.join(directory, "objects"));
  const store = directoryStore({ root: objects, disk: nodeDisk, random });
  const url = config.values["postgres.url"];
  const postgres = await openPostgres({
    server:
      url === null ? { kind: "embedded", directory: path.join(directory, "postgres") } : { kind: "external", url },
    clock,
    random,
    log: log.child({ room: "storage" }),
    signal,
  });
  const { sql } = postgres;
  const bus = new PostgresEventBus({ sql, clock, log: log.child({ room: "bus" }) });
  const kinds = [projectKind, datasetKind, sourceKind, connectionKind, ...identityKinds];
  const resources = new Resources({
    sql,
    store,
    events: bus,
    clock,
    ids,
    kinds,
    log: log.child({ room: "resources" }),
  });
  return { directory, objects, clock, random, ids, store, postgres, bus, resources };
}
