import { mkdtemp, rm, stat } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { MillraceError, silentTelemetry, systemClock, systemRandom } from "../../base/index.ts";
import { Datasets } from "../../datasets/index.ts";
import {
  connect,
  type DatabaseView,
  lookAtPostgres,
  nodeDisk,
  type ObjectStore,
  openObjectStore,
} from "../../storage/index.ts";
import type { ServerConfig } from "../config.ts";
import { DataDirectory } from "../data-directory.ts";
import { checkFolderFormat } from "../formats.ts";
import { s3Of } from "../foundation.ts";
import { chainFindings } from "./chains.ts";
import { databaseFindings, mirrorFinding, rebuild } from "./database.ts";
import { type Finding, failed, finding } from "./finding.ts";
import { folderFindings, serverFinding, spaceFindings } from "./folder.ts";
import { leftoverFindings } from "./leftovers.ts";
import { storeFindings } from "./store.ts";

/** quick: nothing is read that grows with the data. full: every byte of every object. */
export type Depth = "quick" | "usual" | "full";

/**
 * Looks at everything that a server stands on, from outside and without changing it: beside a running server, or instead of
 * one that does not start. Each part is looked at as far as the others let it.
 */
export async function* examine(config: ServerConfig, depth: Depth, signal: AbortSignal): AsyncIterable<Finding> {
  const directory = path.resolve(config.values.dataDir);
  if ((await stat(directory).catch(() => null)) === null) {
    yield finding(
      "data folder",
      "problem",
      `There is no folder ${directory}.`,
      "Name it with --data-dir, or `millrace up` makes it.",
    );
    return;
  }
  try {
    await checkFolderFormat(directory);
  } catch (error) {
    yield failed("data folder", error); // a newer version's: nothing of it is looked at
    return;
  }
  await using held = new AsyncDisposableStack();
  const holder = await hold(directory, held);
  yield await serverFinding(directory, holder);
  yield* folderFindings(directory, nodeDisk, holder !== null);
  const objects = objectFolder(config, directory);
  yield* spaceFindings([directory, ...(objects === null ? [] : [objects])]);
  const opened = await openStore(config, directory, objects, held, signal);
  if ("failure" in opened) yield opened.failure;
  let store = "store" in opened ? opened.store : null;
  if (store !== null) {
    const address = config.values.objectStore ?? `file:${objects}`;
    const isReadable = yield* storeFindings(
      store,
      { address, random: systemRandom, clock: systemClock, quick: depth === "quick" },
      signal,
    );
    if (!isReadable) store = null;
  }
  const database = await openDatabase(config, directory, holder !== null, held, signal);
  if ("failure" in database) yield database.failure;
  const view = "view" in database ? database.view : null;
  if (view !== null) yield* databaseFindings(view, systemClock);
  if (store !== null) yield* dataFindings({ store, view, depth, directory, objects }, signal);
}

interface Data {
  readonly store: ObjectStore;
  readonly view: DatabaseView | null;
  readonly depth: Depth;
  readonly directory: string;
  readonly objects: string | null;
}

async function* dataFindings(data: Data, signal: AbortSignal): AsyncIterable<Finding> {
  const { store, view, depth, directory, objects } = data;
  if (depth !== "quick") yield await mirrorFinding(store, view, signal);
  const hasIndex = view !== null && view.lacking.length === 0 && view.foreign.length === 0;
  // Ended before its first use: questions to a database that nobody is to ask fail at once, and chains are read without.
  const nobody = connect("postgres://nobody@127.0.0.1:1/none", 1);
  await nobody.end();
  const withoutIndex = datasetsOn(store, nobody);
  const datasets = hasIndex ? datasetsOn(store, view.sql) : withoutIndex;
  const level = depth === "quick" ? null : depth === "full" ? "physical" : "chain";
  yield* chainFindings({ store, datasets, withoutIndex, level, hasIndex }, signal);
  if (depth !== "quick") yield* leftoverFindings({ directory, objects, store, nowMs: systemClock.now() }, signal);
}

function datasetsOn(store: ObjectStore, sql: DatabaseView["sql"]): Datasets {
  const none = () => Promise.reject(new Error("the doctor reads no rows"));
  return new Datasets({
    store,
    sql,
    slices: { logicalHash: none, offsets: none },
    clock: systemClock,
    random: systemRandom,
    telemetry: silentTelemetry,
    announce: async () => {},
  });
}

/** Who runs on the folder; null where nobody does, and it is ours meanwhile. */
async function hold(directory: string, held: AsyncDisposableStack): Promise<MillraceError | null> {
  try {
    held.use(await DataDirectory.take(directory));
    return null;
  } catch (error) {
    if (error instanceof MillraceError && error.code === "conflict") return error;
    return null; // told by the findings on the folder
  }
}

/** Of a store of files; null of a remote one. */
function objectFolder(config: ServerConfig, directory: string): string | null {
  const address = config.values.objectStore;
  if (address === null) return path.join(directory, "objects");
  return address.startsWith("file:") ? path.resolve(address.slice("file:".length)) : null;
}

async function openStore(
  config: ServerConfig,
  directory: string,
  objects: string | null,
  held: AsyncDisposableStack,
  signal: AbortSignal,
): Promise<{ store: ObjectStore } | { failure: Finding }> {
  const check = "object store";
  if (objects !== null && (await stat(objects).catch(() => null)) === null) {
    const used = (await stat(path.join(directory, "owner.token")).catch(() => null)) !== null;
    const text = `The folder ${objects} is not there.`;
    const advice = used
      ? "Is its disk mounted? Everything that was committed lies there: put it back from a copy."
      : "`millrace up` makes it.";
    return { failure: finding(check, used ? "problem" : "note", text, advice) };
  }
  // A folder of its own: the cache beside a running server is that server's.
  const own = await mkdtemp(path.join(os.tmpdir(), "millrace-doctor-"));
  held.defer(() => rm(own, { recursive: true, force: true }));
  try {
    const { store } = held.use(
      await openObjectStore({
        address: objects === null ? config.values.objectStore : `file:${objects}`,
        directory: own,
        s3: s3Of(config),
        cacheBytes: 100e6,
        disk: nodeDisk,
        clock: systemClock,
        random: systemRandom,
        telemetry: silentTelemetry,
        signal,
      }),
    );
    return { store };
  } catch (error) {
    signal.throwIfAborted();
    return { failure: failed(check, error) };
  }
}

async function openDatabase(
  config: ServerConfig,
  directory: string,
  beside: boolean,
  held: AsyncDisposableStack,
  signal: AbortSignal,
): Promise<{ view: DatabaseView } | { failure: Finding }> {
  const check = "postgresql";
  const url = config.values["postgres.url"];
  const server =
    url === null
      ? ({ kind: "embedded", directory: path.join(directory, "postgres") } as const)
      : ({ kind: "external", url } as const);
  const common = { clock: systemClock, random: systemRandom, log: silentTelemetry.log, signal };
  try {
    const view = await lookAtPostgres({ server, ...common }, beside);
    if (view !== null) return { view: held.use(view) };
    const used = (await stat(path.join(directory, "owner.token")).catch(() => null)) !== null;
    return {
      failure: used
        ? finding(
            check,
            "problem",
            "The server's own PostgreSQL is gone.",
            `${rebuild}. It brings back definitions, users, tokens and the index from the object store.`,
          )
        : finding(check, "note", "There is no PostgreSQL yet; `millrace up` makes it."),
    };
  } catch (error) {
    signal.throwIfAborted();
    const away =
      url === null
        ? `If its folder is damaged, move ${path.join(directory, "postgres")} away. ${rebuild}`
        : "Is postgres.url right, and the server running?";
    return { failure: failed(check, error, away) };
  }
}
