import path from "node:path";
import type { Disk, DiskEntry, Random } from "../../base/index.ts";
import {
  checkKey,
  type GetOptions,
  type ListOptions,
  type LocalObject,
  type ObjectStat,
  type ObjectStore,
} from "./object-store.ts";

export interface DirectoryStoreOptions {
  /** Absolute. */
  readonly root: string;
  readonly disk: Disk;
  readonly random: Random;
}

/** Folder of files that are being written; a name in it never becomes a key. */
const unfinished = ".tmp";

/**
 * Objects as files below a folder. A body is written to a temporary file, synced, and given its name by one atomic step:
 * `rename` for put, `link` for putIfAbsent (POSIX: it fails with EEXIST for all racers but one); then the folder is
 * synced, since a name is durable only with its folder.
 */
export function directoryStore(options: DirectoryStoreOptions): ObjectStore {
  return new DirectoryStore(options);
}

class DirectoryStore implements ObjectStore {
  readonly #root: string;
  readonly #disk: Disk;
  readonly #random: Random;
  readonly #known = new Set<string>();

  constructor({ root, disk, random }: DirectoryStoreOptions) {
    this.#root = root;
    this.#disk = disk;
    this.#random = random;
  }

  async put(key: string, body: Uint8Array): Promise<void> {
    const file = await this.#fileFor(key);
    const temporary = await this.#write(body);
    await this.#disk.rename(temporary, file);
    await this.#disk.syncDirectory(path.dirname(file));
  }

  async putIfAbsent(key: string, body: Uint8Array): Promise<"created" | "exists"> {
    const file = await this.#fileFor(key);
    const temporary = await this.#write(body);
    try {
      await this.#disk.link(temporary, file);
    } catch (error) {
      if (!hasCode(error, "EEXIST")) throw error;
      // The winner may have crashed before its sync: whoever learns that the object exists makes that durable first.
      await this.#disk.syncDirectory(path.dirname(file));
      return "exists";
    } finally {
      await this.#disk.remove(temporary);
    }
    await this.#disk.syncDirectory(path.dirname(file));
    return "created";
  }

  async adopt(key: string, localPath: string): Promise<void> {
    const file = await this.#fileFor(key);
    if ((await this.#disk.stat(file)) !== null) {
      await this.#disk.syncDirectory(path.dirname(file));
      await this.#disk.remove(localPath);
      return;
    }
    {
      await using handle = await this.#disk.open(localPath, "read");
      await handle.sync();
    }
    try {
      await this.#disk.rename(localPath, file);
    } catch (error) {
      if (!hasCode(error, "EXDEV")) throw error;
      await this.put(key, await this.#disk.readFile(localPath));
      await this.#disk.remove(localPath);
      return;
    }
    await this.#disk.syncDirectory(path.dirname(file));
  }

  async get(key: string, options: GetOptions = {}): Promise<Uint8Array | null> {
    options.signal?.throwIfAborted();
    const file = this.#path(key);
    try {
      if (options.range === undefined) return await this.#disk.readFile(file);
      await using handle = await this.#disk.open(file, "read");
      return await handle.read(options.range.start, options.range.length);
    } catch (error) {
      if (hasCode(error, "ENOENT") || hasCode(error, "EISDIR")) return null;
      throw error;
    }
  }

  async stat(key: string): Promise<ObjectStat | null> {
    const found = await this.#disk.stat(this.#path(key));
    if (found === null || found.kind !== "file") return null;
    return { key, sizeBytes: found.sizeBytes, modifiedMs: found.modifiedMs };
  }

  async *list(prefix: string, options: ListOptions = {}): AsyncIterable<ObjectStat> {
    let left = options.limit ?? Number.POSITIVE_INFINITY;
    for await (const key of this.#keys("", prefix, options)) {
      if (left-- <= 0) return;
      const found = await this.stat(key);
      if (found !== null) yield found;
    }
  }

  async delete(key: string): Promise<void> {
    const file = this.#path(key);
    if ((await this.#disk.stat(file)) === null) return;
    await this.#disk.remove(file);
    await this.#disk.syncDirectory(path.dirname(file));
  }

  async local(key: string): Promise<LocalObject | null> {
    const file = this.#path(key);
    if ((await this.#disk.stat(file)) === null) return null;
    return { path: file, async [Symbol.asyncDispose]() {} };
  }

  #path(key: string): string {
    checkKey(key);
    return path.join(this.#root, key);
  }

  async #fileFor(key: string): Promise<string> {
    const file = this.#path(key);
    await this.#makeDirectory(path.dirname(file));
    return file;
  }

  /** Makes a folder durable: each new name is synced in its parent. */
  async #makeDirectory(folder: string): Promise<void> {
    if (this.#known.has(folder)) return;
    if ((await this.#disk.stat(folder)) === null) {
      if (folder !== this.#root) await this.#makeDirectory(path.dirname(folder));
      await this.#disk.makeDirectory(folder);
      await this.#disk.syncDirectory(path.dirname(folder));
    }
    if (this.#known.size > 10_000) this.#known.clear();
    this.#known.add(folder);
  }

  async #write(body: Uint8Array): Promise<string> {
    const folder = path.join(this.#root, unfinished);
    await this.#makeDirectory(folder);
    const file = path.join(folder, Buffer.from(this.#random.bytes(16)).toString("hex"));
    await using handle = await this.#disk.open(file, "createNew");
    await handle.write(body);
    await handle.sync();
    return file;
  }

  /** Keys below a folder in order of keys: `a/` sorts as the folder's name with its slash. */
  async *#keys(folder: string, prefix: string, options: ListOptions): AsyncIterable<string> {
    const entries = await this.#disk.list(path.join(this.#root, folder));
    const named = entries
      .filter((entry: DiskEntry) => !(folder === "" && entry.name === unfinished))
      .map((entry) => `${folder}${entry.name}${entry.kind === "directory" ? "/" : ""}`)
      .sort((a, b) => (a < b ? -1 : 1));
    for (const key of named) {
      options.signal?.throwIfAborted();
      const after = options.after ?? "";
      if (!key.endsWith("/")) {
        if (key.startsWith(prefix) && key > after) yield key;
      } else if ((key.startsWith(prefix) || prefix.startsWith(key)) && (key > after || after.startsWith(key))) {
        yield* this.#keys(key, prefix, options);
      }
    }
  }
}

function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && "code" in error && error.code === code;
}
