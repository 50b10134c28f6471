import path from "node:path";
import { type Disk, MillraceError } from "../../../src/base/index.ts";
import type { GetOptions, ListOptions, LocalObject, ObjectStat, ObjectStore } from "../../../src/storage/index.ts";
import { checkKey } from "../../../src/storage/objects/object-store.ts";
import type { Link } from "./link.ts";
import type { Scheduler } from "./scheduler.ts";

interface StoredObject {
  readonly bytes: Uint8Array;
  readonly modifiedMs: number;
}

const wallMs = Date.parse("2030-01-01T00:00:00Z");
const pageKeys = 1_000;

/** The object store that all servers of a world share: what it has taken, it keeps. */
export class Bucket {
  readonly objects = new Map<string, StoredObject>();
  readonly #scheduler: Scheduler;

  constructor(scheduler: Scheduler) {
    this.#scheduler = scheduler;
  }

  put(key: string, bytes: Uint8Array): void {
    this.objects.set(key, { bytes, modifiedMs: wallMs + this.#scheduler.nowMs });
  }

  putIfAbsent(key: string, bytes: Uint8Array): "created" | "exists" {
    if (this.objects.has(key)) return "exists";
    this.put(key, bytes);
    return "created";
  }

  stat(key: string): ObjectStat | null {
    const found = this.objects.get(key);
    return found === undefined ? null : { key, sizeBytes: found.bytes.length, modifiedMs: found.modifiedMs };
  }

  page(prefix: string, after: string, limit: number): ObjectStat[] {
    const keys = [...this.objects.keys()].filter((key) => key.startsWith(prefix) && key > after).sort();
    return keys.slice(0, limit).flatMap((key) => this.stat(key) ?? []);
  }
}

export interface RemoteStoreOptions {
  readonly bucket: Bucket;
  readonly link: Link;
  readonly disk: Disk;
  /** A folder of the server's own disk for objects that are read as files. */
  readonly cacheDirectory: string;
}

/** A server's way to the bucket. Files that it adopts and hands out are on the server's own disk. */
export class RemoteStore implements ObjectStore {
  readonly #options: RemoteStoreOptions;
  #opened = 0;

  constructor(options: RemoteStoreOptions) {
    this.#options = options;
  }

  async put(key: string, body: Uint8Array): Promise<void> {
    checkKey(key);
    const { bucket, link } = this.#options;
    const bytes = Uint8Array.from(body);
    await link.call({ what: `put ${key}`, effect: () => bucket.put(key, bytes), changes: true });
  }

  async putIfAbsent(key: string, body: Uint8Array): Promise<"created" | "exists"> {
    checkKey(key);
    const { bucket, link } = this.#options;
    const bytes = Uint8Array.from(body);
    return await link.call({
      what: `putIfAbsent ${key}`,
      effect: () => bucket.putIfAbsent(key, bytes),
      changes: true,
    });
  }

  async adopt(key: string, localPath: string): Promise<void> {
    checkKey(key);
    const { bucket, link, disk } = this.#options;
    if ((await disk.stat(localPath)) === null && (await this.settle(key))) return;
    const bytes = await disk.readFile(localPath);
    await link.call({ what: `adopt ${key}`, effect: () => void bucket.putIfAbsent(key, bytes), changes: true });
    await disk.remove(localPath);
  }

  async get(key: string, { range, signal }: GetOptions = {}): Promise<Uint8Array | null> {
    checkKey(key);
    signal?.throwIfAborted();
    const { bucket, link } = this.#options;
    const read = () => {
      const bytes = bucket.objects.get(key)?.bytes ?? null;
      return bytes === null || range === undefined ? bytes : bytes.slice(range.start, range.start + range.length);
    };
    return await link.call({ what: `get ${key}`, effect: read, changes: false });
  }

  async stat(key: string): Promise<ObjectStat | null> {
    checkKey(key);
    const { bucket, link } = this.#options;
    return await link.call({ what: `stat ${key}`, effect: () => bucket.stat(key), changes: false });
  }

  async settle(key: string): Promise<boolean> {
    return (await this.stat(key)) !== null;
  }

  async *list(prefix: string, { after = "", limit, signal }: ListOptions = {}): AsyncIterable<ObjectStat> {
    const { bucket, link } = this.#options;
    let left = limit ?? Number.POSITIVE_INFINITY;
    for (let from = after; left > 0; ) {
      signal?.throwIfAborted();
      const most = Math.min(pageKeys, left);
      const effect = () => bucket.page(prefix, from, most);
      const page = await link.call({ what: `list ${prefix}`, effect, changes: false });
      yield* page;
      const last = page.at(-1);
      if (last === undefined || page.length < most) return;
      from = last.key;
      left -= page.length;
    }
  }

  async delete(key: string): Promise<void> {
    checkKey(key);
    const { bucket, link } = this.#options;
    await link.call({ what: `delete ${key}`, effect: () => void bucket.objects.delete(key), changes: true });
  }

  async local(key: string, signal?: AbortSignal): Promise<LocalObject | null> {
    const { disk, cacheDirectory } = this.#options;
    const bytes = await this.get(key, signal ? { signal } : {});
    if (bytes === null) return null;
    await disk.makeDirectory(cacheDirectory);
    const file = path.join(cacheDirectory, String(++this.#opened));
    await using written = await disk.open(file, "write");
    await written.write(bytes);
    return { path: file, [Symbol.asyncDispose]: () => disk.remove(file).catch(() => {}) };
  }
}

/** What a server is told of a call of which it does not know what became. */
export function storeAway(what: string): Error {
  return new MillraceError("unavailable", `The object store did not answer: ${what}.`);
}
