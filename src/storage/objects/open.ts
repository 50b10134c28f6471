import path from "node:path";
import type { Clock, Disk, Random, Telemetry } from "../../base/index.ts";
import { ContentCache } from "../cache/content-cache.ts";
import { directoryStore } from "./directory-store.ts";
import type { ObjectStore } from "./object-store.ts";
import { probeStore } from "./probe.ts";
import { s3Address } from "./s3/address.ts";
import type { S3Connection } from "./s3/requests.ts";

export interface ObjectStoreOptions {
  /** `file:FOLDER` or `s3://BUCKET/PREFIX`; null: the folder objects/ of `directory`. */
  readonly address: string | null;
  /** The server's own folder. */
  readonly directory: string;
  readonly s3: Omit<S3Connection, "bucket">;
  readonly cacheBytes: number;
  readonly disk: Disk;
  readonly clock: Clock;
  readonly random: Random;
  readonly telemetry: Telemetry;
  readonly signal: AbortSignal;
}

export interface OpenObjectStore extends AsyncDisposable {
  readonly store: ObjectStore;
  /** Below it lies every file that `local` gives. */
  readonly folder: string;
  readonly isRemote: boolean;
}

/** Opens the store that the address names. @throws bad_config, unsafe_store, unavailable */
export async function openObjectStore(options: ObjectStoreOptions): Promise<OpenObjectStore> {
  const { address, directory, disk, random } = options;
  if (address?.startsWith("s3:")) return await openS3(address, options);
  const folder = path.resolve(address?.replace(/^file:/, "") ?? path.join(directory, "objects"));
  return {
    store: directoryStore({ root: folder, disk, random }),
    folder,
    isRemote: false,
    async [Symbol.asyncDispose]() {},
  };
}

async function openS3(address: string, options: ObjectStoreOptions): Promise<OpenObjectStore> {
  const { directory, s3, cacheBytes, disk, clock, random, telemetry, signal } = options;
  const { bucket, prefix } = s3Address(address);
  const folder = path.join(directory, "cache");
  const common = { disk, clock, random };
  const files = await ContentCache.open({ folder, budgetBytes: cacheBytes, telemetry, ...common });
  const { S3Store } = await import("./s3-store.ts"); // the client library takes time that only its users should spend
  const store = new S3Store({ connection: { ...s3, bucket }, prefix, files, ...common });
  try {
    await probeStore(store, random);
  } catch (error) {
    await store[Symbol.asyncDispose]();
    throw error;
  }
  // Nothing waits for it: what is left lies there at the next start, too.
  store.dropAbandonedUploads(signal).catch((error: unknown) => {
    telemetry.log.warn("unfinished uploads could not be dropped", { error });
  });
  return { store, folder, isRemote: true, [Symbol.asyncDispose]: () => store[Symbol.asyncDispose]() };
}
