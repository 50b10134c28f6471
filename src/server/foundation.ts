import path from "node:path";
import {
  type Clock,
  type IdSource,
  idSource,
  MillraceError,
  type Random,
  systemClock,
  systemRandom,
  type Telemetry,
} from "../base/index.ts";
import { PostgresEventBus } from "../bus/index.ts";
import { identityKinds } from "../identity/index.ts";
import {
  connectionKind,
  datasetKind,
  lookupKind,
  projectKind,
  Resources,
  savedQueryKind,
  sourceKind,
} from "../resources/index.ts";
import { nodeDisk, type ObjectStore, openObjectStore, openPostgres, type Postgres } from "../storage/index.ts";
import type { ServerConfig } from "./config.ts";
import { takeStore } from "./formats.ts";

/** What a server and the maintenance commands both stand on; disposing it closes the store and PostgreSQL. */
export interface Foundation extends AsyncDisposable {
  readonly directory: string;
  /** Below it lie the local files of slices. */
  readonly sliceFolder: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly ids: IdSource;
  readonly store: ObjectStore;
  /** Whether the store is reached over a network. */
  readonly isRemote: boolean;
  readonly postgres: Postgres;
  readonly bus: PostgresEventBus;
  readonly resources: Resources;
}

export async function openFoundation(
  config: ServerConfig,
  { log, metrics }: Telemetry,
  signal: AbortSignal,
): Promise<Foundation> {
  const directory = path.resolve(config.values.dataDir);
  const [clock, random] = [systemClock, systemRandom];
  const ids = idSource(clock, random);
  await using held = new AsyncDisposableStack();
  const { store, folder, isRemote } = held.use(
    await openObjectStore({
      address: config.values.objectStore,
      directory,
      s3: s3Of(config),
      cacheBytes: config.values["cache.bytes"],
      disk: nodeDisk,
      clock,
      random,
      telemetry: { log: log.child({ room: "storage" }), metrics },
      signal,
    }),
  );
  await takeStore(store, signal);
  const url = config.values["postgres.url"];
  const postgres = held.use(
    await openPostgres({
      server:
        url === null ? { kind: "embedded", directory: path.join(directory, "postgres") } : { kind: "external", url },
      clock,
      random,
      log: log.child({ room: "storage" }),
      signal,
    }),
  );
  const { sql } = postgres;
  const bus = new PostgresEventBus({
    sql,
    clock,
    log: log.child({ room: "bus" }),
    keptMs: config.values["events.keep"],
  });
  const kinds = [projectKind, datasetKind, sourceKind, connectionKind, savedQueryKind, lookupKind, ...identityKinds];
  const resources = new Resources({
    sql,
    store,
    events: bus,
    clock,
    ids,
    kinds,
    log: log.child({ room: "resources" }),
  });
  const opened = held.move();
  return {
    directory,
    sliceFolder: folder,
    clock,
    random,
    ids,
    store,
    isRemote,
    postgres,
    bus,
    resources,
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  };
}

/** @throws bad_config */
export function s3Of({ values }: ServerConfig) {
  const [accessKeyId, secretAccessKey] = [values["s3.accessKeyId"], values["s3.secretAccessKey"]];
  if ((accessKeyId === null) !== (secretAccessKey === null)) {
    throw new MillraceError(
      "bad_config",
      "s3.accessKeyId and s3.secretAccessKey belong together: one of them is missing.",
    );
  }
  return {
    endpoint: values["s3.endpoint"],
    region: values["s3.region"],
    credentials:
      accessKeyId === null || secretAccessKey === null
        ? null
        : { accessKeyId, secretAccessKey, sessionToken: values["s3.sessionToken"] },
  };
}
