import path from "node:path";
import { type Disk, type DiskEntry, MillraceError, type Random } from "../../base/index.ts";
import {
  checkKey,
  type GetOptions,
  isPrefix,
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

/** Folder of files that are being written; no key begins with a dot. */
const unfinished = ".tmp";
const copiedAtOnceBytes = 4 * 1024 * 1024;
/** No body is written for so long: an older temporary file is one whose process was killed. */
const abandonedAfterMs = 3_600_000;

/**
 * Objects as files below a folder. A body is written to a temporary file, synced, and given its name by one atomic step:
 * `rename` for put, `link` for putIfAbsent (POSIX: it fails with EEXIST for all racers but one); then the folder is
 * synced, since a name is durable only with its folder, and a folder only with the one above it.
 */
export function directoryStore(options: DirectoryStoreOptions): ObjectStore {
  return new DirectoryStore(options);
}

class DirectoryStore implements ObjectStore {
  readonly #root: string;
  readonly #disk: Disk;
  readonly #random: Random;
  /** Folders that are durable, or become so. */
  readonly #folders = new Map<string, Promise<void>>();
  #hasSwept = false;

  constructor({ root, disk, random }: DirectoryStoreOptions) {
    this.#root = root;
    this.#disk = disk;
    this.#random = random;
  }

  async put(key: string, body: Uint8Array): Promise<void> {
    const file = this.#path(key);
    await guarded(key, async () => {
      await this.#makeFolder(path.dirname(file));
      await this.#withTemporary([body], (temporary) => this.#disk.rename(temporary, file));
      await this.#disk.syncDirectory(path.dirname(file));
    });
  }

  async putIfAbsent(key: string, body: Uint8Array): Promise<"created" | "exists"> {
    const file = this.#path(key);
    return await guarded(key, async () => {
      await this.#makeFolder(path.dirname(file));
      const outcome = await this.#withTemporary([body], (temporary) => this.#linkIfAbsent(temporary, file));
      // Also for the loser: the winner may have crashed before its sync, and what is told to exist must stay.
      await this.#disk.syncDirectory(path.dirname(file));
      return outcome;
    });
  }

  async adopt(key: string, localPath: string): Promise<void> {
    const file = this.#path(key);
    await guarded(key, async () => {
      await this.#makeFolder(path.dirname(file));
      if ((await this.#disk.stat(file))?.kind === "file") await this.#disk.remove(localPath);
      else await this.#move(localPath, file);
      await this.#disk.syncDirectory(path.dirname(file));
    });
  }

  async get(key: string, options: GetOptions = {}): Promise<Uint8Array | null> {
    options.signal?.throwIfAborted();
    const file = this.#path(key);
    return await guarded(key, async () => {
      try {
        if (options.range === undefined) return await this.#disk.readFile(file);
        await using handle = await this.#disk.open(file, "read");
        return await handle.read(options.range.start, options.range.length);
      } catch (error) {
        if (["ENOENT", "ENOTDIR", "EISDIR"].some((code) => hasCode(error, code))) return null;
        throw error;
      }
    });
  }

  async stat(key: string): Promise<ObjectStat | null> {
    const file = this.#path(key);
    const found = await guarded(key, () => this.#disk.stat(file));
    if (found === null || found.kind !== "file") return null;
    return { key, sizeBytes: found.sizeBytes, modifiedMs: found.modifiedMs };
  }

  async settle(key: string): Promise<boolean> {
    if ((await this.stat(key)) === null) return false;
    const folder = path.dirname(this.#path(key));
    await guarded(key, async () => {
      await this.#makeFolder(folder);
      await this.#disk.syncDirectory(folder);
    });
    return true;
  }

  async *list(prefix: string, options: ListOptions = {}): AsyncIterable<ObjectStat> {
    options.signal?.throwIfAborted();
    let left = options.limit ?? Number.POSITIVE_INFINITY;
    if (left <= 0 || !isPrefix(prefix)) return;
    // From the deepest folder on that all of the keys lie in: those above may have any number of others.
    const folder = prefix.slice(0, prefix.lastIndexOf("/") + 1);
    for await (const key of this.#keys(folder, prefix, options)) {
      const found = await this.stat(key);
      if (found === null) continue; // deleted meanwhile
      yield found;
      if (--left <= 0) return;
    }
  }

  async delete(key: string): Promise<void> {
    if ((await this.stat(key)) === null) return;
    const file = this.#path(key);
    await guarded(key, async () => {
      await this.#disk.remove(file);
      await this.#disk.syncDirectory(path.dirname(file));
    });
  }

  async local(key: string, signal?: AbortSignal): Promise<LocalObject | null> {
    signal?.throwIfAborted();
    if ((await this.stat(key)) === null) return null;
    return { path: this.#path(key), async [Symbol.asyncDispose]() {} };
  }

  #path(key: string): string {
    checkKey(key);
    return path.join(this.#root, key);
  }

  /**
   * Resolves when the folder is durable. One that is there may be another writer's that has not synced it yet, so that
   * each is synced in its parent once by each process, and those who need it at the same moment wait together.
   */
  #makeFolder(folder: string): Promise<void> {
    const known = this.#folders.get(folder);
    if (known !== undefined) return known;
    if (this.#folders.size > 10_000) this.#folders.clear();
    const made = this.#makeFolderDurable(folder);
    this.#folders.set(folder, made);
    made.catch(() => this.#folders.delete(folder));
    return made;
  }

  async #makeFolderDurable(folder: string): Promise<void> {
    if (folder !== this.#root) await this.#makeFolder(path.dirname(folder));
    await this.#disk.makeDirectory(folder);
    await this.#disk.syncDirectory(path.dirname(folder));
  }

  /** Hands a synced file of these bytes to `name`; nothing of it is left behind, whatever fails. */
  async #withTemporary<Result>(
    chunks: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
    name: (temporary: string) => Promise<Result>,
  ): Promise<Result> {
    const folder = path.join(this.#root, unfinished);
    await this.#makeFolder(folder);
    const temporary = path.join(folder, Buffer.from(this.#random.bytes(16)).toString("hex"));
    try {
      {
        await using handle = await this.#disk.open(temporary, "createNew");
        for await (const chunk of chunks) await handle.write(chunk);
        await handle.sync();
      }
      if (!this.#hasSwept) await this.#sweep(folder, temporary);
      return await name(temporary);
    } finally {
      await this.#disk.remove(temporary);
    }
  }

  /**
   * Once in a process's life: what killed processes have left goes. Others may be writing here, so that only old files do, by the
   * file system's own time, which the fresh file tells.
   */
  async #sweep(folder: string, fresh: string): Promise<void> {
    this.#hasSwept = true;
    const now = (await this.#disk.stat(fresh))?.modifiedMs ?? 0;
    for (const { name, kind } of await this.#disk.list(folder)) {
      const file = path.join(folder, name);
      const found = kind === "file" ? await this.#disk.stat(file) : null;
      if (found !== null && now - found.modifiedMs > abandonedAfterMs) await this.#disk.remove(file);
    }
  }

  async #linkIfAbsent(temporary: string, file: string): Promise<"created" | "exists"> {
    try {
      await this.#disk.link(temporary, file);
      return "created";
    } catch (error) {
      if (hasCode(error, "EEXIST")) return "exists";
      throw error;
    }
  }

  async #move(localPath: string, file: string): Promise<void> {
    {
      await using handle = await this.#disk.open(localPath, "read");
      await handle.sync();
    }
    try {
      await this.#disk.rename(localPath, file);
    } catch (error) {
      if (!hasCode(error, "EXDEV")) throw error;
      // Another file system: there is no renaming across.
      await this.#withTemporary(this.#chunksOf(localPath), (temporary) => this.#disk.rename(temporary, file));
      await this.#disk.remove(localPath);
    }
  }

  async *#chunksOf(file: string): AsyncIterable<Uint8Array> {
    await using handle = await this.#disk.open(file, "read");
    for (let position = 0; ; ) {
      const chunk = await handle.read(position, copiedAtOnceBytes);
      if (chunk.byteLength === 0) return;
      yield chunk;
      position += chunk.byteLength;
    }
  }

  /** Keys below a folder in order of keys: `a/` sorts as the folder's name with its slash. */
  async *#keys(folder: string, prefix: string, options: ListOptions): AsyncIterable<string> {
    const entries = await guarded(folder, () => this.#disk.list(path.join(this.#root, folder)));
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

/** What the file system refuses, as the room's own errors. */
async function guarded<Result>(key: string, work: () => Promise<Result>): Promise<Result> {
  try {
    return await work();
  } catch (cause) {
    if (!(cause instanceof Error) || !("code" in cause) || cause instanceof MillraceError) throw cause;
    if (hasCode(cause, "ENOSPC") || hasCode(cause, "EDQUOT")) {
      throw new MillraceError("disk_full", `The object store's disk is full: ${key} was not written.`, {
        hint: "Free space on it, then send the request again.",
        cause,
      });
    }
    throw new MillraceError("unavailable", `The object store cannot reach ${key}: ${cause.message}.`, { cause });
  }
}

function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && "code" in error && error.code === code;
}
