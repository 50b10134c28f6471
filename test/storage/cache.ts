import { createHash } from "node:crypto";
import { readdirSync, statSync } from "node:fs";
import path from "node:path";
import { type Clock, type Disk, seededRandom, silentTelemetry, systemClock } from "../../src/base/index.ts";
import { ContentCache } from "../../src/storage/cache/content-cache.ts";
import { nameOfDigest } from "../../src/storage/cache/content-name.ts";
import { nodeDisk } from "../../src/storage/disk.ts";
import type { ReadObject } from "../../src/storage/objects/local-files.ts";
import { tempDirectory } from "../kit/index.ts";

export const body = (seed: number, sizeBytes: number): Buffer => Buffer.from(seededRandom(seed).bytes(sizeBytes));
export const nameOf = (bytes: Uint8Array) => nameOfDigest(createHash("sha3-256").update(bytes).digest());
export const keyOf = (bytes: Uint8Array) => `datasets/x/data/${nameOf(bytes)}`;

interface OpenCache extends AsyncDisposable {
  readonly folder: string;
  readonly cache: ContentCache;
  /** Another one on the same folder, as the next process opens it. */
  again(budgetBytes?: number): Promise<ContentCache>;
}

export async function openCache(
  budgetBytes: number,
  given: { readonly disk?: Disk; readonly clock?: Clock } = {},
): Promise<OpenCache> {
  const root = await tempDirectory();
  const folder = path.join(root.path, "cache");
  const common = {
    folder,
    disk: given.disk ?? nodeDisk,
    clock: given.clock ?? systemClock,
    telemetry: silentTelemetry,
  };
  let seed = 1;
  const again = (bytes = budgetBytes) =>
    ContentCache.open({ ...common, budgetBytes: bytes, random: seededRandom(seed++) });
  return { folder, cache: await again(), again, [Symbol.asyncDispose]: () => root[Symbol.asyncDispose]() };
}

/** A store of one object, in pieces; counts how often it is read. */
export function source(bytes: Uint8Array, piece = 100_000) {
  const told = { reads: 0 };
  const read: ReadObject = async (sink, signal) => {
    told.reads++;
    await sink.begin(bytes.length);
    for (let at = 0; at < bytes.length; at += piece) {
      signal.throwIfAborted();
      await sink.take(bytes.subarray(at, at + piece));
    }
    return true;
  };
  return { told, read };
}

export const unread: ReadObject = async () => {
  throw new Error("it was to be found in the cache");
};

export const filesIn = (folder: string) =>
  readdirSync(folder, { withFileTypes: true }).filter((entry) => entry.isFile());
export const bytesIn = (folder: string): number =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .reduce((sum, { parentPath, name }) => sum + statSync(path.join(parentPath, name)).size, 0);
